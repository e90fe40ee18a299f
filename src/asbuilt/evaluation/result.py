"""What a run found: a measurement for each metric, as it is stored, printed and drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["EARLIER", "Comparison", "EvaluationResult", "Measurement", "Verdict", "WorstCase"]

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE", "PLANNED"]
"""PLANNED: the metric has no measure yet, so nothing was measured."""


EARLIER = "run "
"""Begins the name of a comparison with an earlier run; other names are baselines."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same cases done by a baseline, or in an earlier run. `difference` is ours minus theirs;
    `gained` are cases that only we have right, `lost` those that only they have."""

    name: str
    value: float
    difference: float
    low: float
    high: float
    n: int
    verdict: Literal["better", "worse", "undecided"]
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorstCase:
    """A case that went badly, with what was found for it."""

    id: str
    question: str
    expected: str
    score: float
    text: str = ""
    error: str = ""
    passages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric of the plan.

    The true value is at least `low`, and at most `high`, each with 95 % confidence; all are in `unit`
    (shares from 0 to 1), and infinite where failures make them so. `n` cases or requests count;
    `failures` of them had no result; `unscored` could not be judged and do not count. `needs_more` is
    about how many more would decide an INCONCLUSIVE verdict.
    """

    name: str
    description: str = ""
    target: str = ""
    verdict: Verdict = "PLANNED"
    measure: str = ""
    definition: str = ""
    version: int = 0
    unit: str = ""
    data: str | None = None
    load: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    target_value: float | None = None
    method: str = ""
    n: int = 0
    failures: int = 0
    unscored: int = 0
    needs_more: int | None = None
    notes: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    worst: tuple[WorstCase, ...] = ()


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """`about` says what was evaluated and with what; `loads` holds latencies in ms by load, those of
    failed requests as infinity, and what the load generator says of itself."""

    run: str
    about: Mapping[str, Any]
    measurements: tuple[Measurement, ...]
    loads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 when every target is met, 1 when one is missed or proven worse than in an earlier run, 2 when
        undecided. A baseline that is better is shown, and is no failure."""
        verdicts = {each.verdict for each in self.measurements}
        worse = any(
            each.verdict == "worse" and each.name.startswith(EARLIER)
            for measurement in self.measurements
            for each in measurement.comparisons
        )
        if worse or "FAIL" in verdicts:
            return 1
        return 2 if "INCONCLUSIVE" in verdicts else 0

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is infinite becomes null."""
        data: dict[str, Any] = _finite(asdict(self))
        return data


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
