"""The gate: a candidate serves only where it is proven to do better, and nowhere worse."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from asbuilt.blueprint import Blueprint, EvaluationMetric, load_checked
from asbuilt.blueprint.cases import Case, read_cases
from asbuilt.blueprint.measures import MeasureRef, parse_measure
from asbuilt.errors import UserError
from asbuilt.evaluation.outcome import Outcome
from asbuilt.evaluation.scoring import compared, score_cases, task_of
from asbuilt.lineage import ExportedModel, GateMeasure, GateVerdict, HeldOut
from asbuilt.pipeline.contender import journal_name, outcomes_of
from asbuilt.registry import component, nearest
from asbuilt.resources.demand import holds_nothing
from asbuilt.retrieval.known_answers import answers
from asbuilt.roles import Progress

__all__ = ["PairedEvaluator"]

_SHOWN = 5


@component("evaluator/paired")
class PairedEvaluator:
    """Asks the assistant of `blueprint` the same cases with both models, and compares case by case.

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
        metrics = [self._metric(name) for name in (*self._better, *self._not_worse)]
        cases = {metric.data or "": self._chosen(metric.data or "") for metric, _ in metrics}
        total = sum(map(len, cases.values()))
        sides = []
        for name, model in (("candidate", candidate), ("current", None)):
            named = journal_name(self._file, model, cases, production=self._serves())
            journal = self._folder / f"{named}.jsonl"

            def tell(done: int, stage: str = name) -> None:
                if progress is not None:
                    progress(f"evaluate {stage}", done, total)

            outcomes = outcomes_of(
                self._file, model, cases, journal=journal, tell=tell, stop=stop or threading.Event()
            )
            if outcomes is None:
                return None
            sides.append(outcomes)
        ours, theirs = sides
        measures = [
            self._measured(metric, measure, cases[metric.data or ""], ours, theirs)
            for metric, measure in metrics
        ]
        reasons = tuple(_reason(measure) for measure in measures if not measure.passed)
        first, data = metrics[0][1], metrics[0][0].data or ""
        advice = _advice(first, cases[data], ours[data]) if reasons else ()
        return GateVerdict(not reasons, tuple(measures), reasons, advice)

    @cached_property
    def _blueprint(self) -> Blueprint:
        return load_checked(self._file)

    @cached_property
    def _data(self) -> dict[str, str]:
        """Files of the data sets that are there, by name."""
        return {each.name: each.path for each in self._blueprint.evaluation.datasets if each.path}

    def _metric(self, name: str) -> tuple[EvaluationMetric, MeasureRef]:
        known = {metric.name: metric for metric in self._blueprint.evaluation.metrics}
        if name not in known:
            close = nearest(name, list(known))
            raise UserError(
                f"{self._file} has no metric {name!r}.",
                hint=f"Did you mean {close!r}?" if close else f"There are: {', '.join(known)}.",
            )
        metric = known[name]
        measure = parse_measure(metric.measure) if metric.measure and metric.data else None
        if measure is None or measure.measure.source == "retrieval" or task_of(measure) != "answer":
            raise UserError(
                f"the metric {name!r} of {self._file} cannot judge a model.",
                hint="Name one that measures answers to a data set, as accuracy.command.",
            )
        return metric, measure

    def _measured(
        self,
        metric: EvaluationMetric,
        measure: MeasureRef,
        cases: Sequence[Case],
        ours: Mapping[str, Mapping[str, Outcome]],
        theirs: Mapping[str, Mapping[str, Outcome]],
    ) -> GateMeasure:
        data = metric.data or ""
        mine = score_cases(measure, cases, ours[data]).by_case
        other = score_cases(measure, cases, theirs[data]).by_case
        found = compared("current", mine, other, cases)
        better = metric.name in self._better
        borne = 0.0 if better else self._not_worse[metric.name]
        shared = [case for case in mine if case in other]
        return GateMeasure(
            metric=metric.name,
            data_set=data,
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

    def _serves(self) -> str | None:
        """What the assistant's generator serves now, where it is one that can change."""
        for each in self._blueprint.components:
            if each.use == "generator/registry":
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
