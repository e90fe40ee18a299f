"""Two processes under torchrun train as one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from asbuilt.errors import UserError
from asbuilt.training.processes import is_first_process, micro_batches, wait_for_all


def test_rows_are_shared_evenly_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert micro_batches(8, micro_batch=2) == 4
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert micro_batches(8, micro_batch=2) == 1
    with pytest.raises(UserError, match=r"batch is 12, .*4 processes of micro_batch = 2 .*multiple of 8"):
        micro_batches(12, micro_batch=2)


def test_without_torchrun_there_is_one_which_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_first_process()
    wait_for_all()
    monkeypatch.setenv("RANK", "1")
    assert not is_first_process()


def trained(folder: Path, *before: str, config: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    file = folder.with_suffix(".json")
    file.write_text(json.dumps({**config, "folder": str(folder)}))
    done = subprocess.run(
        [sys.executable, *before, "-m", "asbuilt.training.recipes.sft", str(file)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_two_processes_take_the_same_steps_as_one(tmp_path: Path) -> None:
    for needed in ("torch", "peft", "trl", "datasets"):
        pytest.importorskip(needed)
    from tests.training.tiny_chat import colours, prepared, tiny_chat

    from asbuilt.training.data_files import write_data

    write_data(prepared(colours(24), colours(6, first=100)), tmp_path / "data")
    config: dict[str, Any] = {
        "data": str(tmp_path / "data"),
        "base": str(tiny_chat(tmp_path / "base")),
        "batch": 8,
        "micro_batch": 2,
        "epochs": 2,
        "check_every": 3,
        "precision": "fp32",
        "threads": 1,
    }
    together = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    alone = trained(tmp_path / "alone", config=config)
    both = trained(tmp_path / "both", *together, config=config)
    assert both.stdout.splitlines() == [str(tmp_path / "both" / "model")]
    assert both.stderr.count("step 6 of 6") == alone.stderr.count("step 6 of 6") == 1
    lines = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("alone", "both")
    ]
    losses = [[line["loss"] for line in of if "loss" in line] for of in lines]
    assert len(losses[0]) == 6
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert [line.get("tokens") for line in lines[0]] == [line.get("tokens") for line in lines[1]]
    assert not (tmp_path / "both" / "checkpoints").exists()
    again = trained(tmp_path / "both", *together, config=config)  # finished: every process knows it
    assert "step" not in again.stderr
