"""How often verdicts are wrong: systems whose truth is known, evaluated 10,000 times each.

    python benchmarks/verdict_errors.py [--runs 10000] [--json]

A system whose true value lies just on the wrong side of its target must not pass in more than 5 % of
evaluations, and one on the right side must not fail in more. The worst case is the target itself, so
the truth is put there and both kinds of error are counted. BCa stands beside the bounds of means that
are used, to show why they are.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from asbuilt.statistics.estimate import (
    Estimate,
    mean_estimate,
    percentile_estimate,
    rate_estimate,
    share_estimate,
)
from asbuilt.statistics.paired import compare
from asbuilt.statistics.verdict import Verdict, decide

RUNS = 10_000
DRAWS = 10_000  # of `mean_estimate`
SEED = 1


@dataclass(frozen=True, slots=True)
class Errors:
    """Shares of runs that pass with the truth at the target, and that fail with it there."""

    false_pass: float
    false_fail: float


# ---------------------------------------------------------------- shares, percentiles, rates


@dataclass(frozen=True, slots=True)
class Measured:
    """A system of which `estimate` makes one evaluation."""

    name: str
    estimate: Callable[[np.random.Generator], Estimate]
    truth: float

    def errors(self, runs: int = RUNS) -> Errors:
        random = np.random.default_rng(SEED)
        passed = failed = 0
        for _ in range(runs):
            estimate = self.estimate(random)
            passed += decide(estimate, ">", self.truth) == Verdict.PASS
            failed += decide(estimate, ">=", self.truth) == Verdict.FAIL
        return Errors(passed / runs, failed / runs)


def share(truth: float, n: int) -> Measured:
    made = [share_estimate(count, n) for count in range(n + 1)]
    return Measured(f"share {truth:.0%}, n = {n}", lambda random: made[random.binomial(n, truth)], truth)


def percentile(percent: float, n: int, *, failing: float = 0.0) -> Measured:
    """Log-normal latencies, of which a share fails (never arrives)."""
    from scipy.special import ndtri

    def estimate(random: np.random.Generator) -> Estimate:
        values = random.lognormal(0.0, 0.6, n)
        values[random.random(n) < failing] = math.inf
        return percentile_estimate(values.tolist(), percent)

    name = f"P{percent:g} of latencies, n = {n}" + (f", {failing:.0%} failing" if failing else "")
    return Measured(name, estimate, math.exp(0.6 * float(ndtri(percent / 100 / (1 - failing)))))


def rate(truth: float, seconds: float) -> Measured:
    made: dict[int, Estimate] = {}

    def estimate(random: np.random.Generator) -> Estimate:
        events = int(random.poisson(truth * seconds))
        if events not in made:
            made[events] = rate_estimate(events, seconds)
        return made[events]

    return Measured(f"{truth:g} events/s for {seconds:g} s", estimate, truth)


MEASURED = (
    share(0.80, 60),
    share(0.90, 50),
    share(0.90, 500),
    share(0.95, 200),
    share(0.98, 30),
    percentile(50.0, 40),
    percentile(95.0, 59),
    percentile(95.0, 200),
    percentile(95.0, 1000),
    percentile(99.0, 400),
    percentile(95.0, 500, failing=0.02),
    rate(10.0, 40.0),
    rate(0.5, 60.0),
)


# ---------------------------------------------------------------- means


@dataclass(frozen=True, slots=True)
class Scored:
    """Cases with values that `probabilities` draws, alike within clusters of `cluster` cases."""

    name: str
    values: tuple[float, ...]
    probabilities: tuple[float, ...]
    n: int
    scale: tuple[float, float] = (0.0, 1.0)
    cluster: int = 1

    @property
    def truth(self) -> float:
        return float(np.dot(self.values, self.probabilities))

    def drawn(self, random: np.random.Generator, runs: int) -> np.ndarray:
        """Means of the clusters of each run."""
        return random.choice(self.values, (runs, self.n // self.cluster), p=self.probabilities)

    def estimate(self, means: np.ndarray, *, scale: tuple[float, float] | None) -> Estimate:
        clusters = np.repeat(np.arange(len(means)), self.cluster).tolist() if self.cluster > 1 else None
        return mean_estimate(np.repeat(means, self.cluster).tolist(), scale=scale, clusters=clusters)

    def errors(self, runs: int = RUNS) -> Errors:
        """`mean_estimate` draws the same weights for every run of one size: a matrix product has all."""
        means = np.sort(self.drawn(np.random.default_rng(SEED), runs), axis=1)
        count = means.shape[1]
        weights = np.random.default_rng(0).standard_exponential((DRAWS, count + 1))
        weights /= weights.sum(axis=1, keepdims=True)
        passed = failed = 0.0
        for few in np.array_split(means, max(1, runs // 500)):
            known = weights[:, :-1] @ few.T
            added = weights[:, -1:]
            # A quantile lies above the truth when too few draws lie at or below it.
            passed += np.sum(np.mean(known + added * self.scale[0] <= self.truth, axis=0) < 0.05)
            failed += np.sum(np.mean(known + added * self.scale[1] >= self.truth, axis=0) < 0.05)
        return Errors(float(passed) / runs, float(failed) / runs)

    def errors_one_by_one(self, runs: int, *, scale: tuple[float, float] | None) -> Errors:
        """The same from `mean_estimate` itself; with no `scale`, by BCa."""
        found = [self.estimate(each, scale=scale) for each in self.drawn(np.random.default_rng(SEED), runs)]
        edge = 1e-9  # what adding up leaves of values that are all equal
        return Errors(
            float(np.mean([each.low > self.truth + edge for each in found])),
            float(np.mean([each.high < self.truth - edge for each in found])),
        )


_RATINGS, _SCALE = (1, 2, 3, 4, 5), (1, 5)
_RECALL, _HIGH = (0, 0.5, 1), (0.02, 0.05, 0.93)

SCORED = (
    Scored("rating, mean 4, n = 97", _RATINGS, (0.06, 0.06, 0.12, 0.34, 0.42), 97, _SCALE),
    Scored("thumbs, 3 % down, n = 20", (1, 5), (0.03, 0.97), 20, _SCALE),
    Scored("recall 95.5 %, n = 20", _RECALL, _HIGH, 20),
    Scored("recall 95.5 %, n = 100", _RECALL, _HIGH, 100),
    Scored("MRR 0.64, n = 50", (0, 0.1, 0.2, 1 / 3, 0.5, 1), (0.2, 0.05, 0.05, 0.1, 0.1, 0.5), 50),
    Scored("recall 95.5 %, 40 clusters of 5", _RECALL, _HIGH, 200, cluster=5),
)


# ---------------------------------------------------------------- pairs


@dataclass(frozen=True, slots=True)
class Paired:
    """Two equally good systems on the same `n` cases, of which `flips` go either way."""

    n: int
    flips: float

    @property
    def name(self) -> str:
        return f"two equal systems, n = {self.n}, {self.flips:.0%} flips"

    def errors(self, runs: int = RUNS) -> Errors:
        """How often the one or the other is called better."""
        random = np.random.default_rng(SEED)
        better = worse = 0
        cases = [str(number) for number in range(self.n)]
        for _ in range(runs):
            flips = np.flatnonzero(random.random(self.n) < self.flips)
            ours = dict.fromkeys(cases, 1.0)
            theirs = dict(ours)
            for case, wins in zip(flips, random.random(len(flips)) < 0.5, strict=True):
                (theirs if wins else ours)[cases[case]] = 0.0
            verdict = compare(ours, theirs).verdict
            better += verdict == "better"
            worse += verdict == "worse"
        return Errors(better / runs, worse / runs)


PAIRED = (Paired(60, 0.2), Paired(200, 0.1))


# ---------------------------------------------------------------- queues


@dataclass(frozen=True, slots=True)
class Queued:
    """P95 of `n` requests to a service with two slots that is busy for the share `busy` of its time;
    they come by chance and take log-normal times. Slow ones follow each other."""

    busy: float
    n: int

    @property
    def name(self) -> str:
        return f"P95 of a queue, {self.busy:.0%} busy, n = {self.n}"

    def latencies(self, random: np.random.Generator, runs: int, n: int) -> np.ndarray:
        """Of n requests in each run, after as many as the queue takes to fill."""
        skipped = 400
        free, now, found = np.zeros((runs, 2)), np.zeros(runs), []
        for number in range(skipped + n):
            now = now + random.exponential(0.5 / self.busy, runs)
            slot = free.argmin(axis=1)
            start = np.maximum(now, free[np.arange(runs), slot])
            free[np.arange(runs), slot] = end = start + random.lognormal(-0.18, 0.6, runs)
            if number >= skipped:
                found.append(end - now)
        return np.array(found).T

    def errors(self, runs: int = RUNS, *, serial: bool = True) -> Errors:
        random = np.random.default_rng(SEED)
        truth = float(np.quantile(self.latencies(random, 4000, 1000), 0.95))
        found = [
            percentile_estimate(each.tolist(), 95.0, serial=serial)
            for each in self.latencies(random, runs, self.n)
        ]
        too_high = sum(decide(each, "<", truth) == Verdict.PASS for each in found)
        too_low = sum(decide(each, "<", truth) == Verdict.FAIL for each in found)
        return Errors(too_high / runs, too_low / runs)


QUEUED = (Queued(0.3, 720), Queued(0.5, 720), Queued(0.7, 2000))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--bca-runs", type=int, default=500, help="BCa takes milliseconds each")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = [(each.name, given.runs, each.errors(given.runs)) for each in (*MEASURED, *SCORED, *PAIRED)]
    rows += [(each.name, 2000, each.errors(2000)) for each in QUEUED]
    rows += [(f"as independent: {each.name}", 2000, each.errors(2000, serial=False)) for each in QUEUED]
    rows += [
        (f"BCa: {each.name}", given.bca_runs, each.errors_one_by_one(given.bca_runs, scale=None))
        for each in SCORED
    ]
    if given.json:
        table = [
            {"system": name, "runs": runs, "false_pass": found.false_pass, "false_fail": found.false_fail}
            for name, runs, found in rows
        ]
        print(json.dumps(table, indent=2))
        return
    print(f"{'truth on the target':<52}{'runs':>8}{'false PASS':>12}{'false FAIL':>12}")
    for name, runs, found in rows:
        print(f"{name:<52}{runs:>8}{found.false_pass:>12.2%}{found.false_fail:>12.2%}")


if __name__ == "__main__":
    main()
