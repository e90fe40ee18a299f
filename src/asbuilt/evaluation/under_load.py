"""Metrics that are taken from a load."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from asbuilt.blueprint import EvaluationMetric, EvaluationPlan, Target
from asbuilt.blueprint.cases import Case
from asbuilt.blueprint.measures import MeasureRef, parse_measure
from asbuilt.evaluation.load import LoadResult, Sample
from asbuilt.evaluation.result import Measurement
from asbuilt.evaluation.scoring import measured, measured_cases, unmeasured
from asbuilt.statistics.estimate import Estimate, percentile_estimate, rate_estimate, share_estimate

__all__ = ["measured_under_load"]


def measured_under_load(
    metric: EvaluationMetric,
    measure: MeasureRef,
    result: LoadResult,
    plan: EvaluationPlan,
    cases: Sequence[Case],
) -> Measurement:
    """The measurement of `metric` from the load that it names; `cases` are those of the load's data."""
    if result.refused:
        return unmeasured(metric, why=f"no verdict: {result.refused}")
    source, name = measure.measure.source, measure.measure.name
    if source == "answers":
        if result.route != "chat":
            return unmeasured(metric, why=f"a load on {result.route} brings no answers")
        asks = next(load.data for load in plan.loads if load.name == result.load)
        if metric.data != asks:
            return unmeasured(metric, why=f"the load {result.load!r} asks the questions of {asks!r}")
        outcomes = result.outcomes(asks)
        asked = [case for case in cases if case.id in outcomes]
        return measured_cases(metric, measure, asked, outcomes, {})
    if source == "load" and name.partition(".")[0] != result.route:
        return unmeasured(metric, why=f"{name} cannot be taken from a load on {result.route}")
    if source == "memory" and not result.peak_bytes:
        return unmeasured(metric, why="the service had ended before its memory was read")
    found = measured(metric, measure, _estimate(measure, result, plan))
    if source == "memory":
        return found
    return replace(found, failures=len(result.samples) - result.answered)


def _estimate(measure: MeasureRef, result: LoadResult, plan: EvaluationPlan) -> Estimate:
    samples = result.samples
    match measure.measure.name.rpartition(".")[2]:
        case "latency":
            return percentile_estimate(
                [each.latency_s for each in samples], measure.percent or 0, serial=True
            )
        case "first_token":
            return percentile_estimate(
                [each.first_token_s for each in samples], measure.percent or 0, serial=True
            )
        case "throughput":
            return rate_estimate(result.answered, result.duration_s)
        case "goodput":
            limits = _limits(result, plan)
            good = sum(_is_good(sample, limits) for sample in samples)
            return rate_estimate(good, result.duration_s)
        case "error_rate":
            return share_estimate(len(samples) - result.answered, len(samples))
        case _:
            peak = float(result.peak_bytes)
            return Estimate(peak, peak, peak, 1, "one measurement")


def _limits(result: LoadResult, plan: EvaluationPlan) -> dict[str, float]:
    """The strictest latency and first-token target of the plan for this load, in seconds."""
    limits: dict[str, float] = {}
    for metric in plan.metrics:
        if metric.load != result.load or not metric.measure:
            continue
        measure = parse_measure(metric.measure)
        if measure.percent is not None:
            kind = measure.measure.name.rpartition(".")[2]
            threshold = measure.threshold(Target.parse(metric.target))
            limits[kind] = min(threshold, limits.get(kind, math.inf))
    return limits


def _is_good(sample: Sample, limits: dict[str, float]) -> bool:
    return (
        not sample.error
        and sample.latency_s <= limits.get("latency", math.inf)
        and sample.first_token_s <= limits.get("first_token", math.inf)
    )
