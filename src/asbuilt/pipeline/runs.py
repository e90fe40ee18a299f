"""Where the runs of a pipeline are, which one goes on, and what is tried when the gate refuses."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import product
from math import isfinite
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from asbuilt.errors import StorageError, UserError
from asbuilt.lineage import PipelineResult

__all__ = ["TrainingRuns", "attempts", "plain", "write_durably"]

_RESULT = "result.json"
_BLUEPRINT = "blueprint.sha256"

Grid = Mapping[str, Sequence[Any]]


class TrainingRuns:
    """Runs in ``folder/run-001``, ...; one without ``result.json`` is unfinished. Raises StorageError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def current(self, *, blueprint: str, fresh: bool = False) -> Path:
        """The folder of the newest run if it is unfinished, of this `blueprint` (its digest), and no `fresh`
        one is wanted; else a new one."""
        numbers = [int(each.name[4:]) for each in self._folder.glob("run-*") if each.name[4:].isdigit()]
        newest = max(numbers, default=0)
        file = self._folder / f"run-{newest:03}" / _BLUEPRINT
        if newest and not fresh and not file.with_name(_RESULT).is_file() and _is(file, blueprint):
            return file.parent
        folder = self._folder / f"run-{newest + 1:03}"
        with _stored(folder):
            folder.mkdir(parents=True)
            (folder / _BLUEPRINT).write_text(f"{blueprint}\n", encoding="utf-8")
        return folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other trainings of this project out meanwhile. Raises UserError where one is at work."""
        with _stored(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._folder / "lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                raise UserError(
                    f"another asbuilt train is at work in {self._folder}.",
                    hint="Wait until it ends, or stop it; what it did is kept.",
                ) from None
        try:
            yield
        finally:
            lock.release()

    @staticmethod
    def finish(folder: Path, results: Sequence[PipelineResult]) -> Path:
        """Write what came out of a run's attempts, and so end it."""
        with _stored(folder):
            return write_durably(folder / _RESULT, plain(results))


def plain(value: Any) -> Any:
    """Results as JSON's types."""
    if isinstance(value, PipelineResult):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def write_durably(file: Path, value: Any) -> Path:
    """Write `value` as JSON; after a crash `file` holds all of it, or what it held before."""
    unfinished = file.with_suffix(".unfinished")
    with unfinished.open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(file)
    return file


def _is(file: Path, blueprint: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8").strip() == blueprint


@contextmanager
def _stored(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror or error}.") from error


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
