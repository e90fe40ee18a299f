"""Verdicts that the observations allow, and no others."""

from __future__ import annotations

import math
from bisect import bisect_left
from enum import StrEnum
from typing import Literal

from asbuilt.statistics.estimate import CONFIDENCE, Estimate

__all__ = ["Comparison", "Verdict", "cases_needed", "decide", "fewest_cases", "fewest_for_percentile"]

Comparison = Literal[">=", "<=", ">", "<"]

_MOST = 1_000_000


class Verdict(StrEnum):
    """PASS or FAIL only when the bound on the target's side allows it."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


def decide(estimate: Estimate, comparison: Comparison, target: float) -> Verdict:
    """PASS when the bound nearest to missing the target still meets it, FAIL when the other bound
    misses it. With bounds of 95 % confidence, a system that misses its target passes in at most 5 %
    of evaluations, and one that meets it fails in at most 5 %."""
    if comparison in (">=", ">"):
        if estimate.low > target or (comparison == ">=" and estimate.low == target):
            return Verdict.PASS
        missed = estimate.high < target or (comparison == ">" and estimate.high == target)
    else:
        if estimate.high < target or (comparison == "<=" and estimate.high == target):
            return Verdict.PASS
        missed = estimate.low > target or (comparison == "<" and estimate.low == target)
    return Verdict.FAIL if missed else Verdict.INCONCLUSIVE


def cases_needed(estimate: Estimate, target: float) -> int | None:
    """About how many more observations would decide, if they came out like those at hand; None when
    no million would: the value is on the target, or too near. For a rate, observations are events."""

    def decides(n: int) -> bool:
        more = estimate.extended(n)
        return more.low > target or more.high < target

    if estimate.n == 0 or estimate.value == target:
        return None
    undecided, enough = estimate.n, 2 * estimate.n
    while not decides(enough):
        undecided, enough = enough, 2 * enough
        if undecided > _MOST:
            return None
    return bisect_left(range(undecided, enough), True, key=decides) + undecided - estimate.n


def fewest_cases(comparison: Comparison, target: float, *, confidence: float = CONFIDENCE) -> int | None:
    """The fewest cases with which a share can be shown to meet `target`: all of them going well.
    None when no number is enough.

    >>> fewest_cases(">=", 0.95)
    59
    """
    worst = target if comparison in (">=", ">") else 1 - target
    if worst >= 1:
        return None
    if worst <= 0:
        return 1
    return math.ceil(math.log(1 - confidence) / math.log(worst))


def fewest_for_percentile(percent: float, *, confidence: float = CONFIDENCE) -> int:
    """The fewest observations for which an upper bound of a percentile exists.

    >>> fewest_for_percentile(95), fewest_for_percentile(99)
    (59, 299)
    """
    return math.ceil(math.log(1 - confidence) / math.log(percent / 100))
