"""The gate: a candidate serves only where it is proven to do better, and nowhere worse."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from itertools import chain
from pathlib import Path

from asbuilt.blueprint import Blueprint, EvaluationMetric, load_checked
from asbuilt.blueprint.cases import Case, read_cases
from asbuilt.blueprint.measures import MeasureRef, parse_measure
from asbuilt.errors import UserError
from asbuilt.evaluation.outcome import Outcome
from asbuilt.evaluation.scoring import compared, score_cases, task_of
from asbuilt.lineage import ExportedModel, GateMeasure, GateVerdict, HeldOut, ModelKind
from asbuilt.pipeline.contender import Work, journal_name, outcomes_of
from asbuilt.registry import component, nearest
from asbuilt.resources.demand import holds_nothing
from asbuilt.retrieval.known_answers import answers
from asbuilt.roles import Progress

__all__ = ["PairedEvaluator"]

_SHOWN = 5
_DEPTH = 10
"""Passages that are retrieved at least, so that a report shows what came instead."""


@component("evaluator/paired")
class PairedEvaluator:
    """Asks the assistant of `blueprint` the same cases with both models, and compares case by case. An
    embedder may be judged by what is retrieved with it, too.

    `better` are metrics of that blueprint which a candidate must be proven to raise; `not_worse` gives
    for others the loss that is still borne (0.02: two points). Proven means: the 95 % interval of the
    paired difference lies on that side. `limit` takes that many cases of each data set, the same each
    time. Outcomes are kept in `folder`, so that an interrupted comparison goes on.
    """

    def __init__(
        self,
        *,
        folder: Path,
        blueprint: Path,
        better: Sequence[str] = (),
        not_worse: Mapping[str, float] | None = None,
        limit: int | None = None,
    ) -> None:
        if not better and not not_worse:
            raise UserError("evaluator/paired needs a metric in `better` or `not_worse`.")
        if limit is not None and limit < 1:
            raise UserError(f"limit is {limit}; it must be at least 1.")
        for name, borne in (not_worse or {}).items():
            if name in better:
                raise UserError(f"evaluator/paired: {name!r} stands in both `better` and `not_worse`.")
            if not 0 <= borne <= 1:
                raise UserError(
                    f"evaluator/paired has not_worse {name}: {borne:g}; it must be from 0 to 1.",
                    hint="0.02 bears a loss of two points.",
                )
        self._folder = folder
        self._file = blueprint
        self._better = tuple(better)
        self._not_worse = dict(not_worse or {})
        self._limit = limit

    demand = staticmethod(holds_nothing)

    def held_out(self) -> list[HeldOut]:
        return [
            HeldOut(name, case.id, case.question, case.reference)
            for name in self._data
            for case in self._read(name)
        ]

    def judge(
        self,
        candidate: ExportedModel,
        *,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> GateVerdict | None:
        metrics = self._metrics(candidate.kind)
        works = {metric.name: self._work(metric, measure) for metric, measure in metrics}
        cases = {work: self._chosen(work.data) for work in works.values()}
        sides = []
        for name, model in (("candidate", candidate), ("current", None)):
            named = journal_name(self._file, model, cases, production=self._serves(candidate.kind))
            journal = self._folder / f"{named}.jsonl"

            def tell(stage: str, done: int, of: int, name: str = name) -> None:
                if progress is not None:
                    progress(stage or f"evaluate {name}", done, of)

            outcomes = outcomes_of(
                self._file, model, cases, journal=journal, tell=tell, stop=stop or threading.Event()
            )
            if outcomes is None:
                return None
            sides.append(outcomes)
        ours, theirs = sides
        measures = [
            self._measured(metric, measure, cases[work], ours[work], theirs[work])
            for metric, measure in metrics
            for work in (works[metric.name],)
        ]
        reasons = tuple(_reason(measure) for measure in measures if not measure.passed)
        failed = [
            (measure, works[metric.name])
            for (metric, measure), found in zip(metrics, measures, strict=True)
            if not found.passed
        ]
        advice = [_advice(measure, cases[work], ours[work]) for measure, work in failed[:1]]
        return GateVerdict(not reasons, tuple(measures), reasons, tuple(chain.from_iterable(advice)))

    @cached_property
    def _blueprint(self) -> Blueprint:
        return load_checked(self._file)

    @cached_property
    def _data(self) -> dict[str, str]:
        """Files of the data sets that are there, by name."""
        return {each.name: each.path for each in self._blueprint.evaluation.datasets if each.path}

    def _metrics(self, kind: ModelKind) -> list[tuple[EvaluationMetric, MeasureRef]]:
        return [self._metric(name, kind) for name in (*self._better, *self._not_worse)]

    def _metric(self, name: str, kind: ModelKind) -> tuple[EvaluationMetric, MeasureRef]:
        known = {metric.name: metric for metric in self._blueprint.evaluation.metrics}
        if name not in known:
            close = nearest(name, list(known))
            raise UserError(
                f"{self._file} has no metric {name!r}.",
                hint=f"Did you mean {close!r}?" if close else f"There are: {', '.join(known)}.",
            )
        metric = known[name]
        measure = parse_measure(metric.measure) if metric.measure and metric.data else None
        if measure is None or (task_of(measure) == "retrieve" and kind != "embedder"):
            raise UserError(
                f"the metric {name!r} of {self._file} cannot judge a model.",
                hint="Name one that measures answers to a data set, as accuracy.command; or, where an "
                "embedder is trained, what is retrieved.",
            )
        return metric, measure

    def _work(self, metric: EvaluationMetric, measure: MeasureRef) -> Work:
        if task_of(measure) == "retrieve":
            return Work(metric.data or "", "retrieve", max(measure.cutoff or 0, _DEPTH))
        return Work(metric.data or "", "answer")

    def _measured(
        self,
        metric: EvaluationMetric,
        measure: MeasureRef,
        cases: Sequence[Case],
        ours: Mapping[str, Outcome],
        theirs: Mapping[str, Outcome],
    ) -> GateMeasure:
        mine = score_cases(measure, cases, ours).by_case
        other = score_cases(measure, cases, theirs).by_case
        found = compared("current", mine, other, cases)
        better = metric.name in self._better
        borne = 0.0 if better else self._not_worse[metric.name]
        shared = [case for case in mine if case in other]
        return GateMeasure(
            metric=metric.name,
            data_set=metric.data or "",
            rule="better" if better else f"not worse by more than {borne:g}",
            candidate=sum(mine[case] for case in shared) / len(shared),
            current=found.value,
            difference=found.difference,
            low=found.low,
            high=found.high,
            n=found.n,
            gained=found.gained,
            lost=found.lost,
            passed=found.low > 0 if better else found.low >= -borne,
        )

    def _chosen(self, name: str) -> tuple[Case, ...]:
        cases = self._read(name)
        if self._limit is None or self._limit >= len(cases):
            return cases
        ranked = sorted(cases, key=lambda case: sha256(case.id.encode()).digest())[: self._limit]
        chosen = {case.id for case in ranked}
        return tuple(case for case in cases if case.id in chosen)

    def _read(self, name: str) -> tuple[Case, ...]:
        return tuple(read_cases(self._file.parent / self._data[name]))

    def _serves(self, kind: ModelKind) -> str | None:
        """What the assistant's generator or embedder serves now, where it is one that can change."""
        use = "embedder/registry" if kind == "embedder" else "generator/registry"
        for each in self._blueprint.components:
            if each.use == use:
                reference = self._file.parent / str(each.config["registry"]) / "production"
                return reference.read_text(encoding="utf-8").strip() if reference.is_file() else None
        return None


