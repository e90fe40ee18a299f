"""Outcomes -> scores by case -> a measurement with its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from asbuilt.blueprint import EvaluationMetric, Target
from asbuilt.blueprint.cases import Case
from asbuilt.blueprint.measures import BEST_RATING, MeasureRef
from asbuilt.evaluation.answer_measures import ANSWER_MEASURES
from asbuilt.evaluation.outcome import Outcome, Task
from asbuilt.evaluation.result import Comparison, Measurement, WorstCase
from asbuilt.evaluation.retrieval_measures import RETRIEVAL_MEASURES, relevances
from asbuilt.statistics.estimate import Estimate, mean_estimate, share_estimate
from asbuilt.statistics.paired import compare
from asbuilt.statistics.verdict import cases_needed, decide

__all__ = ["Scores", "compared", "measured", "score_cases", "task_of", "unmeasured"]

_WORST = 5
_PLEASED = 4
_RATINGS = (1, BEST_RATING)


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores from 0 to 1 by case id; `failures` are among them with 0, `unscored` are not."""

    by_case: Mapping[str, float]
    failures: int
    unscored: int


def task_of(measure: MeasureRef) -> Task:
    """What a subject has to do for the measure."""
    return "retrieve" if measure.measure.source == "retrieval" else "answer"


def score_cases(measure: MeasureRef, cases: Sequence[Case], outcomes: Mapping[str, Outcome]) -> Scores:
    """Score the outcome of each case. One that failed scores 0: a system that breaks is not better
    than one that is wrong. What the case itself does not settle (no reference, say) is unscored."""
    scores: dict[str, float] = {}
    failures = unscored = 0
    for case in cases:
        outcome = outcomes[case.id]
        score = _score(measure, case, outcome)
        if score is None:
            unscored += 1
            continue
        failures += bool(outcome.error)
        scores[case.id] = 0.0 if outcome.error else score
    return Scores(scores, failures, unscored)


def _score(measure: MeasureRef, case: Case, outcome: Outcome) -> float | None:
    name = measure.measure.name
    if measure.measure.source == "retrieval":
        if not case.documents:
            return None
        return RETRIEVAL_MEASURES[name](relevances(outcome, case), len(set(case.documents)), measure.cutoff)
    return ANSWER_MEASURES[name](outcome, case)


def estimate_of(scores: Scores, cases: Sequence[Case]) -> Estimate:
    """Shares by the exact binomial; means, and shares of clustered cases, by the bootstrap."""
    values = list(scores.by_case.values())
    clusters = _clusters(scores.by_case, cases)
    binary = all(value in (0, 1) for value in values)
    # A mean of zeros and ones is a share, whose exact interval is better than any bootstrap's.
    if binary and clusters is None:
        return share_estimate(int(sum(values)), len(values))
    return mean_estimate(values, scale=(0, 1), clusters=clusters)


def _clusters(scored: Iterable[str], cases: Sequence[Case]) -> list[str] | None:
    """The cluster of each scored case (its own where it has none); None when no two share one."""
    by_id = {case.id: case.cluster or f"\t{case.id}" for case in cases}
    clusters = [by_id[case_id] for case_id in scored]
    return clusters if len(set(clusters)) < len(clusters) else None


def measured(metric: EvaluationMetric, measure: MeasureRef, estimate: Estimate, **more: Any) -> Measurement:
    """The measurement of a metric whose target and measure were checked."""
    target = Target.parse(metric.target)
    threshold = measure.threshold(target)
    verdict = decide(estimate, target.comparison, threshold)
    return Measurement(
        name=metric.name,
        description=metric.description,
        target=metric.target,
        verdict=verdict.value,
        measure=metric.measure,
        definition=measure.measure.definition,
        version=measure.measure.version,
        unit=measure.measure.unit,
        data=metric.data,
        load=metric.load,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        target_value=threshold,
        method=estimate.method,
        n=estimate.n,
        needs_more=cases_needed(estimate, threshold) if verdict == "INCONCLUSIVE" else None,
        **more,
    )


