"""Confidence that means what it says, fitted on what users corrected and confirmed.

A logistic map in the log-odds of the stated confidence, p = s(a logit(c) + b) (Platt 1999), drawn
towards a = 1, b = 0, so that few labels change little. Below `FEWEST_LABELS`, or with too few of
either kind, nothing is fitted, and the result says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from asbuilt.extraction.corrections import Correction
from asbuilt.statistics.estimate import ShareEstimate, share_estimate

__all__ = [
    "FEWEST_LABELS",
    "Calibration",
    "Label",
    "Risk",
    "calibration_error",
    "fit",
    "labels_of",
    "risk_coverage",
]

FEWEST_LABELS = 30
_FEWEST_OF_EITHER = 3
_PULL = 1.0  # variance 1 of the normal prior on slope and offset
_EDGE = 0.001
_BINS = 10


class Label(NamedTuple):
    """A confidence that was stated, and whether the value was right."""

    confidence: float
    right: bool


@dataclass(frozen=True, slots=True)
class Calibration:
    """The fitted map. With `refusal`, which says why nothing was fitted, it is the identity."""

    slope: float = 1.0
    offset: float = 0.0
    labels: int = 0
    refusal: str = ""

    def apply(self, confidence: float) -> float:
        """The calibrated confidence, to 3 decimals; it keeps the order of confidences."""
        if self.refusal:
            return confidence
        return round(1 / (1 + math.exp(-(self.slope * _log_odds(confidence) + self.offset))), 3)


@dataclass(frozen=True, slots=True)
class Risk:
    """What accepting all values of at least `threshold` without a look would mean: which share of the
    values (`coverage`), and which share of those is wrong."""

    threshold: float
    coverage: float
    errors: ShareEstimate

    def __str__(self) -> str:
        return (
            f"accepted from {self.threshold:.3f}: {self.coverage:.0%} of the values, "
            f"{self.errors.value:.1%} of them wrong (at most {self.errors.high:.1%}, n = {self.errors.n})"
        )


def labels_of(corrections: Iterable[Correction]) -> list[Label]:
    """One label for each value that a user looked at: what was stated at first, against the last word."""
    by_value: dict[tuple[str, str, str], list[Correction]] = {}
    for each in corrections:
        by_value.setdefault((each.schema, each.content_hash, each.path), []).append(each)
    return [
        Label(first.confidence, replace(first, after=last.after).right)
        for first, *_, last in ([*some, some[-1]] for some in by_value.values())
        if first.before is not None
    ]


def fit(labels: Sequence[Label]) -> Calibration:
    """The map that these labels support."""
    right = sum(label.right for label in labels)
    wrong = len(labels) - right
    if len(labels) < FEWEST_LABELS or min(right, wrong) < _FEWEST_OF_EITHER:
        return Calibration(
            labels=len(labels),
            refusal=(
                f"{right} values known to be right and {wrong} to be wrong are too few: it takes "
                f"{FEWEST_LABELS}, and {_FEWEST_OF_EITHER} of either kind"
            ),
        )
    x = np.stack([np.array([_log_odds(label.confidence) for label in labels]), np.ones(len(labels))], axis=1)
    y = np.array([label.right for label in labels], float)
    start = np.array([1.0, 0.0])
    at = start.copy()
    for _ in range(50):  # Newton on a strictly convex loss
        p = 1 / (1 + np.exp(-x @ at))
        slope = x.T @ (p - y) + _PULL * (at - start)
        curve = (x * (p * (1 - p))[:, None]).T @ x + _PULL * np.eye(2)
        step = np.linalg.solve(curve, slope)
        at -= step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    # A map that turned the order around would say that the stated confidence is worth nothing.
    return Calibration(round(max(float(at[0]), 0.0), 4), round(float(at[1]), 4), len(labels))


def calibration_error(labels: Sequence[Label], *, bins: int = _BINS) -> float:
    """Expected calibration error (Naeini et al. 2015) over bins of equal numbers of values."""
    ordered = sorted(labels)
    total = 0.0
    for some in np.array_split(np.array(ordered, float).reshape(-1, 2), min(bins, max(1, len(ordered)))):
        if len(some):
            total += len(some) * abs(float(some[:, 0].mean() - some[:, 1].mean()))
    return total / max(1, len(ordered))


def risk_coverage(labels: Sequence[Label], *, thresholds: Sequence[float] = ()) -> list[Risk]:
    """One row a threshold, by default one for each tenth of the values."""
    if not labels:
        return []
    stated = sorted((label.confidence for label in labels), reverse=True)
    tenths = [stated[max(0, math.ceil(len(stated) * share / 10) - 1)] for share in range(1, 11)]
    rows = []
    for threshold in thresholds or sorted(set(tenths), reverse=True):
        kept = [label for label in labels if label.confidence >= threshold]
        if kept:
            errors = share_estimate(sum(not label.right for label in kept), len(kept))
            rows.append(Risk(threshold, len(kept) / len(labels), errors))
    return rows


def _log_odds(confidence: float) -> float:
    held = min(1 - _EDGE, max(_EDGE, confidence))
    return math.log(held / (1 - held))
