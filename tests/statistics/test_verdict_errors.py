"""Simulated systems of known truth: wrong verdicts stay within the stated 5 %."""

from __future__ import annotations

import numpy as np
import pytest
from verdict_errors import MEASURED, PAIRED, QUEUED, RUNS, SCORED, Measured, Paired, Queued, Scored

pytestmark = pytest.mark.slow

NOISE = 3 * (0.05 * 0.95 / RUNS) ** 0.5  # three standard errors of a share of 5 %


@pytest.mark.parametrize("system", [*MEASURED, *SCORED], ids=lambda system: system.name)
def test_verdicts_keep_their_word(system: Measured | Scored) -> None:
    found = system.errors()
    assert found.false_pass <= 0.05 + NOISE
    assert found.false_fail <= 0.05 + NOISE


@pytest.mark.parametrize("pair", PAIRED, ids=lambda pair: pair.name)
def test_equal_systems_are_rarely_told_apart(pair: Paired) -> None:
    found = pair.errors()
    assert found.false_pass + found.false_fail <= 0.05 + NOISE


@pytest.mark.parametrize("system", SCORED, ids=lambda system: system.name)
def test_the_product_has_the_bounds_of_single_estimates(system: Scored) -> None:
    assert system.errors(60) == system.errors_one_by_one(60, scale=system.scale)


def test_bounds_are_not_so_wide_that_nothing_is_ever_decided() -> None:
    """A right system passes: 95.5 % recall against a target of 85 %, 200 cases."""
    system = Scored("", (0, 0.5, 1), (0.02, 0.05, 0.93), 200)
    means = system.drawn(np.random.default_rng(2), 100)
    assert sum(system.estimate(each, scale=(0, 1)).low >= 0.85 for each in means) == 100


@pytest.mark.parametrize("system", QUEUED, ids=lambda system: system.name)
def test_requests_that_queue_nearly_keep_their_word(system: Queued) -> None:
    """Autocorrelation is estimated, and long ones are estimated too short: 10 % at 70 % busy."""
    runs = 1000
    found, naive = system.errors(runs), system.errors(runs, serial=False)
    assert max(found.false_pass, found.false_fail) <= 0.10 + 3 * (0.10 * 0.90 / runs) ** 0.5
    assert naive.false_pass > 1.5 * found.false_pass