def unmeasured(metric: EvaluationMetric, *, why: str = "") -> Measurement:
    """A metric that is only planned, or (with `why`) one that nothing could be measured for."""
    return Measurement(
        name=metric.name,
        description=metric.description,
        target=metric.target,
        verdict="INCONCLUSIVE" if why else "PLANNED",
        measure=metric.measure,
        method=metric.measurement_method,
        data=metric.data,
        load=metric.load,
        notes=(why,) if why else (),
    )


def satisfaction(metric: EvaluationMetric, measure: MeasureRef, ratings: Sequence[int]) -> Measurement:
    """Ratings from 1 to 5, one for each rated answer. Who rates chose to: the result says so."""
    if not ratings:
        return unmeasured(metric, why="nobody has rated an answer yet (POST .../feedback)")
    found = measured(metric, measure, mean_estimate([float(rating) for rating in ratings], scale=_RATINGS))
    pleased = sum(rating >= _PLEASED for rating in ratings) / len(ratings)
    note = f"{pleased:.0%} of {len(ratings)} ratings are 4 or 5. Users who rate are not all users."
    return replace(found, notes=(note,))


def measured_cases(
    metric: EvaluationMetric,
    measure: MeasureRef,
    cases: Sequence[Case],
    outcomes: Mapping[str, Outcome],
    others: Mapping[str, Mapping[str, float]],
) -> Measurement:
    """A metric over cases. `others` are scores of baselines and earlier runs on the same cases."""
    scores = score_cases(measure, cases, outcomes)
    if not scores.by_case:
        return unmeasured(metric, why=f"none of the {len(cases)} cases can be scored by {metric.measure}")
    found = measured(metric, measure, estimate_of(scores, cases))
    return replace(
        found,
        failures=scores.failures,
        unscored=scores.unscored,
        scores=scores.by_case,
        comparisons=tuple(
            compared(name, scores.by_case, theirs, cases)
            for name, theirs in others.items()
            if scores.by_case.keys() & theirs.keys()
        ),
        worst=_worst(measure, cases, outcomes, scores.by_case),
    )


def compared(
    name: str, ours: Mapping[str, float], theirs: Mapping[str, float], cases: Sequence[Case]
) -> Comparison:
    """Ours against theirs, case by case."""
    clusters = _clusters(ours, cases)
    paired = compare(
        ours, theirs, clusters=None if clusters is None else dict(zip(ours, clusters, strict=True))
    )
    shared = [case_id for case_id in ours if case_id in theirs]
    return Comparison(
        name=name,
        value=sum(theirs[case_id] for case_id in shared) / len(shared),
        difference=paired.difference.value,
        low=paired.difference.low,
        high=paired.difference.high,
        n=len(shared),
        verdict=paired.verdict,
        gained=paired.gained,
        lost=paired.lost,
    )


def _worst(
    measure: MeasureRef,
    cases: Sequence[Case],
    outcomes: Mapping[str, Outcome],
    scores: Mapping[str, float],
) -> tuple[WorstCase, ...]:
    by_id = {case.id: case for case in cases}
    bad = sorted((score, case_id) for case_id, score in scores.items() if score < 1)[:_WORST]
    return tuple(
        WorstCase(
            id=case_id,
            question=by_id[case_id].question,
            expected=_expected(measure, by_id[case_id]),
            score=score,
            text=outcomes[case_id].text,
            error=outcomes[case_id].error,
            passages=tuple(
                f"{passage.source}\n{passage.excerpt}" for passage in outcomes[case_id].passages[:5]
            ),
        )
        for score, case_id in bad
    )


def _expected(measure: MeasureRef, case: Case) -> str:
    if measure.measure.source == "retrieval":
        return ", ".join(case.documents)
    return case.reference or ("a refusal" if case.unanswerable else "an answer")
