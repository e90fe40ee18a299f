"""`asbuilt new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asbuilt.cli.output import note

__all__ = ["new"]


_HELP = (
    "assistant, document-intelligence, multimodal, agent-swarm, training-pipeline; or a drawing: "
    "rag-pipeline, agent-orchestrator, multimodal-processor."
)
_ASKS = "asbuilt ingest docs && asbuilt ask 'What is a blueprint?'"
_RUNS = {
    "assistant": _ASKS,
    "rag-pipeline": _ASKS,
    "document-intelligence": "asbuilt extract documents --schema schemas/invoice.json -o out",
    "multimodal": "asbuilt process documents --rank 'desk lamp'",
    "training-pipeline": "asbuilt ingest -b assistant.yaml && asbuilt train",
    "agent-swarm": "asbuilt ingest && asbuilt run 'What is a blueprint?'",
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
    first = _RUNS.get(pattern.strip().lower().replace("_", "-"), _DRAWS)
    note(f"Next: cd {folder} && asbuilt check && {first}")
