"""The machine that a plan is made for."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from pathlib import Path

from asbuilt.blueprint import MachineSpec
from asbuilt.blueprint.state import STATE_FOLDER
from asbuilt.resources.machines import Machine, custom_machine, find_machine
from asbuilt.resources.probing import Speed, measure_speed, probe

__all__ = ["THIS_MACHINE", "identity", "target_machine", "this_machine"]

THIS_MACHINE = "this-machine"
_SPEED_FILE = "speed.json"


def target_machine(target: MachineSpec, *, folder: Path) -> Machine:
    """The machine that a blueprint in `folder` names or describes. Raises NotFoundError with the nearest."""
    if target.memory_gib is not None:
        return custom_machine(memory_gib=target.memory_gib, bandwidth_gbs=target.bandwidth_gbs)
    if target.name == THIS_MACHINE:
        return this_machine(state_folder=folder / STATE_FOLDER)
    return find_machine(target.name)


def this_machine(*, state_folder: Path | None = None) -> Machine:
    """The machine that runs this. With `state_folder` its speed is known too: measured once (half a second)
    and kept there."""
    machine = probe()
    if machine.bandwidth_gbs is not None or state_folder is None:
        return machine
    return probe(speed=_kept_speed(state_folder / _SPEED_FILE, identity(machine)))


def identity(machine: Machine) -> str:
    """What tells one machine from another where both are "this-machine"."""
    return f"{platform.node()}, {machine.device}, {machine.memory_bytes >> 20} MiB"


def _kept_speed(file: Path, machine: str) -> Speed:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept.pop("machine") == machine:
            return Speed(**kept)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # not measured yet, on another machine, or by another version: measured now
    speed = measure_speed()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"machine": machine, **asdict(speed)}) + "\n", encoding="utf-8")
    except OSError:
        pass  # a folder that cannot be written costs half a second the next time
    return speed
