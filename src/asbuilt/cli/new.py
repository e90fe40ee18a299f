"""`asbuilt new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asbuilt.cli.output import note

__all__ = ["new"]


def new(
    pattern: Annotated[str, typer.Argument(help="What to build: assistant.", metavar="PATTERN")],
    folder: Annotated[Path, typer.Argument(help="Where; created, must be empty.", metavar="DIR")],
) -> None:
    """Write a blueprint from a pattern."""
    from asbuilt.blueprint import write_pattern

    for path in write_pattern(pattern, folder):
        note(f"wrote {path}")
    note(f"Next: cd {folder} && asbuilt check && asbuilt ingest docs && asbuilt ask 'What is a blueprint?'")
