"""Two subjects on the same cases: what flipped, and whether it could be chance."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal

from asbuilt.errors import UserError
from asbuilt.statistics.estimate import CONFIDENCE, Estimate, mean_estimate

__all__ = ["PairedComparison", "compare"]


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """`difference` is the mean of ours minus theirs over the cases that both did. `gained` are cases
    where ours is higher, `lost` where it is lower. `p` is two-sided: exact McNemar where scores are 0
    or 1, otherwise None and the interval of the difference decides."""

    difference: Estimate
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    p: float | None
    verdict: Literal["better", "worse", "undecided"]


def compare(
    ours: Mapping[str, float],
    theirs: Mapping[str, float],
    *,
    clusters: Mapping[str, Hashable] | None = None,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> PairedComparison:
    """Compare scores by case id. Raises UserError when the two share no case."""
    shared = [case for case in ours if case in theirs]
    if not shared:
        raise UserError("the two share no case, so they cannot be compared.")
    differences = [ours[case] - theirs[case] for case in shared]
    # Bounds of a two-sided interval: each has half of the error.
    difference = mean_estimate(
        differences,
        clusters=None if clusters is None else [clusters[case] for case in shared],
        confidence=1 - (1 - confidence) / 2,
        seed=seed,
    )
    gained = tuple(case for case in shared if ours[case] > theirs[case])
    lost = tuple(case for case in shared if ours[case] < theirs[case])
    binary = clusters is None and {ours[case] for case in shared} | {theirs[case] for case in shared} <= {
        0,
        1,
    }
    p = _mcnemar(len(gained), len(lost)) if binary else None
    decided = p <= 1 - confidence if p is not None else not difference.low <= 0 <= difference.high
    verdict: Literal["better", "worse", "undecided"] = "undecided"
    if decided and difference.value:
        verdict = "better" if difference.value > 0 else "worse"
    return PairedComparison(difference, gained, lost, p, verdict)


def _mcnemar(gained: int, lost: int) -> float:
    """Exact (McNemar 1947 with the binomial distribution): flips go either way equally often."""
    from scipy.special import bdtr

    flips = gained + lost
    return 1.0 if flips == 0 else min(1.0, 2 * float(bdtr(min(gained, lost), flips, 0.5)))
