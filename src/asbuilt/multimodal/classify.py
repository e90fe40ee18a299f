"""The head that tells a document's class from a few examples of each."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from asbuilt.errors import BugError, UserError
from asbuilt.modalities import UNKNOWN, Classified, Fused, Task, TaskKind, TaskOutput
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing

__all__ = ["ClassifyHead"]

_TINY = 1e-12


@component("head/classify")
class ClassifyHead:
    """The nearest mean of examples, or "unknown" for a document that is like none of them.

    Probabilities are those of normal distributions around the means, all as wide as examples scatter
    along the lines between means: each example is left out of its own mean, and the width is pulled
    towards a quarter of the least distance between means, as if there were one more example a class,
    since few examples look closer than they are. A document is unknown when the nearest mean is
    farther from it than `reach` times what means are from each other on average. (On generated
    documents of other layouts than the examples', three a class, 0.85 calls 3 % of known ones unknown,
    and about two thirds of those of a kind without examples.)

    Raises UserError for a `reach` that is not above 0.
    """

    def __init__(self, *, reach: float = 0.85) -> None:
        if not reach > 0:
            raise UserError(f"reach is {reach}; it must be above 0.")
        self._reach = reach

    demand = staticmethod(holds_nothing)

    @property
    def task(self) -> TaskKind:
        return "classify"

    @property
    def pictures(self) -> int:
        return 0

    def run(self, task: Task, fused: Fused) -> TaskOutput:
        """See the role. Raises UserError for fewer than two classes."""
        if fused.documents is None or fused.examples is None:
            raise BugError("there are no vectors to classify.")
        classes = sorted(set(fused.labels))
        if len(classes) < 2:
            raise UserError(
                f"there are examples of {len(classes)} class(es); it must be at least 2.",
                hint="Give a folder with one folder of examples for each class.",
            )
        labels = np.array([classes.index(label) for label in fused.labels])
        examples = fused.examples.vectors
        means = np.array([examples[labels == number].mean(axis=0) for number in range(len(classes))])
        apart = np.linalg.norm(means[:, None] - means[None, :], axis=2)[~np.eye(len(means), dtype=bool)]
        usual = float(apart.mean()) or 1.0
        width = _width(examples, labels, means, nearest=float(apart.min()))
        found = []
        for name, vector in zip(fused.names, fused.documents.vectors, strict=True):
            distances = np.linalg.norm(means - vector, axis=1)
            likelihood = -((distances / width) ** 2) / 2
            weights = np.exp(likelihood - likelihood.max())
            chances = weights / weights.sum()
            order = np.argsort(-chances, kind="stable")
            first, second = int(order[0]), int(order[1])
            far = distances[first] > self._reach * usual
            found.append(
                Classified(
                    name,
                    UNKNOWN if far else classes[first],
                    round(float(chances[first]), 4),
                    {classes[number]: round(float(chances[number]), 4) for number in order},
                    _shares(vector, means[first], means[second], fused.examples.spans),
                    reason=(
                        f"it is {distances[first] / usual:.2f} times as far from {classes[first]!r}, the "
                        f"nearest, as classes are from each other; {self._reach:g} is allowed"
                        if far
                        else ""
                    ),
                )
            )
        return TaskOutput("classify", classified=tuple(found))


def _width(
    examples: NDArray[np.float64],
    labels: NDArray[np.int64],
    means: NDArray[np.float64],
    *,
    nearest: float,
) -> float:
    """How far examples lie from the mean of the others of their class, along the lines to the other
    means: the root of the mean square. A class's only example tells nothing."""
    squares = []
    for number, (example, label) in enumerate(zip(examples, labels, strict=True)):
        others = (labels == label) & (np.arange(len(examples)) != number)
        if others.any():
            mean = examples[others].mean(axis=0)
            lines = np.delete(means, label, axis=0) - mean
            lengths = np.linalg.norm(lines, axis=1) + _TINY
            squares.append(float((((lines @ (example - mean)) / lengths) ** 2).mean()))
    weight = len(means)
    prior = (nearest / 4) ** 2
    return math.sqrt((sum(squares) + weight * prior) / (len(squares) + weight)) or 1.0


def _shares(
    vector: NDArray[np.float64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    spans: Mapping[str, tuple[int, int]],
) -> dict[str, float]:
    """How much each channel is nearer to the first mean than to the second; only what speaks for it."""
    gains = {}
    for channel, (start, end) in spans.items():
        part = slice(start, end)
        gain = ((vector[part] - second[part]) ** 2).sum() - ((vector[part] - first[part]) ** 2).sum()
        gains[channel] = max(float(gain), 0.0)
    whole = sum(gains.values())
    return {channel: round(gain / whole, 4) if whole else 0.0 for channel, gain in gains.items()}
