"""The order of a pipeline's steps, and what is left when one refuses, stops or dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.pipeline.parts import PASSED, PROVEN, REFUSED, Steps, failed, row

from asbuilt.errors import UserError
from asbuilt.model_registry import ModelRegistry

ALL = ["collect", "collect", "train from 0", "export", "prove", "judge"]


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(tmp_path / "project", monkeypatch)


def test_what_passes_is_registered_with_all_it_came_from_and_serves(steps: Steps, tmp_path: Path) -> None:
    result = steps.pipeline().run(folder=tmp_path / "run")
    assert result is not None
    assert steps.done == ALL
    [manifest] = steps.manifests()
    assert result.deployed
    assert result.version == steps.store.production == manifest.version
    assert set(manifest.files) == {
        "adapter.gguf",
        "template.jinja",
        "train.jsonl",
        "validation.jsonl",
        "data-card.json",
        "loss.svg",
    }
    rows = (tmp_path / "project/models/blobs" / manifest.files["train.jsonl"]).read_text().splitlines()
    assert [json.loads(line)["origin"] for line in rows] == [each.origin for each in steps.rows]
    assert manifest.evidence["gate"]["measures"][0]["gained"] == ["a"]
    assert manifest.evidence["export_proof"]["same"] == 1
    assert manifest.metrics == {"m": 0.9, "train_loss": 0.25}
    assert (result.card.collected, result.card.rejected) == (6, {"exact duplicate": 3})


def test_an_export_that_is_not_proven_ends_before_the_gate(steps: Steps, tmp_path: Path) -> None:
    steps.proof = failed(PROVEN)
    result = steps.pipeline().run(folder=tmp_path / "run")
    assert result is not None
    assert steps.done == ALL[:-1]
    assert (result.deployed, result.verdict, steps.manifests()) == (False, None, [])
    assert result.ended == "the export is not proven: 0 of 1 replies are the same."


def test_what_the_gate_refuses_is_not_registered(steps: Steps, tmp_path: Path) -> None:
    steps.verdict = REFUSED
    result = steps.pipeline().run(folder=tmp_path / "run")
    assert result is not None
    assert not (tmp_path / "project/models/manifests").exists()
    assert (result.deployed, result.version, steps.store.production) == (False, None, None)
    assert result.verdict is not None
    assert result.verdict.advice == ("more rows",)


def test_a_refusal_leaves_what_serves(steps: Steps, tmp_path: Path) -> None:
    first = steps.pipeline().run(folder=tmp_path / "1")
    steps.verdict = REFUSED
    steps.pipeline().run(folder=tmp_path / "2")
    assert first is not None
    assert steps.store.production == first.version
    assert len(steps.manifests()) == 1


def test_other_settings_are_another_attempt_on_the_same_rows(steps: Steps, tmp_path: Path) -> None:
    steps.verdict = REFUSED
    for settings in ({}, {"rank": 8}):
        steps.trained_steps = 0
        steps.pipeline().run(folder=tmp_path / "run", settings=settings)
    assert steps.done == [*ALL, "settings {'rank': 8}", "train from 0", "export", "prove", "judge"]
    assert len(list((tmp_path / "run").glob("attempt-*"))) == 2


def test_a_stop_during_training_goes_on_there(steps: Steps, tmp_path: Path) -> None:
    stop = threading.Event()
    seen: list[tuple[str, int, int]] = []

    def progress(stage: str, done: int, total: int) -> None:
        seen.append((stage, done, total))
        if (stage.partition(":")[0], done) == ("train", 2):
            stop.set()

    assert steps.pipeline().run(folder=tmp_path / "run", progress=progress, stop=stop) is None
    assert seen[-1] == ("train: loss 0.500", 2, 4)
    result = steps.pipeline().run(folder=tmp_path / "run")
    assert result is not None
    assert result.deployed
    assert steps.done == ["collect", "collect", "train from 0", "train from 2", "export", "prove", "judge"]


def test_a_stop_while_rows_are_collected_trains_nothing(steps: Steps, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert steps.pipeline().run(folder=tmp_path / "run", stop=stop) is None
    assert steps.done == ["collect", "collect"]


def test_rows_that_leak_are_refused_before_training(steps: Steps, tmp_path: Path) -> None:
    steps.rows.append(row("What is asked?"))
    with pytest.raises(UserError, match=r"1 of 4 rows hold cases of evaluation sets.*holds d:c1"):
        steps.pipeline().run(folder=tmp_path / "run")
    assert steps.done == ["collect", "collect"]


def test_a_second_model_goes_on_trial_where_a_canary_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(tmp_path / "project", monkeypatch, canary=0.1)
    first = steps.pipeline().run(folder=tmp_path / "1")
    second = steps.pipeline().run(folder=tmp_path / "2")
    assert first is not None
    assert second is not None
    assert steps.store.production == first.version
    assert ModelRegistry(tmp_path / "project/models").canary is not None
    assert second.ended.startswith(f"{second.version} serves 10% of the requests on trial; asbuilt models ")


DIES = """
import os, signal, sys
from pathlib import Path
import pytest
from tests.pipeline.parts import Steps
from asbuilt.pipeline.deploy import DeploymentManager

folder, moment = Path(sys.argv[1]), sys.argv[2]
deploy = DeploymentManager.deploy

def dying(self, manifest, *, reason):
    if moment == "after":
        deploy(self, manifest, reason=reason)
    os.kill(os.getpid(), signal.SIGKILL)

with pytest.MonkeyPatch.context() as patch:
    steps = Steps(folder, patch)
    if moment != "first":
        patch.setattr(DeploymentManager, "deploy", dying)
    steps.pipeline().run(folder=folder / sys.argv[3])
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_around_deployment_leaves_a_valid_model_and_the_next_run_finishes(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(moment: str, name: str) -> int:
        command = [sys.executable, "-c", DIES, str(tmp_path), moment, name]
        return subprocess.run(command, env=environment, check=False, timeout=120).returncode

    assert run("first", "run-1") == 0
    registry = ModelRegistry(tmp_path / "models")
    first = registry.production
    assert run(moment, "run-2") == -signal.SIGKILL
    assert registry.verify().faults == ()
    second = registry.list()[0].version
    assert second != first
    assert registry.production == (first if moment == "before" else second)

    steps = Steps(tmp_path, monkeypatch)
    steps.trained_steps = 4
    result = steps.pipeline().run(folder=tmp_path / "run-2")
    assert result is not None
    assert (result.deployed, result.version, result.verdict) == (True, second, PASSED)
    assert registry.production == second
    assert len(registry.list()) == 2
    assert "judge" not in steps.done


def test_a_verdict_against_a_model_that_no_longer_serves_is_asked_for_anew(
    steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(type(steps.deployment), "deploy", lambda *_args, **_more: "")
        steps.pipeline().run(folder=tmp_path / "1")
    steps.pipeline().run(folder=tmp_path / "2")  # another takes its place meanwhile
    steps.done.clear()
    steps.pipeline().run(folder=tmp_path / "1")
    assert steps.done[-1] == "judge"
