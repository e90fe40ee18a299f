"""How often verdicts are wrong: systems whose truth is known, evaluated 10,000 times each.

    python benchmarks/verdict_errors.py [--runs 10000] [--means 10000] [--json]

A system whose true value lies just on the wrong side of its target must not pass in more than 5 % of
evaluations, and one on the right side must not fail in more. The worst case is the target itself, so
the truth is put there and both kinds of error are counted.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator

import numpy as np

from asbuilt.statistics.estimate import (
    Estimate,
    mean_estimate,
    percentile_estimate,
    rate_estimate,
    share_estimate,
)
from asbuilt.statistics.verdict import Verdict, decide

Estimator = Callable[[np.random.Generator], Estimate]


def share(truth: float, n: int) -> Estimator:
    made = [share_estimate(count, n) for count in range(n + 1)]
    return lambda random: made[random.binomial(n, truth)]


def percentile(percent: float, n: int, *, failing: float = 0.0) -> Estimator:
    """Log-normal latencies, of which a share fails (never arrives)."""

    def estimate(random: np.random.Generator) -> Estimate:
        values = random.lognormal(0.0, 0.6, n)
        values[random.random(n) < failing] = math.inf
        return percentile_estimate(values.tolist(), percent)

    return estimate


def lognormal_percentile(percent: float, *, failing: float = 0.0) -> float:
    from scipy.special import ndtri

    return math.exp(0.6 * float(ndtri(percent / 100 / (1 - failing))))


def rate(truth: float, seconds: float) -> Estimator:
    return lambda random: rate_estimate(int(random.poisson(truth * seconds)), seconds)


def ratings(n: int) -> Estimator:
    """Ratings from 1 to 5, most of them 4 and 5; their mean is 4."""
    return lambda random: mean_estimate(random.choice([1, 2, 3, 4, 5], n, p=RATINGS).tolist())


RATINGS = (0.06, 0.06, 0.12, 0.34, 0.42)


def errors(estimator: Estimator, truth: float, runs: int, *, seed: int = 1) -> tuple[float, float]:
    """Share of runs that pass with the truth at the target, and that fail with it there."""
    random = np.random.default_rng(seed)
    passed = failed = 0
    for _ in range(runs):
        estimate = estimator(random)
        passed += decide(estimate, ">", truth) == Verdict.PASS
        failed += decide(estimate, ">=", truth) == Verdict.FAIL
    return passed / runs, failed / runs


def systems() -> Iterator[tuple[str, Estimator, float]]:
    """Name, estimator and truth of each simulated system but the means."""
    for truth, n in ((0.8, 60), (0.9, 50), (0.9, 500), (0.95, 200)):
        yield f"share {truth:.0%}, n = {n}", share(truth, n), truth
    for percent, n in ((50.0, 40), (95.0, 200), (95.0, 1000), (99.0, 400)):
        yield f"P{percent:g} of latencies, n = {n}", percentile(percent, n), lognormal_percentile(percent)
    yield (
        "P95 of latencies, 2 % failing, n = 500",
        percentile(95.0, 500, failing=0.02),
        lognormal_percentile(95.0, failing=0.02),
    )
    for truth, seconds in ((10.0, 40.0), (0.5, 60.0)):
        yield f"rate {truth:g}/s for {seconds:g} s", rate(truth, seconds), truth


def mean_systems() -> Iterator[tuple[str, Estimator, float]]:
    for n in (50, 97, 400):
        yield f"mean rating, n = {n}", ratings(n), float(np.dot(RATINGS, (1, 2, 3, 4, 5)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--means", type=int, default=10_000, help="runs of each mean (10 ms a run)")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = [(name, given.runs, *errors(made, truth, given.runs)) for name, made, truth in systems()]
    rows += [(name, given.means, *errors(made, truth, given.means)) for name, made, truth in mean_systems()]
    if given.json:
        keys = ("system", "runs", "false_pass", "false_fail")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
        return
    print(f"{'truth on the target':<40}{'runs':>8}{'false PASS':>12}{'false FAIL':>12}")
    for name, runs, passed, failed in rows:
        print(f"{name:<40}{runs:>8}{passed:>12.2%}{failed:>12.2%}")


if __name__ == "__main__":
    main()
