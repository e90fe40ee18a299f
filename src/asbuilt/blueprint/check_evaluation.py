"""Faults of the evaluation section: what is measured, on what, and whether it can be decided at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from asbuilt.blueprint.cases import Case, read_cases
from asbuilt.blueprint.fault import Fault, Steps, shown
from asbuilt.blueprint.load import Loaded
from asbuilt.blueprint.measures import BASELINES, BEST_RATING, JUDGED, MEASURES, MeasureRef, parse_measure
from asbuilt.blueprint.spec import Blueprint, EvaluationMetric, EvaluationPlan, LoadSpec
from asbuilt.blueprint.target import EXAMPLES, Target
from asbuilt.errors import AsbuiltError, UserError
from asbuilt.statistics.verdict import fewest_cases, fewest_for_percentile

__all__ = ["evaluation_faults"]

_SECTION = "evaluation"
_Z = 1.645  # of a one-sided bound with 95 % confidence


def evaluation_faults(loaded: Loaded, blueprint: Blueprint) -> Iterator[Fault]:
    """Reads the data sets, so that what is wrong with them is found before anything runs."""
    plan = blueprint.evaluation
    cases = {}
    for data in plan.datasets:
        steps: Steps = (_SECTION, "data", data.name)
        if loaded.is_broken(*steps):
            continue
        if not data.path:
            message = "is only planned: it has no path"
            yield loaded.tree.fault(steps, message, key=True, severity="warning")
        elif (loaded.folder / data.path).exists():  # a missing one is reported with the other paths
            try:
                cases[data.name] = read_cases(loaded.folder / data.path)
            except AsbuiltError as error:
                yield loaded.tree.fault((*steps, "path"), str(error), value=shown(data.path))
            else:
                yield from _repeated(loaded, (*steps, "path"), cases[data.name])
    for load in plan.loads:
        yield from _unknown(loaded, (_SECTION, "load", load.name, "data"), load.data, _data_names(plan))
    for number, name in enumerate(plan.baselines):
        if name not in BASELINES:
            message = "is no baseline that asbuilt can run: it stays a note"
            yield loaded.tree.fault(
                (_SECTION, "baselines", number),
                message,
                value=shown(name),
                allowed=tuple(BASELINES),
                word=name,
                severity="warning",
            )
    if plan.judge is not None and not loaded.is_broken(_SECTION, "judge"):
        yield from _judge_faults(loaded, blueprint)
    for metric in plan.metrics:
        if not loaded.is_broken(_SECTION, "metrics", metric.name):
            yield from _metric_faults(loaded, plan, metric, cases)


def _repeated(loaded: Loaded, steps: Steps, cases: Sequence[Case]) -> Iterator[Fault]:
    times = Counter(case.question for case in cases)
    again = sum(times.values()) - len(times)
    if again:
        most = max(times, key=lambda question: times[question])
        message = (
            f"repeats {again} of its {len(cases)} questions, which then count more than once; "
            f"most often {shown(most)}"
        )
        yield loaded.tree.fault(steps, message, severity="warning")


def _judge_faults(loaded: Loaded, blueprint: Blueprint) -> Iterator[Fault]:
    judge = blueprint.evaluation.judge
    assert judge is not None, "asked for by the caller"
    known = tuple(each.name for each in blueprint.components if each.role == "generator")
    if judge.generator not in known:
        message = "is no generator of this blueprint"
        steps: Steps = (_SECTION, "judge", "generator")
        yield loaded.tree.fault(
            steps, message, value=shown(judge.generator), allowed=known, word=judge.generator
        )


def _data_names(plan: EvaluationPlan) -> tuple[str, ...]:
    return tuple(data.name for data in plan.datasets)


def _unknown(loaded: Loaded, steps: Steps, name: str, known: tuple[str, ...]) -> Iterator[Fault]:
    section = "load" if steps[-1] == "load" else "data"
    if name in known or loaded.is_broken(*steps) or loaded.is_broken(_SECTION, section):
        return
    kind = "load" if section == "load" else "data set"
    message = f"is no {kind} of this blueprint" if known else f"{_SECTION}.{section} names no {kind}"
    yield loaded.tree.fault(steps, message, value=shown(name), allowed=known, word=name)


def _metric_faults(
    loaded: Loaded, plan: EvaluationPlan, metric: EvaluationMetric, cases: dict[str, tuple[Case, ...]]
) -> Iterator[Fault]:
    at: Steps = (_SECTION, "metrics", metric.name)
    if metric.data is not None:
        yield from _unknown(loaded, (*at, "data"), metric.data, _data_names(plan))
    if metric.load is not None:
        yield from _unknown(loaded, (*at, "load"), metric.load, tuple(load.name for load in plan.loads))
    measure = target = None
    if metric.measure:
        try:
            measure = parse_measure(metric.measure)
        except UserError as error:
            written = tuple(each.written for each in MEASURES.values())
            yield loaded.tree.fault(
                (*at, "measure"), str(error), value=shown(metric.measure), allowed=written
            )
    elif not metric.measurement_method and not loaded.is_broken(*at, "measure"):
        message = "is missing; a metric that is only planned says its method in words"
        yield loaded.tree.fault((*at, "measure"), message)
    if metric.measure and not metric.target and not loaded.is_broken(*at, "target"):
        yield loaded.tree.fault((*at, "target"), "is missing")
    elif metric.measure and not loaded.is_broken(*at, "target"):
        try:
            target = Target.parse(metric.target)
            if measure is not None:
                measure.threshold(target)
        except UserError as error:
            target = None
            yield loaded.tree.fault((*at, "target"), str(error), value=shown(metric.target), allowed=EXAMPLES)
    if measure is not None:
        yield from _missing(loaded, metric, measure, at, has_judge=plan.judge is not None)
        yield from _misplaced(loaded, plan, metric, measure, at)
        if target is not None:
            threshold = measure.threshold(target)
            yield from _undecidable(loaded, plan, metric, measure, target, threshold, cases)


def _missing(
    loaded: Loaded, metric: EvaluationMetric, measure: MeasureRef, at: Steps, *, has_judge: bool
) -> Iterator[Fault]:
    name = measure.measure.name
    if measure.needs_data and metric.data is None:
        yield loaded.tree.fault((*at, "data"), f"is missing: {name} is taken on a data set")
    if measure.needs_load and metric.load is None:
        yield loaded.tree.fault((*at, "load"), f"is missing: {name} is taken under a load")
    if name == JUDGED and not has_judge:
        yield loaded.tree.fault((*at, "measure"), "needs a judge: evaluation.judge is missing")


def _misplaced(
    loaded: Loaded, plan: EvaluationPlan, metric: EvaluationMetric, measure: MeasureRef, at: Steps
) -> Iterator[Fault]:
    """A load that the measure cannot be taken from."""
    if metric.load is None:
        return
    name, source = measure.measure.name, measure.measure.source
    steps = (*at, "load")
    if source not in ("load", "memory", "answers") or name == JUDGED:
        yield loaded.tree.fault(steps, f"{name} is not taken under a load", value=shown(metric.load))
        return
    load = next((each for each in plan.loads if each.name == metric.load), None)
    if load is None or loaded.is_broken(_SECTION, "load", load.name):
        return
    route = "chat" if source == "answers" else name.partition(".")[0]
    if source != "memory" and route != load.route:
        fitting = tuple(each.name for each in plan.loads if each.route == route)
        message = f"{name} is not taken from a load on {load.route}"
        yield loaded.tree.fault(steps, message, value=shown(metric.load), allowed=fitting)
    elif source == "answers" and metric.data is not None and metric.data != load.data:
        message = f"the load {load.name!r} asks other questions"
        yield loaded.tree.fault((*at, "data"), message, value=shown(metric.data), allowed=(load.data,))


def _undecidable(
    loaded: Loaded,
    plan: EvaluationPlan,
    metric: EvaluationMetric,
    measure: MeasureRef,
    target: Target,
    threshold: float,
    cases: dict[str, tuple[Case, ...]],
) -> Iterator[Fault]:
    """Warnings: the target cannot be reached, or not be shown to be, with what there is."""
    load = next((each for each in plan.loads if each.name == metric.load), None)
    reasons = list(_whatever_comes(measure, target, threshold))
    if metric.data in cases and measure.needs_data:
        reasons += _with_cases(measure, target, threshold, cases[metric.data])
    if load is not None and measure.measure.source == "load":
        reasons += _with_load(measure, target, threshold, load)
    for reason in reasons:
        steps = (_SECTION, "metrics", metric.name, "target")
        yield loaded.tree.fault(steps, reason, value=shown(metric.target), severity="warning")


def _whatever_comes(measure: MeasureRef, target: Target, threshold: float) -> Iterator[str]:
    """What can be said without data."""
    name = measure.measure.written
    wants_high = target.comparison in (">=", ">")
    if wants_high != measure.measure.higher_is_better:
        yield f"asks for {'more' if wants_high else 'less'}, and {'less' if wants_high else 'more'} is better"
    if measure.measure.unit == "of 5" and wants_high and threshold >= BEST_RATING:
        yield f"cannot be proven: no number of ratings rules out a single one below {BEST_RATING}"
    if measure.measure.unit == "of 5" and target.comparison == ">=" and threshold <= 1:
        yield f"cannot fail: no {name} is below 1"


def _with_cases(
    measure: MeasureRef, target: Target, threshold: float, cases: Sequence[Case]
) -> Iterator[str]:
    name, k = measure.measure.name, measure.cutoff
    if measure.measure.source == "retrieval":
        cases = [case for case in cases if case.documents]
        if not cases:
            yield "cannot be measured: no case names the documents that answer it"
            return
        counts = [len(case.documents) for case in cases]
        if k is not None and name in ("recall", "precision"):
            best = sum(min(k, count) / (count if name == "recall" else k) for count in counts) / len(counts)
            if threshold > best + 1e-12 and target.comparison in (">=", ">"):
                yield (
                    f"cannot be reached: the best possible {name}@{k} on this data is {best:.1%}, because of "
                    f"the number of relevant documents; success@{k} asks for any one of them"
                )
                return
    elif name.startswith("accuracy."):
        cases = [case for case in cases if case.reference]
        if not cases:
            yield "cannot be measured: no case has a reference"
            return
    elif name == "refusal.accuracy" and not any(case.unanswerable for case in cases):
        yield "says nothing of refusals: no case is unanswerable"
    if measure.measure.unit in ("share", "score"):
        fewest = fewest_cases(target.comparison, threshold)
        independent = len({case.cluster or (case.id,) for case in cases})
        kind = "cases" if independent == len(cases) else "clusters of cases"
        if fewest is None:
            yield "cannot be proven: no number of cases is enough to rule out a single failure"
        elif independent < fewest:
            yield (
                f"cannot be decided with {independent} {kind}: even if all go well, {fewest} are needed "
                "(95 % confidence)"
            )


def _with_load(measure: MeasureRef, target: Target, threshold: float, load: LoadSpec) -> Iterator[str]:
    requests = int(load.rate_per_s * load.duration_s)
    if measure.percent is not None:
        fewest = fewest_for_percentile(measure.percent)
        if requests < fewest:
            yield (
                f"cannot be decided: the load {load.name!r} sends about {requests} requests, and percentile "
                f"{measure.percent:g} needs {fewest} at least"
            )
        if target.comparison in ("<", "<=") and threshold > load.timeout_s:
            yield f"cannot fail: the load {load.name!r} gives up after {load.timeout_s:g} s"
    if measure.measure.kind == "rate" and target.comparison in (">=", ">"):
        surely = load.rate_per_s - _Z * (load.rate_per_s / load.duration_s) ** 0.5
        if threshold > load.rate_per_s:
            yield f"cannot be reached: the load {load.name!r} sends {load.rate_per_s:g} requests a second"
        elif threshold > surely:
            yield (
                f"can hardly be decided: the load {load.name!r} sends {load.rate_per_s:g} requests a second, "
                f"which proves about {surely:.3g} at best; raise rate_per_s or duration_s"
            )
    if measure.measure.kind == "share":
        few = fewest_cases(target.comparison, threshold)
        if few is not None and requests < few:
            yield f"cannot be decided with about {requests} requests: {few} are needed (95 % confidence)"
