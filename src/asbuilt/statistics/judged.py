"""A share that an imperfect judge counted, corrected for how often the judge is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asbuilt.errors import UserError
from asbuilt.statistics.estimate import CONFIDENCE, Estimate

__all__ = ["FEWEST_LABELS", "Calibration", "judged_share"]

FEWEST_LABELS = 30
"""Of answers labelled right, and of answers labelled wrong."""

_LEAST_USE = 0.25
_RESAMPLES = 20_000


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a judge said of labelled answers: of `right` right ones it accepted `accepted`, of `wrong`
    wrong ones it rejected `rejected`."""

    accepted: int
    right: int
    rejected: int
    wrong: int

    @property
    def refusal(self) -> str:
        """Why this judge may not judge; empty when it may.

        What a judge is worth is its true positive rate plus its true negative rate minus 1 (Youden 1950):
        0 for a coin, 1 for a judge without error. Its 95 % lower bound must reach 0.25, below which the
        correction would blow up every error of sampling.
        """
        if min(self.right, self.wrong) < FEWEST_LABELS:
            return (
                f"the judge is calibrated on {self.right} right and {self.wrong} wrong answers; "
                f"{FEWEST_LABELS} of each are needed"
            )
        use = _use(self, np.random.default_rng(0))
        low = float(np.quantile(use, 1 - CONFIDENCE))
        if low < _LEAST_USE:
            return (
                f"the judge accepts {self.accepted} of {self.right} right answers and rejects "
                f"{self.rejected} of {self.wrong} wrong ones: hardly better than a coin"
            )
        return ""


def judged_share(accepted: int, n: int, calibration: Calibration, *, seed: int = 0) -> Estimate:
    """The true share of right answers among `n`, of which the judge accepted `accepted`.

    (observed + TNR - 1) / (TPR + TNR - 1) (Rogan and Gladen 1978). Bounds are quantiles over draws
    of all three shares from their posteriors under Jeffreys' prior, so that few labels make them
    wide. Raises UserError for a judge that may not judge.
    """
    if calibration.refusal:
        raise UserError(f"{calibration.refusal}.", hint="Label more answers, or take another judge.")
    random = np.random.default_rng(seed)
    observed = _posterior(accepted, n, random)
    true_negative = _posterior(calibration.rejected, calibration.wrong, random)
    use = np.maximum(_posterior(calibration.accepted, calibration.right, random) + true_negative - 1, 1e-9)
    draws = np.clip((observed + true_negative - 1) / use, 0, 1)
    tpr, tnr = calibration.accepted / calibration.right, calibration.rejected / calibration.wrong
    value = float(np.clip((accepted / n + tnr - 1) / (tpr + tnr - 1), 0, 1))
    low, high = np.quantile(draws, [1 - CONFIDENCE, CONFIDENCE])
    return Estimate(value, float(low), float(high), n, "corrected for the judge's errors on labelled answers")


def _posterior(successes: int, n: int, random: np.random.Generator) -> np.ndarray:
    return random.beta(successes + 0.5, n - successes + 0.5, _RESAMPLES)


def _use(calibration: Calibration, random: np.random.Generator) -> np.ndarray:
    """Draws of what the judge is worth."""
    true_positive = _posterior(calibration.accepted, calibration.right, random)
    true_negative = _posterior(calibration.rejected, calibration.wrong, random)
    return np.asarray(true_positive + true_negative - 1)
