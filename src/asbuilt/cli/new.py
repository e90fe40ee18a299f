"""`asbuilt new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asbuilt.cli.output import note

__all__ = ["new"]


_HELP = (
    "assistant, document-intelligence, rag-pipeline, agent-orchestrator, training-pipeline or "
    "multimodal-processor."
)
_RUNS = {  # by the folder that holds a pattern's documents
    "docs": "asbuilt ingest docs && asbuilt ask 'What is a blueprint?'",
    "documents": "asbuilt extract documents --schema schemas/invoice.json -o out",
}
_DRAWS = "asbuilt docs -o drawing"


def new(
    pattern: Annotated[str, typer.Argument(help=_HELP, metavar="PATTERN")],
    folder: Annotated[Path, typer.Argument(help="Where; created, must be empty.", metavar="DIR")],
) -> None:
    """Write a blueprint from a pattern."""
    from asbuilt.blueprint import write_pattern

    for path in write_pattern(pattern, folder):
        note(f"wrote {path}")
    first = next((run for name, run in _RUNS.items() if (folder / name).is_dir()), _DRAWS)
    note(f"Next: cd {folder} && asbuilt check && {first}")
