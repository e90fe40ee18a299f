"""Runs whose processes are killed at random lines: no effect is lost, and none is doubled."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from asbuilt.agents.ledger import EffectLedger, PlannedCall
from asbuilt.runs import RunEvent
from asbuilt.testing.run_workload import KillReport, count_lines, run_with_kills

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning"),
]

_KILLS = 50


def killed(folder: Path, seed: int, lines: int) -> KillReport:
    return run_with_kills(folder, Random(seed), lines=lines)


def test_fifty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    lines = count_lines(tmp_path / "whole")
    reports: list[KillReport] = []
    while sum(report.kills for report in reports) < _KILLS:
        reports.append(killed(tmp_path / f"run-{len(reports)}", len(reports), lines))
    assert [fault for report in reports for fault in report.faults] == []
    assert sum(report.doubts for report in reports) > 0  # they came in the middle of calls too


def test_the_count_finds_what_a_careless_ledger_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledgered = EffectLedger._ledgered

    async def careless(ledger: EffectLedger, planned: PlannedCall) -> RunEvent:
        """Forgets what was begun, as frameworks do that record a step only when it is over."""
        journal, step = ledger._journal, planned.step
        kept = [event for event in journal.at(ledger._subtask, step) if event.kind != "intended"]
        journal._steps[ledger._subtask, step] = kept
        return await ledgered(ledger, planned)

    lines = count_lines(tmp_path / "whole")
    monkeypatch.setattr(EffectLedger, "_ledgered", careless)
    faults: list[str] = []
    for seed in range(60):
        faults += killed(tmp_path / f"run-{seed}", seed, lines).faults
        if faults:
            break
    assert any("took effect 2 times" in fault for fault in faults)
