"""The fusion layer: what several channels say -> one score or one vector an item."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from asbuilt.errors import BugError, UserError
from asbuilt.modalities import FusedScores, JoinedVectors
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing

__all__ = ["WeightedFusion"]

_TINY = 1e-12


@component("fusion/weighted")
class WeightedFusion:
    """A weighted sum over channels that were brought to one scale.

    Scores that were made in one way ("text.words", "table.words") have one scale, from the least to the
    greatest of them among the items of a query, and an item takes the best of them; so a table that
    says it counts as much as a passage that says it, and what says the same of all items says nothing.
    The ways are then added (a convex combination: Bruch, Gai and Ingber, "An Analysis of Fusion Functions
    for Hybrid Retrieval", 2023). Vectors are centred on their examples and scaled to a mean length of
    1 there. `weights` are by channel ("text.meaning"), by modality ("text") or by way ("meaning"),
    the first that is named counts, and 1 where none is; 0 switches a channel off.

    Raises UserError for a weight below 0.
    """

    def __init__(self, *, weights: Mapping[str, float] | None = None) -> None:
        self._weights = dict(weights or {})
        for name, weight in self._weights.items():
            if not weight >= 0:
                raise UserError(f"the weight of {name!r} is {weight}; it must be 0 or more.")

    demand = staticmethod(holds_nothing)

    def fuse(self, scores: Mapping[str, NDArray[np.float64]]) -> FusedScores:
        """See the role."""
        if not scores:
            raise BugError("no channel has scores to fuse.")
        lengths = {name: len(each) for name, each in scores.items()}
        if len(set(lengths.values())) > 1:
            raise UserError(f"the channels score different numbers of items: {lengths}.")
        ways: dict[str, list[str]] = {}
        for name in scores:
            ways.setdefault(_way(name), []).append(name)
        parts: dict[str, NDArray[np.float64]] = {}
        most = 0.0
        for names in ways.values():
            weights = np.array([[self._weight(name)] for name in names])
            said = weights * _scaled(np.array([scores[name] for name in names]))
            best = said.argmax(axis=0)
            parts |= {name: np.where(best == row, said[row], 0.0) for row, name in enumerate(names)}
            most += float(weights.max())
        total = np.sum(list(parts.values()), axis=0)
        shares = {
            name: np.divide(part, total, out=np.zeros_like(part), where=total > _TINY)
            for name, part in parts.items()
        }
        return FusedScores(total / most if most else total, shares)

    def join(
        self, vectors: Mapping[str, NDArray[np.float32]], *, examples: Mapping[str, NDArray[np.float32]]
    ) -> JoinedVectors:
        """See the role."""
        if not vectors:
            raise BugError("no channel has vectors to join.")
        columns: list[NDArray[np.float64]] = []
        spans: dict[str, tuple[int, int]] = {}
        start = 0
        for name, rows in vectors.items():
            columns.append(np.sqrt(self._weight(name)) * _standardised(rows, examples[name]))
            spans[name] = (start, start + rows.shape[1])
            start += rows.shape[1]
        return JoinedVectors(np.hstack(columns), spans)

    def _weight(self, channel: str) -> float:
        modality = channel.partition(".")[0]
        for name in (channel, modality, _way(channel)):
            if name in self._weights:
                return self._weights[name]
        return 1.0


def _way(channel: str) -> str:
    return channel.partition(".")[2]


def _scaled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape (channels, items): 0 for the least and for what is not seen, 1 for the greatest."""
    seen = np.isfinite(scores)
    if not seen.any():
        return np.zeros(scores.shape)
    least, most = float(scores[seen].min()), float(scores[seen].max())
    if most - least <= _TINY:
        least = min(least, 0.0)  # one item, or equals: they stand out against those that are not seen
    if most - least <= _TINY:
        return np.zeros(scores.shape)
    return np.where(seen, (np.where(seen, scores, least) - least) / (most - least), 0.0)


def _standardised(rows: NDArray[np.float32], examples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Centred on the examples that are seen, and divided by their mean distance from there."""
    known = examples[np.any(examples != 0, axis=1)].astype(np.float64)
    seen = np.any(rows != 0, axis=1, keepdims=True)
    if not len(known):
        return np.zeros(rows.shape)
    centre = known.mean(axis=0)
    spread = float(np.linalg.norm(known - centre, axis=1).mean())
    if spread <= _TINY:
        return np.zeros(rows.shape)  # all examples look the same to this channel
    return np.where(seen, (rows.astype(np.float64) - centre) / spread, 0.0)
