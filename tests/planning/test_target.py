"""The machine that a plan is made for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asbuilt.blueprint import MachineSpec
from asbuilt.errors import NotFoundError
from asbuilt.planning import target
from asbuilt.planning.target import identity, target_machine, this_machine
from asbuilt.resources.machines import GIB
from asbuilt.resources.probing import Speed


def test_a_name_numbers_or_this_one(tmp_path: Path) -> None:
    assert target_machine(MachineSpec("DGX Spark"), folder=tmp_path).name == "dgx-spark"
    described = target_machine(MachineSpec(memory_gib=64, bandwidth_gbs=400), folder=tmp_path)
    assert (described.memory_bytes, described.bandwidth_gbs) == (64 * GIB, 400)
    with pytest.raises(NotFoundError, match=r"no machine is called 'dgx-spork'\. Did you mean 'dgx-spark'"):
        target_machine(MachineSpec("dgx-spork"), folder=tmp_path)


def test_the_speed_of_this_machine_is_measured_once_and_kept(tmp_path: Path) -> None:
    bare = this_machine()
    if bare.bandwidth_gbs is not None:
        pytest.skip("its speed stands in the catalogue")
    state = tmp_path / ".asbuilt"
    measured = target_machine(MachineSpec(), folder=tmp_path)
    assert measured.bandwidth_gbs
    file = state / "speed.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "bandwidth_gbs": 123.0}))
    assert this_machine(state_folder=state).bandwidth_gbs == 123.0
    file.write_text(json.dumps({**json.loads(file.read_text()), "machine": "another"}))
    assert this_machine(state_folder=state).bandwidth_gbs != 123.0
    assert json.loads(file.read_text())["machine"] == identity(bare)


@pytest.mark.parametrize("content", ["", "[]", '{"machine": 1}', "{"])
def test_a_damaged_speed_is_measured_again(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if this_machine().bandwidth_gbs is not None:
        pytest.skip("its speed stands in the catalogue")
    monkeypatch.setattr(target, "measure_speed", lambda: Speed(77.0, 1.0))  # the real one takes half a second
    (tmp_path / "speed.json").write_text(content)
    assert this_machine(state_folder=tmp_path).bandwidth_gbs == 77.0
