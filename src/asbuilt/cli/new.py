"""`asbuilt new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asbuilt.cli.output import note

__all__ = ["new"]


_HELP = "assistant, rag-pipeline, agent-orchestrator, training-pipeline or multimodal-processor."


def new(
    pattern: Annotated[str, typer.Argument(help=_HELP, metavar="PATTERN")],
    folder: Annotated[Path, typer.Argument(help="Where; created, must be empty.", metavar="DIR")],
) -> None:
    """Write a blueprint from a pattern."""
    from asbuilt.blueprint import write_pattern

    for path in write_pattern(pattern, folder):
        note(f"wrote {path}")
    runs = "asbuilt ingest docs && asbuilt ask 'What is a blueprint?'"
    draws = "asbuilt docs -o drawing"
    note(f"Next: cd {folder} && asbuilt check && {runs if (folder / 'docs').is_dir() else draws}")
