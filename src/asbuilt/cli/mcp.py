"""`asbuilt mcp`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["mcp"]

_EFFECTS = ("read", "idempotent", "external")


def mcp(
    file: Annotated[Path, typer.Argument(help="The blueprint.", metavar="FILE")] = Path("blueprint.yaml"),
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow", help="Offer tools of this effect too: idempotent, external; may be repeated."
        ),
    ] = None,
) -> None:
    """Serve documents, assistant and tools to an MCP client."""
    import anyio

    from asbuilt.errors import UserError
    from asbuilt.server.mcp import mcp_server, serve_stdio
    from asbuilt.system import System

    for effect in allow or ():
        if effect not in _EFFECTS:
            raise UserError(f"there is no effect {effect!r} to allow.", hint=f"Known: {', '.join(_EFFECTS)}.")
    with System.load(file) as system:
        server = mcp_server(system, effects=["read", *(allow or [])])  # type: ignore[list-item]
        anyio.run(serve_stdio, server)
