"""Two rankings -> one: reciprocal ranks, or a weighted sum whose weight is fitted on known answers.

Pure functions. A ranking is a list of points, best first, without repetition; results are too, and
equal scores come in order of id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from asbuilt.errors import UserError
from asbuilt.types import ScoredId

__all__ = ["GRID", "Ranking", "fit_weight", "reciprocal_rank_fusion", "weighted_sum"]

Ranking = Sequence[ScoredId]

GRID = tuple(step / 20 for step in range(21))
"""Weights that `fit_weight` chooses from. One number from so coarse a grid cannot follow noise far."""

_RRF_K = 60
_RECALL_AT = 5


def reciprocal_rank_fusion(rankings: Iterable[Ranking], *, k: int = _RRF_K) -> list[ScoredId]:
    """Score a point by the sum of 1 / (k + rank) over the rankings that have it; ranks count from 1.

    Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion", SIGIR 2009, where k = 60.
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, scored in enumerate(ranking, start=1):
            scores[scored.id] = scores.get(scored.id, 0.0) + 1 / (k + rank)
    return _ranked(scores)


def weighted_sum(dense: Ranking, terms: Ranking, *, weight: float) -> list[ScoredId]:
    """Score a point by weight * dense + (1 - weight) * terms, each side brought to 0..1 by min-max.

    On its side, the best point scores 1 and the last one 0; when all score the same, each scores 1.
    A point that a side does not have scores 0 there: it is no better than the side's last.

    Raises UserError for a weight outside of [0, 1].
    """
    if not 0 <= weight <= 1:
        raise UserError(f"weight {weight!r} is not between 0 (terms only) and 1 (dense only).")
    return _blend(_min_max(dense), _min_max(terms), weight)


def fit_weight(cases: Iterable[tuple[Ranking, Ranking, Collection[int]]]) -> float:
    """The dense side's weight for which known answers rank best.

    A case is (dense ranking, terms ranking, ids of right answers). The weight in `GRID` with the
    highest mean reciprocal rank of the first right answer wins; ties go to the higher recall@5, then
    to the middle one of what is left. Without cases that is 0.5.
    """
    normalised = [(_min_max(dense), _min_max(terms), right) for dense, terms, right in cases]
    merits = []
    for weight in GRID:
        ranks = [_rank_of_first(_blend(dense, terms, weight), right) for dense, terms, right in normalised]
        mean_reciprocal_rank = sum(1 / rank for rank in ranks if rank)
        recall = sum(1 for rank in ranks if 0 < rank <= _RECALL_AT)
        merits.append((round(mean_reciprocal_rank, 9), recall))
    best = [weight for weight, merit in zip(GRID, merits, strict=True) if merit == max(merits)]
    return best[len(best) // 2]


def _min_max(ranking: Ranking) -> Mapping[int, float]:
    if not ranking:
        return {}
    scores = [scored.score for scored in ranking]
    low, span = min(scores), max(scores) - min(scores)
    return {scored.id: (scored.score - low) / span if span > 0 else 1.0 for scored in ranking}


def _blend(dense: Mapping[int, float], terms: Mapping[int, float], weight: float) -> list[ScoredId]:
    return _ranked(
        {
            point: weight * dense.get(point, 0.0) + (1 - weight) * terms.get(point, 0.0)
            for point in dense.keys() | terms.keys()
        }
    )


def _ranked(scores: Mapping[int, float]) -> list[ScoredId]:
    order = sorted(scores, key=lambda point: (-scores[point], point))
    return [ScoredId(point, scores[point]) for point in order]


def _rank_of_first(ranking: Ranking, right: Collection[int]) -> int:
    """Rank from 1 of the first point of `ranking` that is right; 0 when none is."""
    return next((rank for rank, scored in enumerate(ranking, start=1) if scored.id in right), 0)
