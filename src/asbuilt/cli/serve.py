"""`asbuilt serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asbuilt.cli.output import BlueprintOption

__all__ = ["serve"]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind; default: the blueprint's.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free port.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Bind beyond loopback without API keys.")
    ] = False,
    blueprint: BlueprintOption = Path("blueprint.yaml"),
) -> None:
    """Serve the system over HTTP (loopback unless told otherwise)."""
    from asbuilt import server
    from asbuilt.system import System

    with System.load(blueprint) as system:
        server.serve(system, host=host, port=port, insecure=insecure)
