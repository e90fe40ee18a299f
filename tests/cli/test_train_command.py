"""`asbuilt train`, as a user runs it. What trains is scripted; the pipeline's own tests do the work."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.parts import PASSED, PROVEN, REFUSED, row
from typer.testing import CliRunner, Result

from asbuilt.blueprint import write_pattern
from asbuilt.cli.main import app
from asbuilt.errors import AsbuiltError
from asbuilt.lineage import DataCard, GateVerdict, PipelineResult, TrainedModel
from asbuilt.pipeline.gated import GatedPipeline
from asbuilt.pipeline.runs import TrainingRuns
from asbuilt.training.collect_knowledge import KnowledgeCollector

Judge = Callable[[Mapping[str, Any]], GateVerdict | None]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", *arguments])


def refused(*arguments: str) -> str:
    """The one line that `main` would print."""
    result = run(*arguments)
    assert isinstance(result.exception, AsbuiltError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_pattern("training-pipeline", tmp_path / "p")
    monkeypatch.chdir(tmp_path / "p")
    return tmp_path / "p"


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[[Judge], list[Mapping[str, Any]]]:
    """Have attempts end with the verdicts of a function of their settings; returns the settings tried."""

    def judge_by(judge: Judge) -> list[Mapping[str, Any]]:
        tried: list[Mapping[str, Any]] = []

        def pipeline_run(
            _self: GatedPipeline, *, folder: Path, settings: Mapping[str, Any], progress: Any, **_: Any
        ) -> PipelineResult | None:
            tried.append(settings)
            for step in range(1, 101):
                progress(f"train: loss {1 / step:.3f}", step, 100)
            if (verdict := judge(settings)) is None:
                return None
            trained = TrainedModel(folder, "sft", "lora", "b", "", "", 100, 0.01, None, 60.0, 2**30)
            version = "0123456789ab" if verdict.passed else None
            card = DataCard(9, 8, 0, "", "", rejected={"leak": 1})
            ended = "it serves." if verdict.passed else "the gate refuses it"
            return PipelineResult(folder, card, trained, PROVEN, verdict, version, verdict.passed, ended)

        monkeypatch.setattr(GatedPipeline, "run", pipeline_run)
        return tried

    return judge_by


def test_what_passes_is_told_with_its_proof(project: Path, judged: Callable[[Judge], Any]) -> None:
    judged(lambda _: PASSED)
    result = run()
    assert result.exit_code == 0
    assert "Rows: 8 to train on, 0 to check with, of 9 collected (left out: 1 leak)" in result.stdout
    assert "Gate: m 90.0% against 10.0% (n = 20" in result.stdout
    assert result.stdout.splitlines()[-1] == "Result: it serves."
    assert len([line for line in result.stderr.splitlines() if line.startswith("train")]) <= 11
    assert (project / ".asbuilt/training/run-001/result.json").is_file()


def test_json_is_all_there_is_on_standard_output(project: Path, judged: Callable[[Judge], Any]) -> None:
    judged(lambda _: REFUSED)
    result = run("--json")
    assert result.exit_code == 1
    [found] = json.loads(result.stdout)
    assert found == json.loads((project / ".asbuilt/training/run-001/result.json").read_text())[0]
    assert found["verdict"]["reasons"] == ["not proven"]
    assert found["trained"]["steps"] == 100


def test_after_a_refusal_the_grid_is_tried_until_one_passes(
    project: Path, judged: Callable[[Judge], Any]
) -> None:
    tried = judged(lambda settings: PASSED if settings.get("learning_rate") == 0.0005 else REFUSED)
    result = run("--iterate", "3")
    assert result.exit_code == 0
    assert tried == [{}, {"epochs": 5, "learning_rate": 0.0005}]
    assert "Try: more rows" in result.stdout
    [line] = [line for line in result.stdout.splitlines() if line.startswith("Settings: ")]
    assert "epochs 5" in line
    assert "learning_rate 0.0005" in line


def test_an_interrupted_run_is_gone_on_with(project: Path, judged: Callable[[Judge], Any]) -> None:
    judged(lambda _: None)
    result = run()
    assert result.exit_code == 130
    assert "Run the same command again to go on." in result.stderr
    (project / ".asbuilt/training/run-001/data").mkdir()
    judged(lambda _: PASSED)
    again = run()
    assert "run-001, with the rows collected then; --fresh begins anew." in again.stderr
    assert again.exit_code == 0


def test_a_second_training_is_refused(project: Path, judged: Callable[[Judge], Any]) -> None:
    tried = judged(lambda _: PASSED)
    with TrainingRuns(project / ".asbuilt/training").locked():
        assert "another asbuilt train is at work" in refused()
    assert tried == []


def test_iterating_without_a_grid_says_how_to_declare_one(
    project: Path, judged: Callable[[Judge], Any]
) -> None:
    tried = judged(lambda _: PASSED)
    text = (project / "blueprint.yaml").read_text()
    (project / "blueprint.yaml").write_text(
        "\n".join(line for line in text.splitlines() if "grid:" not in line)
    )
    assert "the pipeline has no grid. Declare one in its config, as grid: " in refused("--iterate", "3")
    assert tried == []


def test_a_blueprint_without_a_pipeline(project: Path) -> None:
    assert "no component that plays 'pipeline'" in refused("assistant.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no data set at"),
        (b"", "has no cases"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (
            b'{"id": "1", "question": "Who?", "reference": "me"}\n',
            "has no documents yet. Run: asbuilt",
        ),
    ],
)
def test_rows_that_cannot_be_read(content: bytes | None, message: str, project: Path) -> None:
    file = project / "data/rows.jsonl"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert message in refused()


def test_the_missing_extra_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KnowledgeCollector, "collect", lambda _: iter([row("One?"), row("And two?")]))
    for name in ("torch", "gguf", "datasets"):
        monkeypatch.setitem(sys.modules, name, None)
    assert refused().endswith('pip install "asbuilt[training]"')
