"""An evaluation, from the plan of a blueprint to its result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from asbuilt.blueprint import EvaluationMetric, JudgeSpec, LoadSpec
from asbuilt.blueprint.cases import Case, read_cases
from asbuilt.blueprint.measures import BASELINES, parse_measure
from asbuilt.errors import NotFoundError, UserError
from asbuilt.evaluation.journal import Journal, Runs
from asbuilt.evaluation.judge import (
    JUDGE,
    LABELS,
    Label,
    calibration_of,
    judged,
    measured_by_judge,
    read_labels,
)
from asbuilt.evaluation.load import LoadResult, run_load
from asbuilt.evaluation.outcome import Outcome, Task
from asbuilt.evaluation.provenance import describe
from asbuilt.evaluation.report import render_report
from asbuilt.evaluation.result import EARLIER, EvaluationResult, Measurement
from asbuilt.evaluation.scoring import measured_cases, satisfaction, score_cases, task_of, unmeasured
from asbuilt.evaluation.subjects import SYSTEM, Subject, subjects
from asbuilt.evaluation.under_load import measured_under_load
from asbuilt.registry import nearest
from asbuilt.retrieval.known_answers import unknown_documents
from asbuilt.roles import Progress
from asbuilt.system import System

__all__ = ["Evaluation", "Served", "evaluation_folder"]


@dataclass(frozen=True, slots=True)
class Served:
    """Where the system is served for a load, and how to read its peak memory in bytes."""

    url: str
    peak_bytes: Callable[[], int]
    key: str | None = None


_RUNS_SHOWN = 20
_LEAST_DEPTH = 10
"""Passages that are retrieved at least, so that a report can show what came after the cut-off."""

_BY_JUDGE = "accuracy.judge"
_FITTED = "The fusion weight, one number, was fitted on these same cases (knowledge.known_answers)."

Serve = Callable[[], AbstractContextManager[Served]]


@dataclass(frozen=True, slots=True)
class Finished:
    """What a whole run leaves behind."""

    result: EvaluationResult
    report: Path


@dataclass(frozen=True, slots=True)
class _Work:
    """Cases that a subject has to do."""

    subject: Subject
    data: str
    task: Task


def evaluation_folder(system: System) -> Path:
    """Where the runs of a project are."""
    return system.state_folder / "evaluation"


class Evaluation:
    """Measures the metrics of `system`'s blueprint; by default all of them.

    `limit` takes that many cases of each data set, the same ones each time. `serve` starts the
    service for metrics under load. Outcomes are remembered as they come: after an interruption (`stop`
    or a kill), the next evaluation of the same thing goes on, unless it is `fresh`.
    """

    def __init__(
        self,
        system: System,
        *,
        serve: Serve,
        metrics: Sequence[str] = (),
        limit: int | None = None,
        fresh: bool = False,
        against: str | None = None,
    ) -> None:
        self._system = system
        self._serve = serve
        self._limit = limit
        self._fresh = fresh
        self._plan = system.blueprint.evaluation
        self._metrics = self._chosen(metrics)
        self._runs = Runs(evaluation_folder(system))
        self._against = self._runs.result(against) if against is not None else None
        self._cases = {name: self._read(name) for name in self._data_needed()}
        for name in self._ranked_data():
            self._refuse_unknown(name)

    def run(self, *, progress: Progress, stop: threading.Event) -> Finished | None:
        """Do what is left to do, then measure. None when `stop` was set before all was done."""
        about = describe(
            self._system,
            {name: self._path(name) for name in self._cases},
            asked={"metrics": [metric.name for metric in self._metrics], "limit": self._limit},
        )
        with self._runs.begin(about, fresh=self._fresh) as journal:
            steps = (self._do_cases, self._do_judging, self._do_loads)
            if not all(step(journal, progress, stop) for step in steps):
                return None
            result = EvaluationResult(
                run=journal.name,
                about=about,
                measurements=tuple(self._measure(metric, journal) for metric in self._metrics),
                loads={name: _told(load) for name, load in journal.loads.items()},
            )
            return Finished(
                result,
                journal.finish(
                    result.to_json(), render_report(result, earlier=self._runs.latest(_RUNS_SHOWN))
                ),
            )

    # ------------------------------------------------------------ what there is to do

    def _chosen(self, names: Sequence[str]) -> list[EvaluationMetric]:
        plan = self._plan.metrics
        if not plan:
            raise UserError(
                "the blueprint has no metrics to evaluate.", hint="Add some under evaluation.metrics."
            )
        known = tuple(metric.name for metric in plan)
        for name in names:
            if name not in known:
                close = nearest(name, known)
                hint = f"Did you mean {close!r}?" if close else f"There are: {', '.join(known)}."
                raise NotFoundError(f"there is no metric {name!r} in the blueprint.", hint=hint)
        return [metric for metric in plan if not names or metric.name in names]

    def _load_of(self, name: str) -> LoadSpec:
        return next(load for load in self._plan.loads if load.name == name)

    def _data_needed(self) -> list[str]:
        wanted: dict[str, None] = {}
        for metric in self._metrics:
            if metric.measure and metric.data is not None:
                wanted[metric.data] = None
            if metric.measure and metric.load is not None:
                wanted[self._load_of(metric.load).data] = None
        return list(wanted)

    def _path(self, data: str) -> Path:
        spec = next(each for each in self._plan.datasets if each.name == data)
        if not spec.path:
            raise UserError(
                f"the data set {data!r} is only planned: it has no path.",
                hint=f"Write it and name its file under evaluation.data.{data}.path.",
            )
        return self._system.folder / spec.path

    def _read(self, data: str) -> tuple[Case, ...]:
        """The cases, or `limit` of them: those whose ids come first by hash, so that a smaller sample
        is part of every larger one and does not follow the order of the file."""
        cases = read_cases(self._path(data))
        if self._limit is None:
            return cases
        return tuple(sorted(cases, key=lambda case: sha256(case.id.encode()).digest())[: self._limit])

    def _ranked_data(self) -> list[str]:
        """Data sets whose documents have to be found."""
        ranked = {
            metric.data: None
            for metric in self._metrics
            if metric.measure and metric.data and parse_measure(metric.measure).measure.source == "retrieval"
        }
        return list(ranked)

    def _refuse_unknown(self, data: str) -> None:
        """A document that nobody ingested cannot be found: that would measure the ingestion."""
        catalog = self._system.catalog
        sources = [
            source for collection in catalog.collections() for source in catalog.known_documents(collection)
        ]
        unknown = unknown_documents(self._cases[data], sources)
        if unknown:
            document, case_id = next(iter(unknown.items()))
            more = f", and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            raise UserError(
                f"case {case_id!r} of {data!r} names the document {document!r}, which is not ingested{more}.",
                hint="Run `asbuilt ingest`, or correct the data set.",
            )

    # ------------------------------------------------------------ doing it

    def _work(self) -> list[tuple[_Work, int]]:
        """What each subject has to do, and with how many passages."""
        asked = subjects(self._system, self._baselines())
        depths: dict[tuple[str, Task], int] = {}
        for metric in self._metrics:
            if metric.measure and metric.data is not None and metric.load is None:
                measure = parse_measure(metric.measure)
                key = (metric.data, task_of(measure))
                depths[key] = max(depths.get(key, _LEAST_DEPTH), measure.cutoff or 0)
        return [
            (_Work(subject, data, task), depth)
            for (data, task), depth in depths.items()
            for subject in asked
            if task in subject.tasks
        ]

    def _do_cases(self, journal: Journal, progress: Progress, stop: threading.Event) -> bool:
        """Whether all of it is done."""
        for work, depth in self._work():
            cases = self._cases[work.data]
            label = f"{work.data}: {work.subject.name}"
            for done, case in enumerate(cases):
                if stop.is_set():
                    return False
                progress(label, done, len(cases))
                if (work.subject.name, work.data, work.task, case.id) not in journal.outcomes:
                    journal.add(work.subject.do(work.task, case, data=work.data, depth=depth))
            progress(label, len(cases), len(cases))
        return True

    def _do_judging(self, journal: Journal, progress: Progress, stop: threading.Event) -> bool:
        """Whether all answers are judged, and the labelled ones that say what the judge is worth."""
        wanted = [
            (metric.data, case.id, case.question, case.reference, answer.text)
            for metric in self._metrics
            if metric.measure == _BY_JUDGE and metric.data is not None
            for case in self._cases[metric.data]
            if case.reference
            if not (answer := journal.outcomes[SYSTEM, metric.data, "answer", case.id]).error
        ]
        if not wanted:
            return True
        wanted += [(LABELS, each.id, each.question, each.reference, each.answer) for each in self._labels]
        generator = self._system.part(self._judge.generator)
        for done, (data, case_id, question, reference, answer_text) in enumerate(wanted):
            if stop.is_set():
                return False
            progress(JUDGE, done, len(wanted))
            if (JUDGE, data, JUDGE, case_id) not in journal.outcomes:
                journal.add(
                    judged(
                        generator,
                        data=data,
                        case_id=case_id,
                        question=question,
                        reference=reference,
                        answer=answer_text,
                    )
                )
        progress(JUDGE, len(wanted), len(wanted))
        return True

    @property
    def _judge(self) -> JudgeSpec:
        assert self._plan.judge is not None, "check asks for the judge of such a measure"
        return self._plan.judge

    @cached_property
    def _labels(self) -> tuple[Label, ...]:
        return read_labels(self._system.folder / self._judge.labels)

    def _do_loads(self, journal: Journal, progress: Progress, stop: threading.Event) -> bool:
        """Whether all of them ran to their end. The service starts afresh for each."""
        needed = dict.fromkeys(metric.load for metric in self._metrics if metric.measure and metric.load)
        for name in needed:
            if name is None or name in journal.loads:
                continue
            load = self._load_of(name)
            self._system.close()  # two copies of the models may not fit, and would share the processor
            with self._serve() as served:
                cases = self._cases[load.data]
                found = run_load(load, cases, url=served.url, key=served.key, progress=progress, stop=stop)
                found = replace(found, peak_bytes=served.peak_bytes())
            if found.interrupted:
                return False
            journal.add_load(found)
        return True

    def _baselines(self) -> tuple[str, ...]:
        """Those that can be run; others are notes of the plan."""
        return tuple(name for name in self._plan.baselines if name in BASELINES)

    # ------------------------------------------------------------ measuring

    def _measure(self, metric: EvaluationMetric, journal: Journal) -> Measurement:
        if not metric.measure:
            return unmeasured(metric)
        measure = parse_measure(metric.measure)
        if measure.measure.source == "feedback":
            return satisfaction(metric, measure, self._system.catalog.answers.ratings())
        if metric.load is not None:
            data = self._cases[self._load_of(metric.load).data]
            return measured_under_load(metric, measure, journal.loads[metric.load], self._plan, data)
        assert metric.data is not None, "check asks for the data set of such a measure"
        cases = self._cases[metric.data]
        if metric.measure == _BY_JUDGE:
            calibration = calibration_of(self._labels, _outcomes(journal, JUDGE, LABELS, "judge"))
            verdicts = _outcomes(journal, JUDGE, metric.data, "judge")
            ours = _outcomes(journal, SYSTEM, metric.data, "answer")
            return measured_by_judge(metric, measure, cases, ours, verdicts, calibration)
        others = {
            name: score_cases(measure, cases, outcomes).by_case
            for name in self._baselines()
            if (outcomes := _outcomes(journal, name, metric.data, task_of(measure)))
        }
        if earlier := self._earlier(metric):
            others[f"{EARLIER}{earlier[0]}"] = earlier[1]
        ours = _outcomes(journal, SYSTEM, metric.data, task_of(measure))
        found = measured_cases(metric, measure, cases, ours, others)
        if measure.measure.source == "retrieval" and self._is_fitted_on(metric.data):
            found = replace(found, notes=(*found.notes, _FITTED))
        return found

    def _is_fitted_on(self, data: str) -> bool:
        known = self._system.blueprint.knowledge.known_answers
        return known is not None and self._path(data) == self._system.folder / known

    def _earlier(self, metric: EvaluationMetric) -> tuple[str, dict[str, float]] | None:
        """Scores of the same measure on the same data in the run to compare with."""
        if self._against is None:
            return None
        for stored in self._against["measurements"]:
            same = (stored["measure"], stored["data"], stored["load"])
            if same == (metric.measure, metric.data, metric.load) and stored["scores"]:
                return self._against["run"], stored["scores"]
        return None


def _told(load: LoadResult) -> dict[str, Any]:
    """What a result keeps of a load; every request stands in its own file."""
    return {
        "route": load.route,
        "summary": load.summary,
        "refused": load.refused,
        "peak_bytes": load.peak_bytes,
        "latencies_ms": [round(1000 * sample.latency_s, 3) for sample in load.samples],
    }


def _outcomes(journal: Journal, subject: str, data: str, task: Task) -> dict[str, Outcome]:
    return {key[3]: outcome for key, outcome in journal.outcomes.items() if key[:3] == (subject, data, task)}
