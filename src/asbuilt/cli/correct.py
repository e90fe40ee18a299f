"""`asbuilt correct`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from asbuilt.cli.project import OptionalBlueprint, open_project

__all__ = ["correct"]


def correct(
    out: Annotated[Path, typer.Argument(help="A folder that `asbuilt extract` wrote.", metavar="FOLDER")],
    document: Annotated[str, typer.Argument(help="A document in it, by its file name.")],
    path: Annotated[str, typer.Argument(help="The value's path, for example total or lines[0].amount.")],
    value: Annotated[
        str | None, typer.Argument(help="What it should be (JSON, or text); without it: it is not there.")
    ] = None,
    blueprint: OptionalBlueprint = None,
) -> None:
    """Say what a value should have been. The next runs keep it, and know its place on this layout."""
    with open_project(blueprint) as system:
        correction = system.correct(out, document, path, _value(value))
    where = f", on page {correction.page}" if correction.page else ", which stands nowhere on its pages"
    if correction.after is None:
        where = ""
    kept = "confirmed" if correction.right else f"was {correction.before!r}"
    sys.stdout.write(f"{document}: {path} is {correction.after!r} ({kept}){where}\n")


def _value(text: str | None) -> Any:
    """JSON where it is JSON; a bare word is text."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
