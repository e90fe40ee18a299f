"""Bounds against published figures, scipy's own, and simulated truth."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
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


def test_without_a_scale_equal_values_are_not_dressed_up() -> None:
    assert (mean_estimate([0.5] * 9).low, mean_estimate([0.5] * 9).high) == (0.5, 0.5)
    assert mean_estimate([0.0, 1.0], clusters=["a", "a"]).high == math.inf
    with pytest.raises(UserError, match="nothing to estimate"):
        mean_estimate([])


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (5, 5), (19, 20), (40, 80)])
def test_on_a_scale_a_mean_of_zeros_and_ones_has_the_exact_bounds_of_a_share(successes: int, n: int) -> None:
    found = mean_estimate([1.0] * successes + [0.0] * (n - successes), scale=(0, 1))
    exact = share_estimate(successes, n)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.01)  # of 10,000 draws


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_bounds_on_a_scale_stay_on_it_and_move_with_it(values: list[float], order: Random) -> None:
    found = mean_estimate(values, scale=(0, 1))
    assert 0 <= found.low <= found.value <= found.high <= 1
    order.shuffle(shuffled := list(values))
    assert mean_estimate(shuffled, scale=(0, 1)).low == pytest.approx(found.low)
    ratings = mean_estimate([1 + 4 * value for value in values], scale=(1, 5))
    assert (ratings.low, ratings.high) == pytest.approx((1 + 4 * found.low, 1 + 4 * found.high))
    wider = mean_estimate(values, scale=(-1, 2))
    assert (wider.low, wider.high) <= (found.low, math.inf)
    assert wider.high >= found.high - 1e-9


def test_a_value_beyond_the_scale_is_refused() -> None:
    with pytest.raises(UserError, match="beyond the scale from 1 to 5"):
        mean_estimate([4.0, 0.0], scale=(1, 5))


def test_clusters_of_one_are_no_clusters() -> None:
    values = [0.2, 0.9, 1.0, 0.4]
    alone, single = mean_estimate(values, scale=(0, 1)), mean_estimate(values, scale=(0, 1), clusters="abcd")
    assert (alone.low, alone.high) == (single.low, single.high)


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


@pytest.mark.parametrize(
    ("estimate", "target", "more"),
    [
        (share_estimate(20, 20), 0.95, 39),  # 59 of 59 prove 95 %
        (share_estimate(40, 50), 0.8, None),  # on the target
        (share_estimate(800, 1000), 0.800001, None),  # too near to it
        (percentile_estimate([1.0] * 40, 95), 3.0, 19),
        (rate_estimate(0, 60.0), 0.01, None),
        (mean_estimate([0.5]), 0.5, None),
    ],
)
def test_how_many_more_would_decide(estimate: Estimate, target: float, more: int | None) -> None:
    assert cases_needed(estimate, target) == more


def test_a_percentile_needs_as_many_as_the_share_below_the_target() -> None:
    percentile = percentile_estimate([*[1.0] * 958, *[9.0] * 42], 95)
    share = share_estimate(958, 1000)
    assert decide(percentile, "<", 3.0) == decide(share, ">=", 0.95) == Verdict.INCONCLUSIVE
    more = cases_needed(percentile, 3.0)
    assert more == pytest.approx(cases_needed(share, 0.95), rel=0.15)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.01, 0.99))
def test_with_as_many_more_a_share_is_decided_and_not_before(pair: tuple[int, int], place: float) -> None:
    estimate = share_estimate(*pair)
    target = estimate.low + place * (estimate.high - estimate.low)
    more = cases_needed(estimate, target)
    if more is None:
        assert abs(estimate.value - target) < 0.002
        return
    after, before = estimate.extended(estimate.n + more), estimate.extended(estimate.n + more - 1)
    assert decide(after, ">=", target) != Verdict.INCONCLUSIVE
    assert decide(before, ">", target) == decide(before, ">=", target) == Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    "estimate",
    [
        share_estimate(17, 20), rate_estimate(30, 7.0), mean_estimate([0.1, 0.7, 0.9], scale=(0, 1)),
        percentile_estimate([float(n) for n in range(200)], 95), percentile_estimate([1.0] * 9, 95),
    ],
)  # fmt: skip
def test_extended_by_nothing_an_estimate_stays_what_it_is(estimate: Estimate) -> None:
    same = estimate.extended(estimate.n)
    assert (same.low, same.high) == pytest.approx((estimate.low, estimate.high))
    more = estimate.extended(100 * estimate.n)
    assert estimate.low <= more.low <= more.high <= estimate.high


@given(st.lists(st.floats(0, 10) | st.just(math.inf), min_size=1, max_size=400), st.floats(10, 99.9))
def test_a_percentile_is_proven_exactly_when_the_share_below_the_target_is(
    values: list[float], percent: float
) -> None:
    target = 5.0
    below = share_estimate(sum(value < target for value in values), len(values))
    proven = decide(percentile_estimate(values, percent), "<", target) == Verdict.PASS
    assert proven == (below.low >= percent / 100)


@pytest.mark.parametrize("percent", range(10, 100))
def test_a_percentile_of_a_hundred_is_that_rank(percent: int) -> None:
    assert percentile_estimate([float(n) for n in range(1, 101)], percent).value == percent


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


@pytest.mark.parametrize(("n", "gained", "lost"), [(100, 0.0, 0.05), (100, 0.02, 0.08), (150, 0.0, 0.02)])
def test_rare_flips_prove_no_small_difference(n: int, gained: float, lost: float) -> None:
    """Bounds that take the number of flips as given miss the true difference in 12 to 45 % of these."""
    random = np.random.default_rng(5)
    above = below = 0
    for _ in range(400):
        drawn = random.random(n)
        ours = {str(at): float(value >= lost) for at, value in enumerate(drawn)}
        theirs = {str(at): float(value < 1 - gained) for at, value in enumerate(drawn)}
        found = compare(ours, theirs).difference
        above += found.low > gained - lost
        below += found.high < gained - lost
    assert above <= 0.04 * 400
    assert below <= 0.04 * 400


def test_runs_without_a_common_case_cannot_be_compared() -> None:
    with pytest.raises(UserError, match="share no case"):
        compare({"a": 1.0}, {"b": 1.0})


def test_few_scores_that_all_rise_prove_nothing() -> None:
    ours, theirs = {"a": 0.75, "b": 1.0}, {"a": 0.5, "b": 0.75}
    assert compare(ours, theirs).verdict == "undecided"
    many = {str(n): 0.75 for n in range(100)}
    assert compare(many, dict.fromkeys(many, 0.5)).verdict == "better"
    assert compare(dict.fromkeys(many, 0.5), many).verdict == "worse"


def test_requests_that_are_slow_together_count_for_fewer() -> None:
    random = np.random.default_rng(4)
    alone = random.lognormal(0, 0.6, 1000)
    single = percentile_estimate(alone.tolist(), 95, serial=True)
    assert single.worth > 0.7
    together = percentile_estimate(np.repeat(alone[:200], 5).tolist(), 95, serial=True)
    assert together.worth == pytest.approx(0.2, rel=0.3)
    shuffled = percentile_estimate(random.permutation(np.repeat(alone[:200], 5)).tolist(), 95, serial=True)
    assert shuffled.high < together.high
    assert "independent requests" in together.method


@pytest.mark.parametrize("values", [[1.0], [1.0] * 50, [math.inf] * 70, [1.0, math.inf] * 40])
def test_the_order_of_time_is_no_trouble_where_there_is_little_to_see(values: list[float]) -> None:
    serial, plain = percentile_estimate(values, 95, serial=True), percentile_estimate(values, 95)
    assert (serial.value, serial.n) == (plain.value, plain.n)
    assert serial.low <= plain.low <= plain.high <= serial.high
