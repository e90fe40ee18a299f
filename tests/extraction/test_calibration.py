from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.extraction.calibration import (
    FEWEST_LABELS,
    Calibration,
    Label,
    calibration_error,
    fit,
    labels_of,
    risk_coverage,
)
from asbuilt.extraction.corrections import Correction


def sample(n: int, *, seed: int, slope: float, offset: float) -> list[Label]:
    """Values whose confidence is off by a known map in the log-odds."""
    chance = random.Random(seed)
    labels = []
    for _ in range(n):
        stated = chance.uniform(0.3, 0.995)
        odds = slope * math.log(stated / (1 - stated)) + offset
        labels.append(Label(stated, chance.random() < 1 / (1 + math.exp(-odds))))
    return labels


def test_a_known_distortion_is_undone() -> None:
    fitted = fit(sample(2000, seed=1, slope=0.5, offset=-0.7))
    assert fitted.slope == pytest.approx(0.5, abs=0.1)
    assert fitted.offset == pytest.approx(-0.7, abs=0.2)
    held_out = sample(2000, seed=2, slope=0.5, offset=-0.7)
    before = calibration_error(held_out)
    after = calibration_error([Label(fitted.apply(label.confidence), label.right) for label in held_out])
    assert before > 0.15
    assert after < 0.04


def test_too_few_labels_change_nothing_and_say_so() -> None:
    few = fit(sample(FEWEST_LABELS - 1, seed=1, slope=0.5, offset=-1))
    assert few.apply(0.87) == 0.87
    assert f"it takes {FEWEST_LABELS}" in few.refusal
    one_sided = fit([Label(0.9, True)] * 100)
    assert one_sided.apply(0.9) == 0.9
    assert "100 values known to be right and 0 to be wrong" in one_sided.refusal


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=80), st.floats(0, 1), st.floats(0, 1))
def test_it_keeps_the_order_and_stays_a_probability(
    raw: list[tuple[float, bool]], one: float, other: float
) -> None:
    fitted = fit([Label(*each) for each in raw])
    low, high = sorted((one, other))
    assert 0 <= fitted.apply(low) <= fitted.apply(high) <= 1


def test_few_labels_change_little() -> None:
    labels = [Label(0.9, True)] * 27 + [Label(0.9, False)] * 3
    assert fit(labels).apply(0.9) == pytest.approx(0.9, abs=0.01)


def test_error_and_risk() -> None:
    labels = [Label(0.9, True)] * 9 + [Label(0.9, False)] + [Label(0.5, True)] * 5 + [Label(0.5, False)] * 5
    assert calibration_error(labels, bins=2) == pytest.approx(0.0)
    assert calibration_error([Label(1.0, False)]) == 1.0
    assert calibration_error([]) == 0.0
    first, last = risk_coverage(labels)
    assert (first.threshold, first.coverage, first.errors.value) == (0.9, 0.5, 0.1)
    assert (last.threshold, last.coverage, last.errors.value) == (0.5, 1.0, 0.3)
    assert first.errors.high > 0.3  # ten values prove little
    assert str(first).startswith("accepted from 0.900: 50% of the values, 10.0% of them wrong (at most ")
    assert risk_coverage([]) == []
    assert Calibration().apply(0.5) == 0.5


def test_labels_are_what_was_stated_first_against_the_last_word() -> None:
    def said(path: str, before: object, after: object, confidence: float) -> Correction:
        return Correction("s", "h", "d", path, before, after, confidence)

    labels = labels_of(
        [said("a", 1, 2, 0.7), said("a", 2, 1, 1.0), said("b", "x", "x", 0.8), said("c", None, 3, 0.1)]
    )
    assert labels == [Label(0.7, True), Label(0.8, True)]
