"""`asbuilt keys`."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from asbuilt.cli.output import BlueprintOption, note

__all__ = ["app"]

app = typer.Typer(help="API keys of the service; only their hashes are stored.", no_args_is_help=True)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    blueprint: BlueprintOption = Path("blueprint.yaml"),
) -> None:
    """Make a key and print it, once."""
    from asbuilt.system import System

    key = f"asbuilt-{secrets.token_urlsafe(32)}"
    with System.load(blueprint) as system:
        system.catalog.add_api_key(name, key)
    typer.echo(key)
    note(f"This is the only time that the key of {name!r} is shown.")


@app.command("list")
def list_names(blueprint: BlueprintOption = Path("blueprint.yaml")) -> None:
    """Names of the keys."""
    from asbuilt.system import System

    with System.load(blueprint) as system:
        for name in system.catalog.api_key_names():
            typer.echo(name)


@app.command("remove")
def remove(
    name: Annotated[str, typer.Argument(help="Whose key goes.")],
    blueprint: BlueprintOption = Path("blueprint.yaml"),
) -> None:
    """Forget a key; requests with it are refused from now on."""
    from asbuilt.system import System

    with System.load(blueprint) as system:
        system.catalog.remove_api_key(name)
