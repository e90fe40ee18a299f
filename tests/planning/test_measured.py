"""Measured peaks beside predictions, and what they say of the next plan."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.planning.drawings import EMBEDDER, EXACT, drawn

from asbuilt.errors import StorageError
from asbuilt.planning import Plan, plan
from asbuilt.planning.measured import PEAKS_FILE, past_error, read_peaks, record_peak
from asbuilt.planning.target import identity
from asbuilt.planning.words import last_text, past_text, plan_json
from asbuilt.resources.machines import custom_machine
from asbuilt.resources.resident import peak_resident_bytes

MACHINE = custom_machine(memory_gib=8)


def planned(folder: Path) -> Plan:
    return plan(drawn(EMBEDDER, EXACT), folder=folder, machine=MACHINE)


def record(folder: Path, share: float, *, ingested: bool = False) -> None:
    made = planned(folder)
    measured = round(made.memory.process_bytes / share)
    record_peak(
        folder / ".asbuilt", made.memory, blueprint=made.blueprint, measured_bytes=measured, ingested=ingested
    )


def test_the_next_plan_knows_its_error_on_this_machine(tmp_path: Path) -> None:
    assert planned(tmp_path).past is None
    record(tmp_path, 1.04)
    record(tmp_path, 0.98)
    made = planned(tmp_path)
    assert made.past is not None
    assert made.past.count == 2
    assert made.past.mean == pytest.approx(0.01, abs=1e-6)
    assert made.past.worst == pytest.approx(0.04, abs=1e-6)
    assert "+4.0% at worst (n = 2)" in past_text(made.past)
    assert made.last is not None
    assert "(-2.0%)" in last_text(made.last)
    assert {each.status for each in made.components} == {"opened"}
    assert plan_json(made)["past"]["count"] == 2
    json.dumps(plan_json(made), allow_nan=False)


def test_another_machine_or_another_content_says_nothing(tmp_path: Path) -> None:
    record(tmp_path, 1.5, ingested=True)
    assert planned(tmp_path).past is None
    record(tmp_path, 1.5)
    other = replace(MACHINE, memory_bytes=2 * MACHINE.memory_bytes)
    assert plan(drawn(EMBEDDER, EXACT), folder=tmp_path, machine=other).past is None


def test_a_line_holds_when_where_what_and_what_for(tmp_path: Path) -> None:
    record(tmp_path, 1.0)
    [line] = (tmp_path / ".asbuilt" / PEAKS_FILE).read_text().splitlines()
    written = json.loads(line)
    assert written["machine"] == identity(MACHINE)
    assert written["blueprint"] == drawn(EMBEDDER, EXACT).digest
    assert sum(written["predicted_parts"].values()) == written["predicted_bytes"]
    assert {"python", "xllamacpp"} <= written["versions"].keys()


def test_lines_that_are_no_peaks_are_passed_over(tmp_path: Path) -> None:
    record(tmp_path, 1.0)
    file = tmp_path / ".asbuilt" / PEAKS_FILE
    [peak] = read_peaks(tmp_path / ".asbuilt")
    with file.open("a") as stream:
        stream.write('{"when": "cut sho\n[1]\n{"of": "another version"}\n\n')
        stream.write(json.dumps(asdict(peak)) + "\n")
    assert read_peaks(tmp_path / ".asbuilt") == [peak, peak]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".asbuilt").write_text("a file in the way")
    with pytest.raises(StorageError, match="cannot"):
        record(tmp_path, 1.0)


def test_past_error_of_nothing_is_nothing() -> None:
    assert past_error([], machine="here") is None


def test_a_peak_is_no_less_than_what_was_held() -> None:
    before = peak_resident_bytes()
    block = bytearray(64 << 20)
    block[:: 1 << 12] = b"x" * len(block[:: 1 << 12])
    assert peak_resident_bytes() >= before
    assert peak_resident_bytes() > 64 << 20
