"""Evaluations of a small real system in which something goes wrong."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.test_runner import RECALL, folder, only, opened, plan, run, serving

from asbuilt.blueprint import Blueprint, EvaluationMetric, LoadSpec
from asbuilt.errors import NotFoundError, StorageError
from asbuilt.evaluation.runner import Evaluation, evaluation_folder
from asbuilt.system import System

__all__ = ["folder"]  # a fixture

CITED = EvaluationMetric("cited", target=">= 90 %", measure="citation.precision", data="questions")


def write_questions(folder: Path, *rows: dict[str, Any]) -> None:
    (folder / "questions.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))


def outcomes_of(run_folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_folder / "outcomes.jsonl").read_text().splitlines()]


def test_answers_that_fail_count_as_wrong_and_say_why(folder: Path) -> None:
    write_questions(
        folder,
        {"id": "well", "question": "How do I delete all messages in a queue?"},
        {"id": "broken", "question": "How do I delete a queue? fail at once"},
    )
    with opened(folder, plan(CITED)) as system:
        finished = run(system)
    found = only(finished.result)
    assert (dict(found.scores), found.failures, found.value) == ({"well": 1.0, "broken": 0.0}, 1, 0.5)
    assert [(each.id, each.error) for each in found.worst] == [("broken", "the endpoint is away.")]
    by_id = {
        each["case_id"]: each for each in outcomes_of(finished.report.parent) if each["subject"] == "system"
    }
    assert by_id["broken"]["error"] == "the endpoint is away."
    assert by_id["well"]["citations"] == [True]
    assert "Failed: the endpoint is away." in finished.report.read_text()


def test_what_is_missing_for_every_case_is_an_error_and_no_result(folder: Path) -> None:
    """A baseline that cannot run at all is not one that is always wrong."""
    evaluation = replace(plan(CITED), baselines=("model-alone",))
    with opened(folder, evaluation) as system:
        speechless = tuple(
            each for each in system.blueprint.components if each.name not in ("llm", "assistant")
        )
    drawing = Blueprint(system=system.blueprint.system, components=speechless, evaluation=evaluation)
    with (
        System(drawing, folder=folder) as silent,
        pytest.raises(NotFoundError, match="no component that plays 'assistant'"),
    ):
        run(silent)
    [begun] = evaluation_folder(silent).iterdir()
    assert outcomes_of(begun) == []
    assert not (begun / "result.json").exists()


def test_an_earlier_result_that_cannot_be_read_does_not_stop_a_later_one(folder: Path) -> None:
    with opened(folder, plan(RECALL)) as system:
        broken = run(system).report.with_name("result.json")
        broken.write_text("{half of a resu")
        assert run(system).result.exit_code == 0
        with pytest.raises(StorageError, match=r"result\.json cannot be read"):
            run(system, against=broken.parent.name)


def test_text_that_is_no_unicode_is_kept_and_shown(folder: Path) -> None:
    """JSON may hold half of a surrogate pair; UTF-8 may not."""
    write_questions(
        folder, {"id": "half \ud83d", "question": "How do I delete all messages?", "reference": "\udc00"}
    )
    exact = EvaluationMetric("exact", target=">= 90 %", measure="accuracy.exact", data="questions")
    with opened(folder, plan(exact)) as system:
        finished = run(system)
        assert set(only(finished.result).scores) == {"half \ud83d"}
        assert "half \\ud83d" in finished.report.read_text()
        assert {each["case_id"] for each in outcomes_of(finished.report.parent)} == {"half \ud83d"}


def test_an_interrupted_load_is_done_again_and_a_finished_one_is_not(folder: Path) -> None:
    errors = EvaluationMetric("errors", target="< 60 %", measure="chat.error_rate", load="steady")
    memory = EvaluationMetric("memory", target="< 1 MB", measure="memory.peak", load="brief")
    loads = tuple(
        LoadSpec(name, "questions", rate_per_s=20, duration_s=0.5, warmup_s=0.1)
        for name in ("brief", "steady")
    )
    served: list[int] = []
    stop = threading.Event()

    def progress(stage: str, _done: int, _total: int) -> None:
        if stage == "load steady":
            stop.set()

    with opened(folder, replace(plan(memory, errors), loads=loads)) as system:

        def serve() -> Any:
            served.append(1)
            return serving(system)

        assert Evaluation(system, serve=serve).run(progress=progress, stop=stop) is None
        [unfinished] = evaluation_folder(system).iterdir()
        assert [each.name for each in unfinished.glob("load-*.json")] == ["load-brief.json"]
        finished = Evaluation(system, serve=serve).run(progress=progress, stop=threading.Event())
    assert finished is not None
    assert len(served) == 3
    assert {each.name for each in unfinished.glob("load-*.json")} == {"load-brief.json", "load-steady.json"}
    stored = json.loads((unfinished / "load-steady.json").read_text())
    assert len(stored["samples"]) == len(finished.result.loads["steady"]["latencies_ms"]) > 0


def test_only_the_metrics_asked_for_are_measured(folder: Path) -> None:
    with opened(folder, plan(RECALL, CITED)) as system:
        finished = run(system, metrics=["retrieval"])
    assert only(finished.result).name == "retrieval"
    assert {each["task"] for each in outcomes_of(finished.report.parent)} == {"retrieve"}


def test_a_generator_without_a_model_claims_none(folder: Path) -> None:
    with opened(folder, plan(RECALL)) as system:
        about = json.loads((run(system).report.with_name("run.json")).read_text())
    assert about["models"]["llm"] == {"use": "generator/telling"}
    assert about["models"]["embedder"]["model_id"]
