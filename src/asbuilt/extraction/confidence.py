"""How likely a value is right, from what speaks for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from asbuilt.fields import Candidate
from asbuilt.pages import PageLayout

__all__ = ["confidence_of", "signals_of"]

_INTERCEPT = -2.0
_WEIGHTS: Mapping[str, float] = {
    "score": 3.0,
    "margin": 1.0,
    "reading": 2.0,
    "ambiguous": -1.5,
    "disagreement": -1.8,
    "proved": 2.0,
    "refuted": -2.5,
    "repaired": -0.5,
}


def signals_of(best: Candidate, others: Sequence[Candidate], page: PageLayout) -> dict[str, float]:
    """What a calibration may go by, each 0 to 1."""
    words = [page.words[index] for index in best.words]
    return {
        "score": best.score,
        "margin": best.score - (others[0].score if others else 0.0),
        "reading": min(word.confidence for word in words),
        "disagreement": float(any(word.second is not None for word in words)),
    }


def confidence_of(signals: Mapping[str, float]) -> float:
    """A probability (0 to 1), by logistic regression on the signals."""
    total = _INTERCEPT + sum(weight * signals.get(name, 0.0) for name, weight in _WEIGHTS.items())
    return round(1 / (1 + math.exp(-total)), 3)
