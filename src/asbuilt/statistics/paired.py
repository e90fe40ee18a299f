"""Two subjects on the same cases: what flipped, and whether it could be chance."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal

from asbuilt.errors import UserError
from asbuilt.statistics.estimate import CONFIDENCE, Estimate, mean_estimate, share_estimate

__all__ = ["PairedComparison", "compare"]


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """`difference` is the mean of ours minus theirs over the cases that both did. `gained` are cases
    where ours is higher, `lost` where it is lower. The interval of the difference decides: exact where
    scores are 0 or 1 (then `p` is McNemar's, exact and two-sided), by the bootstrap otherwise."""

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
    """Compare scores, from 0 to 1, by case id: "better" or "worse" where there is no difference is said
    in at most 5 % of comparisons. Raises UserError when the two share no case."""
    shared = [case for case in ours if case in theirs]
    if not shared:
        raise UserError("the two share no case, so they cannot be compared.")
    differences = [ours[case] - theirs[case] for case in shared]
    gained = tuple(case for case in shared if ours[case] > theirs[case])
    lost = tuple(case for case in shared if ours[case] < theirs[case])
    binary = clusters is None and {ours[case] for case in shared} | {theirs[case] for case in shared} <= {
        0,
        1,
    }
    two_sided = 1 - (1 - confidence) / 2  # each bound has half of the error
    if binary:
        difference = _of_flips(len(gained), len(lost), len(shared), two_sided)
    else:
        within = None if clusters is None else [clusters[case] for case in shared]
        difference = mean_estimate(
            differences, scale=(-1, 1), clusters=within, confidence=two_sided, seed=seed
        )
    verdict: Literal["better", "worse", "undecided"] = "undecided"
    if difference.low > 0 or difference.high < 0:
        verdict = "better" if difference.value > 0 else "worse"
    return PairedComparison(
        difference, gained, lost, _mcnemar(len(gained), len(lost)) if binary else None, verdict
    )


def _of_flips(gained: int, lost: int, n: int, confidence: float) -> Estimate:
    """The difference of two shares on the same n cases, which is (2 q - 1) r where the share r of the cases
    flips, and of these the share q is gained. Both have exact bounds: q alone decides on which side of 0
    the interval lies, exactly as McNemar's exact test does; r says how far from 0 it may reach."""
    flips = gained + lost
    often = share_estimate(flips, n, confidence=confidence)
    if flips == 0:
        return Estimate(0.0, -often.high, often.high, n, "exact, no case flipped")
    share = share_estimate(gained, flips, confidence=confidence)
    low, high = 2 * share.low - 1, 2 * share.high - 1
    low *= often.high if low < 0 else often.low
    high *= often.high if high > 0 else often.low
    return Estimate((gained - lost) / n, low, high, n, "exact, of the cases that flipped")


def _mcnemar(gained: int, lost: int) -> float:
    """Exact (McNemar 1947 with the binomial distribution): flips go either way equally often."""
    from scipy.special import bdtr

    flips = gained + lost
    return 1.0 if flips == 0 else min(1.0, 2 * float(bdtr(min(gained, lost), flips, 0.5)))
