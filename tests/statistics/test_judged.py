"""A judge that errs: its correction, its bounds, and when it may not judge."""

from __future__ import annotations

import numpy as np
import pytest

from asbuilt.errors import UserError
from asbuilt.statistics.judged import Calibration, judged_share


@pytest.mark.parametrize(
    ("tpr", "tnr", "corrected"), [(0.92, 0.85, 0.844), (0.95, 0.70, 0.769), (1.0, 1.0, 0.8)]
)
def test_the_correction_gives_published_figures(tpr: float, tnr: float, corrected: float) -> None:
    found = judged_share(800, 1000, Calibration(round(1000 * tpr), 1000, round(1000 * tnr), 1000))
    assert found.value == pytest.approx(corrected, abs=0.001)
    assert found.low < found.value < found.high


def test_few_labels_make_wide_bounds() -> None:
    few = judged_share(800, 1000, Calibration(37, 40, 34, 40))
    many = judged_share(800, 1000, Calibration(925, 1000, 850, 1000))
    assert few.high - few.low > 2 * (many.high - many.low)


@pytest.mark.parametrize(
    ("calibration", "reason"),
    [
        (Calibration(29, 29, 30, 30), "calibrated on 29 right and 30 wrong answers; 30 of each"),
        (Calibration(25, 50, 25, 50), "hardly better than a coin"),
        (Calibration(50, 50, 2, 50), "hardly better than a coin"),
        (Calibration(27, 30, 26, 30), ""),
    ],
)
def test_a_judge_must_have_shown_what_it_is_worth(calibration: Calibration, reason: str) -> None:
    assert reason in calibration.refusal
    assert bool(calibration.refusal) == bool(reason)
    if reason:
        with pytest.raises(UserError):
            judged_share(5, 10, calibration)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("truth", "tpr", "tnr", "n", "labels"), [(0.8, 0.9, 0.85, 300, 100), (0.5, 0.95, 0.8, 100, 60)]
)
def test_bounds_hold_on_simulated_judges(truth: float, tpr: float, tnr: float, n: int, labels: int) -> None:
    random = np.random.default_rng(7)
    runs = below = above = 0
    for _ in range(1500):
        calibration = Calibration(
            int(random.binomial(labels, tpr)), labels, int(random.binomial(labels, tnr)), labels
        )
        right = random.binomial(n, truth)
        accepted = int(random.binomial(right, tpr) + random.binomial(n - right, 1 - tnr))
        found = judged_share(accepted, n, calibration, seed=1)
        runs += 1
        below += found.low > truth
        above += found.high < truth
    assert below / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
    assert above / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
