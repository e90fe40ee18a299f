"""Verdicts that the observations allow, and no others."""

from __future__ import annotations

import math
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
    """About how many more observations would decide, if the value stays what it is; None when that
    cannot be said: the value is on the target, or not finite.

    An interval shrinks with the square root of the number of observations.
    """
    distance = abs(estimate.value - target)
    bound = estimate.low if estimate.value > target else estimate.high
    half = abs(estimate.value - bound)
    if not (0 < distance < math.inf) or estimate.n == 0:
        return None
    if math.isinf(half):  # too few for the bound to exist at all
        return None
    wanted = estimate.n * (half / distance) ** 2
    more = math.ceil(min(wanted, _MOST)) - estimate.n
    return more if 0 < more < _MOST - estimate.n else None


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
