"""Bounds against published figures, scipy's own, and simulated truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from asbuilt.errors import UserError
from asbuilt.statistics.estimate import (
    Estimate,
    mean_estimate,
    percentile_estimate,
    rate_estimate,
    share_estimate,
    wilson,
)
from asbuilt.statistics.paired import compare
from asbuilt.statistics.verdict import (
    Comparison,
    Verdict,
    cases_needed,
    decide,
    fewest_cases,
    fewest_for_percentile,
)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_has_the_bounds_of_scipy(pair: tuple[int, int]) -> None:
    successes, n = pair
    found = share_estimate(successes, n)
    for side, alternative in (("low", "greater"), ("high", "less")):
        exact = stats.binomtest(successes, n, alternative=alternative).proportion_ci(0.95, "exact")
        assert getattr(found, side) == pytest.approx(getattr(exact, side), abs=1e-9)
    assert found.low <= found.value <= found.high


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_shown_interval_is_that_of_scipy(pair: tuple[int, int]) -> None:
    exact = stats.binomtest(*pair).proportion_ci(0.95, "wilson")
    assert wilson(*pair) == pytest.approx((exact.low, exact.high), abs=1e-5)


@pytest.mark.parametrize(
    ("target", "n", "passes"),
    [
        (0.9, 50, 49), (0.9, 100, 96), (0.9, 200, 188), (0.9, 500, 462), (0.9, 1000, 916),
        (0.8, 50, 45), (0.8, 100, 87), (0.8, 200, 170), (0.8, 300, 252), (0.8, 500, 416),
    ],
)  # fmt: skip
def test_as_many_passes_prove_a_floor_as_are_published(target: float, n: int, passes: int) -> None:
    assert decide(share_estimate(passes, n), ">=", target) == Verdict.PASS
    assert decide(share_estimate(passes - 1, n), ">=", target) == Verdict.INCONCLUSIVE


def test_a_percentile_needs_enough_observations_for_an_upper_bound() -> None:
    assert (fewest_for_percentile(95), fewest_for_percentile(99)) == (59, 299)
    assert percentile_estimate(range(58), 95).high == math.inf
    assert percentile_estimate(range(59), 95).high == 58
    assert percentile_estimate(range(1, 1001), 95).value == 950


def test_failed_requests_never_arrive() -> None:
    answered = [1.0] * 93
    assert percentile_estimate([*answered, *[math.inf] * 7], 95).value == math.inf
    few = percentile_estimate([*answered * 10, math.inf], 95)
    assert (few.value, few.high) == (1.0, 1.0)


def test_the_bootstrap_agrees_with_scipys() -> None:
    values = np.random.default_rng(3).gamma(2.0, 1.0, 80)
    found = mean_estimate(list(values))
    reference = stats.bootstrap(
        (values,), np.mean, confidence_level=0.9, n_resamples=20_000, method="BCa", rng=1
    ).confidence_interval
    spread = reference.high - reference.low
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=0.03 * spread)


def test_questions_about_one_document_count_for_less() -> None:
    values = [float(cluster % 3 == 0) for cluster in range(60) for _ in range(5)]
    clusters = [cluster for cluster in range(60) for _ in range(5)]
    alone, together = mean_estimate(values), mean_estimate(values, clusters=clusters)
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert mean_estimate(values, clusters=clusters) == together  # seeded


def test_values_that_are_all_equal_or_one_cluster_are_not_dressed_up() -> None:
    assert (mean_estimate([0.5] * 9).low, mean_estimate([0.5] * 9).high) == (0.5, 0.5)
    assert mean_estimate([0.0, 1.0], clusters=["a", "a"]).high == math.inf
    with pytest.raises(UserError, match="nothing to estimate"):
        mean_estimate([])


@given(st.integers(0, 5000), st.floats(0.1, 1e5))
def test_a_rate_has_exact_poisson_bounds(events: int, seconds: float) -> None:
    found = rate_estimate(events, seconds)
    low = stats.chi2.ppf(0.05, 2 * events) / 2 if events else 0.0
    high = stats.chi2.ppf(0.95, 2 * events + 2) / 2
    assert (found.low * seconds, found.high * seconds) == pytest.approx((low, high), rel=1e-9)


@pytest.mark.parametrize(
    ("comparison", "low", "high", "verdict"),
    [
        (">=", 0.9, 1.0, "PASS"), (">", 0.9, 1.0, "INCONCLUSIVE"), (">=", 0.8, 0.95, "INCONCLUSIVE"),
        (">=", 0.7, 0.89, "FAIL"), (">=", 0.7, 0.9, "INCONCLUSIVE"), (">", 0.7, 0.9, "FAIL"),
        ("<", 0.1, 0.8, "PASS"), ("<", 0.1, 0.9, "INCONCLUSIVE"), ("<=", 0.1, 0.9, "PASS"),
        ("<", 0.9, 2.0, "FAIL"), ("<=", 0.9, 2.0, "INCONCLUSIVE"), ("<=", 0.91, math.inf, "FAIL"),
    ],
)  # fmt: skip
def test_a_verdict_needs_the_whole_interval(
    comparison: Comparison, low: float, high: float, verdict: str
) -> None:
    assert decide(Estimate(0.85, low, high, 10, ""), comparison, 0.9) == verdict


def test_how_many_more_would_decide() -> None:
    few = share_estimate(42, 50)
    more = cases_needed(few, 0.8)
    assert more is not None
    n = 50 + more
    assert decide(share_estimate(round(0.84 * n), n), ">=", 0.8) == Verdict.PASS
    assert decide(share_estimate(round(0.84 * n * 0.7), int(n * 0.7)), ">=", 0.8) == Verdict.INCONCLUSIVE
    assert cases_needed(share_estimate(40, 50), 0.8) is None


@pytest.mark.parametrize(("target", "fewest"), [(0.9, 29), (0.95, 59), (0.8, 14), (1.0, None), (0.0, 1)])
def test_the_fewest_cases_that_can_prove_a_floor(target: float, fewest: int | None) -> None:
    assert fewest_cases(">=", target) == fewest
    if fewest and fewest > 1:
        assert decide(share_estimate(fewest, fewest), ">=", target) == Verdict.PASS
        assert decide(share_estimate(fewest - 1, fewest - 1), ">=", target) == Verdict.INCONCLUSIVE


@given(st.integers(0, 40), st.integers(0, 40))
def test_flips_are_judged_by_the_exact_test_of_mcnemar(gained: int, lost: int) -> None:
    ours = {f"g{n}": 1.0 for n in range(gained)} | {f"l{n}": 0.0 for n in range(lost)} | {"both": 1.0}
    theirs = {case: 1 - score for case, score in ours.items()} | {"both": 1.0}
    found = compare(ours, theirs)
    expected = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert found.p == pytest.approx(expected)
    assert (len(found.gained), len(found.lost)) == (gained, lost)
    sure = expected <= 0.05 and gained != lost
    assert found.verdict == (("better" if gained > lost else "worse") if sure else "undecided")


def test_runs_without_a_common_case_cannot_be_compared() -> None:
    with pytest.raises(UserError, match="share no case"):
        compare({"a": 1.0}, {"b": 1.0})
