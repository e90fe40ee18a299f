"""Where the runs of a pipeline are, which one goes on, and what is tried when the gate refuses."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from asbuilt.errors import UserError
from asbuilt.lineage import PipelineResult

__all__ = ["TrainingRuns", "attempts"]

Grid = Mapping[str, Sequence[Any]]


class TrainingRuns:
    """Runs in ``folder/run-001``, ...; one without ``result.json`` is unfinished."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def current(self, *, fresh: bool) -> Path:
        """The folder of the newest run if it is unfinished and no `fresh` one is wanted, else a new one."""
        runs = sorted(self._folder.glob("run-*"))
        if runs and not fresh and not (runs[-1] / "result.json").is_file():
            return runs[-1]
        number = int(runs[-1].name.partition("-")[2]) + 1 if runs else 1
        return self._folder / f"run-{number:03}"

    @staticmethod
    def finish(folder: Path, results: Sequence[PipelineResult]) -> Path:
        """Write what came out of a run's attempts, and so end it."""
        file = folder / "result.json"
        unfinished = file.with_suffix(".unfinished")
        text = json.dumps([asdict(result) for result in results], indent=2, default=str, ensure_ascii=False)
        with unfinished.open("w", encoding="utf-8") as stream:
            stream.write(f"{text}\n")
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(file)
        return file


def attempts(grid: Grid, number: int) -> Iterator[dict[str, Any]]:
    """At most `number` settings: first none (as drawn), then those of the grid, the last name changing
    fastest. Raises UserError for more than one attempt without a grid.

    >>> list(attempts({"rank": [8, 16], "epochs": [1, 2]}, 3))
    [{}, {'rank': 8, 'epochs': 1}, {'rank': 8, 'epochs': 2}]
    """
    if number > 1 and not grid:
        raise UserError(
            "there is nothing to iterate over: the pipeline has no grid.",
            hint="Declare one in its config, as grid: {learning_rate: [0.0005, 0.002], epochs: [1, 2]}.",
        )
    yield {}
    for at, values in enumerate(product(*grid.values()), start=2):
        if at > number:
            return
        yield dict(zip(grid, values, strict=True))
