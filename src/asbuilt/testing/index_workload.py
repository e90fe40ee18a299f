"""Writes to an index that are the same in every process, and a process to be killed while it writes."""

from __future__ import annotations

from importlib import import_module
from itertools import count
from pathlib import Path

import numpy as np

from asbuilt.types import IndexPoint

__all__ = ["workload", "write_until_killed"]


def workload(number: int) -> tuple[list[IndexPoint], list[int]]:
    """The write that leads to position `number`: always the same, over few ids."""
    rng = np.random.default_rng(number)
    points = [
        IndexPoint(
            int(point_id),
            f"common {'even' if number % 2 == 0 else 'odd'} word{rng.integers(50)}" + " more" * (number % 5),
            None if rng.random() < 0.3 else rng.standard_normal(4).astype(np.float32),
            {"even": number % 2 == 0, "number": number},
        )
        for point_id in rng.choice(80, size=30, replace=False)
    ]
    return points, [int(point_id) for point_id in rng.choice(80, size=6, replace=False)]


def write_until_killed(module: str, name: str, folder: str) -> None:
    """In a process of its own: apply `workload` after `workload`, and print each position reached."""
    index = getattr(import_module(module), name)(folder=Path(folder))
    index.open()
    print(index.position, flush=True)  # noqa: T201
    for number in count(index.position + 1):
        points, remove = workload(number)
        index.write(points, remove=remove, position=number)
        print(number, flush=True)  # noqa: T201
