"""Whole evaluations of a small real system."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.server.conftest import blueprint, write_pages
from tests.server.live import served

from asbuilt.blueprint import Blueprint, DataSpec, EvaluationMetric, EvaluationPlan, LoadSpec
from asbuilt.errors import NotFoundError, UserError
from asbuilt.evaluation.result import EvaluationResult, Measurement
from asbuilt.evaluation.runner import Evaluation, Finished, Served, evaluation_folder
from asbuilt.server import create_app
from asbuilt.system import System

QUESTIONS = [
    {"id": "q1", "question": "How do I delete all messages in a queue?", "documents": ["sqs/purge-queue"]},
    {"id": "q2", "question": "How do I create a bucket?", "documents": ["s3/make-bucket"]},
    {"id": "q3", "question": "<script>alert(1)</script> create a queue", "documents": ["sqs/create-queue"]},
    {"id": "q4", "question": "How do I delete a queue?", "documents": ["sqs/create-queue"]},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pages(tmp_path / "docs")
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(each) + "\n" for each in QUESTIONS))
    return tmp_path


def plan(*metrics: EvaluationMetric, **more: Any) -> EvaluationPlan:
    return EvaluationPlan(
        metrics=metrics,
        datasets=(DataSpec("questions", "questions.jsonl"),),
        baselines=("terms-only", "retrieval-alone"),
        loads=(LoadSpec("steady", "questions", rate_per_s=20, duration_s=2, warmup_s=0.2),),
        **more,
    )


RECALL = EvaluationMetric("retrieval", target=">= 10 %", measure="recall@2", data="questions")


@contextmanager
def opened(folder: Path, evaluation: EvaluationPlan) -> Iterator[System]:
    base = blueprint(roots=("docs",))
    drawing = Blueprint(system=base.system, components=base.components, api=base.api, evaluation=evaluation)
    with System(drawing, folder=folder) as system:
        system.ingest([str(folder / "docs")])
        yield system


def serving(system: System) -> AbstractContextManager[Served]:
    @contextmanager
    def context() -> Iterator[Served]:
        with served(create_app(system, grace_s=0.3)) as url:
            yield Served(f"{url}/api/v1", lambda: 12_345)

    return context()


def run(system: System, **options: Any) -> Finished:
    evaluation = Evaluation(system, serve=lambda: serving(system), **options)
    finished = evaluation.run(progress=lambda *_: None, stop=threading.Event())
    assert finished is not None
    return finished


def only(result: EvaluationResult) -> Measurement:
    [measurement] = result.measurements
    return measurement


def test_a_metric_is_measured_compared_and_kept_as_evidence(folder: Path) -> None:
    with opened(folder, plan(RECALL)) as system:
        finished = run(system)
    found = only(finished.result)
    assert (found.n, found.unit, found.target_value) == (4, "share", 0.1)
    assert set(found.scores) == {"q1", "q2", "q3", "q4"}
    assert found.scores["q1"] == 1
    assert [each.name for each in found.comparisons] == ["terms-only"]
    stored = finished.report.parent
    outcomes = [json.loads(line) for line in (stored / "outcomes.jsonl").read_text().splitlines()]
    assert {(each["subject"], each["case_id"]) for each in outcomes} == {
        (subject, case["id"]) for subject in ("system", "terms-only") for case in QUESTIONS
    }
    about = json.loads((stored / "run.json").read_text())
    assert about["blueprint"]["digest"] == system.blueprint.digest
    assert {"machine", "versions", "models", "data", "documents"} <= set(about)


def test_an_interrupted_evaluation_goes_on_where_it_was(folder: Path) -> None:
    with opened(folder, plan(RECALL)) as system:
        stop = threading.Event()
        done: list[int] = []

        def progress(_stage: str, count: int, _total: int) -> None:
            done.append(count)
            if len(done) == 3:
                stop.set()

        evaluation = Evaluation(system, serve=lambda: serving(system))
        assert evaluation.run(progress=progress, stop=stop) is None
        [unfinished] = evaluation_folder(system).iterdir()
        kept = (unfinished / "outcomes.jsonl").read_text().splitlines()
        assert 0 < len(kept) < 8
        finished = run(system)
    assert finished.result.run == unfinished.name
    again = (unfinished / "outcomes.jsonl").read_text().splitlines()
    assert again[: len(kept)] == kept
    assert len(again) == 8


def test_a_limit_takes_the_same_cases_each_time(folder: Path) -> None:
    with opened(folder, plan(RECALL)) as system:
        first, second = (set(only(run(system, limit=2, fresh=True).result).scores) for _ in range(2))
        three = set(only(run(system, limit=3).result).scores)
    assert len(first) == 2
    assert first == second < three


def test_an_earlier_run_is_compared_case_by_case(folder: Path) -> None:
    with opened(folder, plan(RECALL)) as system:
        before = run(system).result
        (folder / "docs" / "sqs" / "purge-queue.md").write_text("# purge-queue\n\nNothing of the kind.\n")
        system.ingest([str(folder / "docs")])
        after = run(system, against="last")
    [comparison] = [each for each in only(after.result).comparisons if each.name == f"run {before.run}"]
    assert "q1" in comparison.lost
    assert comparison.verdict == "undecided"  # one flip proves nothing


def test_answers_load_and_planned_metrics_in_one_run(folder: Path) -> None:
    metrics = (
        EvaluationMetric("refusals", target=">= 10 %", measure="refusal.accuracy", data="questions"),
        EvaluationMetric("latency", target="< 20 s", measure="chat.latency.p50", load="steady"),
        EvaluationMetric("throughput", target=">= 1 /s", measure="chat.throughput", load="steady"),
        EvaluationMetric("errors", target="< 60 %", measure="chat.error_rate", load="steady"),
        EvaluationMetric("goodput", target=">= 1 /s", measure="chat.goodput", load="steady"),
        EvaluationMetric("memory", target="< 1 MB", measure="memory.peak", load="steady"),
        EvaluationMetric("liked", target=">= 4 of 5", measure="satisfaction"),
        EvaluationMetric("later", "Is it pleasant?", "people say so", "by asking them"),
    )
    with opened(folder, plan(*metrics)) as system:
        finished = run(system)
    found = {each.name: each for each in finished.result.measurements}
    for name in ("refusals", "latency", "throughput", "errors", "goodput", "memory"):
        assert found[name].verdict == "PASS", (name, found[name])
    assert found["memory"].value == 12_345
    assert found["liked"].verdict == "INCONCLUSIVE"
    assert "nobody has rated" in found["liked"].notes[0]
    assert found["later"].verdict == "PLANNED"
    assert finished.result.exit_code == 2
    page = finished.report.read_text()
    assert all(f"<h2>{name}</h2>" in page for name in found if name != "later")


class Links(HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_report_stands_alone_and_shows_hostile_text_as_text(folder: Path) -> None:
    hard = EvaluationMetric("retrieval", target=">= 99 %", measure="ndcg@1", data="questions")
    with opened(folder, plan(hard)) as system:
        page = run(system).report.read_text()
    links = Links()
    links.feed(page)
    assert (links.loaded, links.scripts) == ([], 0)
    assert "@import" not in page
    assert "url(" not in page


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"metrics": ["retreival"]}, NotFoundError, "no metric 'retreival'.*Did you mean 'retrieval'"),
        ({"against": "yesterday"}, NotFoundError, "no finished run 'yesterday'"),
    ],
)
def test_what_does_not_exist_is_named(
    folder: Path, options: Any, error: type[Exception], message: str
) -> None:
    with opened(folder, plan(RECALL)) as system, pytest.raises(error, match=message):
        run(system, **options)


def test_a_document_that_is_not_ingested_is_named_before_anything_runs(folder: Path) -> None:
    with (folder / "questions.jsonl").open("a") as file:
        file.write('{"id": "q5", "question": "q", "documents": ["sqs/nothing"]}\n')
    with (
        opened(folder, plan(RECALL)) as system,
        pytest.raises(UserError, match=r"'q5' of 'questions'.*'sqs/nothing'"),
    ):
        run(system)
    assert not evaluation_folder(system).exists()


def test_a_blueprint_without_metrics_says_what_to_do(folder: Path) -> None:
    with opened(folder, EvaluationPlan()) as system, pytest.raises(UserError, match=r"evaluation\.metrics"):
        run(system)


@pytest.mark.parametrize(("target", "code"), [(">= 10 %", 0), ("< 1 %", 1), (">= 90 %", 2)])
def test_exit_codes(folder: Path, target: str, code: int) -> None:
    metric = EvaluationMetric("retrieval", target=target, measure="success@3", data="questions")
    with opened(folder, plan(metric)) as system:
        assert run(system).result.exit_code == code
