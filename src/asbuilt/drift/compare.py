"""All five layers of a project, held against what is known of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asbuilt.blueprint import Blueprint, Loaded, load
from asbuilt.blueprint.state import STATE_FOLDER
from asbuilt.drift.contract import contract_differences, limit_differences
from asbuilt.drift.difference import Difference, Layer, Report
from asbuilt.drift.memory import memory_differences
from asbuilt.drift.ports import port_differences
from asbuilt.drift.targets import target_differences
from asbuilt.drift.wiring import call_differences, component_differences
from asbuilt.evaluation.journal import Runs
from asbuilt.evaluation.wording import amount
from asbuilt.planning import plan
from asbuilt.planning.measured import read_peaks
from asbuilt.planning.target import identity, target_machine, this_machine
from asbuilt.server import create_app
from asbuilt.server.running import Running, api_values, last_served, operations
from asbuilt.system import System
from asbuilt.tracing import read_calls

__all__ = ["find_drift"]


def find_drift(path: Path) -> Report:
    """Compare the blueprint at `path` with its classes, the service, and the evidence of its project.

    Raises what `load` raises, BlueprintError when it cannot be read at all, and StorageError.
    """
    loaded = load(path)
    comparison = _Comparison(loaded)
    comparison.run()
    return Report(tuple(comparison.differences), comparison.compared, comparison.unknown)


class _Comparison:
    """Gathers differences layer by layer."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._state = loaded.folder / STATE_FOLDER
        self.differences: list[Difference] = []
        self.compared: dict[Layer, str] = {}
        self.unknown: dict[Layer, str] = {}

    def run(self) -> None:
        faults = port_differences(self._loaded)
        self.differences += faults
        self.compared["ports"] = "the classes that are installed"
        blueprint = self._loaded.blueprint
        if blueprint is None or self._loaded.faults:
            return  # what cannot be read cannot be compared any further
        running = last_served(self._state)
        self._contract(blueprint, running, buildable=not faults)
        if not faults:
            self._wiring(blueprint, running)
            self._memory(blueprint)
        self._targets(blueprint)

    def _contract(self, blueprint: Blueprint, running: Running | None, *, buildable: bool) -> None:
        if running is not None:
            served, against = running.operations, _when(running)
            self.differences += limit_differences(self._loaded, api_values(blueprint.api), running.api)
        elif buildable:
            with System(blueprint, folder=self._loaded.folder) as system:
                served = operations(create_app(system).openapi())
            against = "the service that this blueprint makes; it was never served"
        else:
            self.unknown["contract"] = "the blueprint has faults, and was never served"
            return
        self.compared["contract"] = against
        self.differences += contract_differences(self._loaded, blueprint.api, served)

    def _wiring(self, blueprint: Blueprint, running: Running | None) -> None:
        if running is None:
            self.unknown["wiring"] = "never served: run `asbuilt serve`"
            return
        self.compared["wiring"] = _when(running)
        self.differences += component_differences(self._loaded, blueprint, running.wiring)
        observed = read_calls(self._state, since=running.started)
        calls = {(call.caller, call.callee) for call in observed[1]} if observed else set()
        self.differences += call_differences(self._loaded, blueprint, calls)

    def _memory(self, blueprint: Blueprint) -> None:
        here = this_machine(state_folder=self._state)
        # One that was ingesting meanwhile served another number of documents than was planned for.
        peaks = [
            peak for peak in read_peaks(self._state) if peak.machine == identity(here) and not peak.ingested
        ]
        if not peaks:
            self.unknown["memory"] = "no measured peak: run `asbuilt serve`, and stop it when it has worked"
            return
        self.compared["memory"] = f"the peak of the service that ended {peaks[-1].when}"
        folder = self._loaded.folder
        self.differences += memory_differences(
            self._loaded,
            predicted_bytes=plan(blueprint, folder=folder, machine=here).memory.process_bytes,
            budget_bytes=target_machine(blueprint.target, folder=folder).budget_bytes,
            peak_bytes=peaks[-1].measured_bytes,
        )

    def _targets(self, blueprint: Blueprint) -> None:
        evidence = _evidence(self._state)
        if not evidence:
            self.unknown["targets"] = "no evidence: run `asbuilt eval`"
            return
        self.compared["targets"] = f"{len(evidence)} metrics that were measured"
        self.differences += target_differences(self._loaded, blueprint, evidence)


def _when(running: Running) -> str:
    return f"what was served at {running.url} from {running.started} on"


def _evidence(state: Path) -> dict[str, Mapping[str, Any]]:
    """The newest measurement of each metric."""
    runs = Runs(state / "evaluation")
    found: dict[str, Mapping[str, Any]] = {}
    for name in runs.names():
        for each in runs.result(name)["measurements"]:
            if each["verdict"] != "PLANNED":
                value = math.inf if each["value"] is None and each["n"] else each["value"]
                shown = amount(value, each["unit"]) or "nothing"
                found[each["name"]] = {**each, "run": name, "shown": shown}
    return found