def _reason(measure: GateMeasure) -> str:
    return (
        f"{measure.metric}: {measure.candidate:.1%} against {measure.current:.1%} on {measure.n} cases; the "
        f"difference lies between {measure.low:+.1%} and {measure.high:+.1%}, which does not prove "
        f"{measure.rule!r}."
    )


def _advice(measure: MeasureRef, cases: Sequence[Case], outcomes: Mapping[str, Outcome]) -> tuple[str, ...]:
    """What the candidate's failures have in common."""
    if task_of(measure) == "retrieve":
        return _advice_of_retrieval(measure, cases, outcomes)
    scores = score_cases(measure, cases, outcomes).by_case
    failed = [case for case in cases if scores.get(case.id, 1.0) < 1.0]
    kinds: dict[str, list[str]] = {
        "no passage of the right document was found: better retrieval mends that, training cannot": [],
        "the model declined though the document was there: more rows of that kind, fewer refusals": [],
        "the document was there and the answer is wrong: more such rows, rank or epochs": [],
    }
    missed, declined, wrong = kinds.values()
    for case in failed:
        outcome = outcomes[case.id]
        found = any(answers(passage.source, case.documents) for passage in outcome.passages)
        group = missed if case.documents and not found else declined if outcome.refused else wrong
        group.append(case.id)
    told = []
    for what, ids in kinds.items():
        if ids:
            some = ", ".join(ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")
            told.append(f"{len(ids)} of {len(failed)} failures ({some}): {what}.")
    return tuple(told)


def _advice_of_retrieval(
    measure: MeasureRef, cases: Sequence[Case], outcomes: Mapping[str, Outcome]
) -> tuple[str, ...]:
    scores = score_cases(measure, cases, outcomes).by_case
    failed = [case.id for case in cases if scores.get(case.id, 1.0) < 1.0]
    if not failed:
        return ()
    some = ", ".join(failed[:_SHOWN]) + (", ..." if len(failed) > _SHOWN else "")
    return (
        f"{len(failed)} questions ({some}) lack a document among the first: more rows that ask as these do, "
        "or a higher base_share where the embedder that serves does better.",
    )
