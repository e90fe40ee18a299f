"""Runs have a folder each, one at a time, and a result that is whole or not there."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from asbuilt.errors import UserError
from asbuilt.lineage import DataCard, PipelineResult, TrainedModel
from asbuilt.pipeline.runs import TrainingRuns, attempts, plain

TRAINED = TrainedModel(Path("model"), "sft", "lora", "b", "", "", 1, 0.5, math.nan, 1.0, 1)
RESULT = PipelineResult(Path("x"), DataCard(1, 1, 0, "", ""), TRAINED, None, None, None, False, "refused")


def test_an_unfinished_run_goes_on_and_a_finished_one_does_not(tmp_path: Path) -> None:
    runs = TrainingRuns(tmp_path / "training")
    first = runs.current(blueprint="a")
    assert first.name == "run-001"
    assert runs.current(blueprint="a") == first
    (tmp_path / "training" / "run-notes.txt").write_text("mine")
    written = runs.finish(first, [RESULT])
    assert json.loads(written.read_text()) == plain([RESULT])
    assert runs.current(blueprint="a").name == "run-002"


@pytest.mark.parametrize(("blueprint", "fresh"), [("b", False), ("a", True)])
def test_another_blueprint_or_a_wish_begins_anew(blueprint: str, fresh: bool, tmp_path: Path) -> None:
    runs = TrainingRuns(tmp_path)
    runs.current(blueprint="a")
    assert runs.current(blueprint=blueprint, fresh=fresh).name == "run-002"


def test_a_result_half_written_does_not_end_a_run(tmp_path: Path) -> None:
    runs = TrainingRuns(tmp_path)
    folder = runs.current(blueprint="a")
    (folder / "result.unfinished").write_text("[{")
    assert runs.current(blueprint="a") == folder


def test_the_thousandth_run_follows_the_one_before(tmp_path: Path) -> None:
    runs = TrainingRuns(tmp_path)
    for name in ("run-999", "run-1000"):
        (tmp_path / name).mkdir()
    assert runs.current(blueprint="a").name == "run-1001"


def test_two_trainings_of_a_project_take_turns(tmp_path: Path) -> None:
    second = TrainingRuns(tmp_path).locked()
    message = r"another asbuilt train is at work in .*Wait until it ends"
    with TrainingRuns(tmp_path).locked(), pytest.raises(UserError, match=message), second:
        pass
    with TrainingRuns(tmp_path).locked():
        pass


def test_a_result_is_json_whatever_the_loss(tmp_path: Path) -> None:
    [found] = json.loads(json.dumps(plain([RESULT]), allow_nan=False))
    assert (found["folder"], found["trained"]["validation_loss"]) == ("x", None)


def test_attempts_begin_with_what_is_drawn() -> None:
    grid = {"rank": [8, 16], "epochs": [1, 2]}
    assert list(attempts(grid, 1)) == [{}]
    assert list(attempts(grid, 3)) == [{}, {"rank": 8, "epochs": 1}, {"rank": 8, "epochs": 2}]
    assert len(list(attempts(grid, 99))) == 5
    assert list(attempts({}, 1)) == [{}]
    with pytest.raises(UserError, match="nothing to iterate over"):
        list(attempts({}, 2))
