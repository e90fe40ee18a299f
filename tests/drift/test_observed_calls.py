"""Calls that were seen while serving, held against the needs of the drawing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from asbuilt.blueprint import Blueprint, ComponentSpec
from asbuilt.blueprint.spec import SystemSpec
from asbuilt.drift.compare import find_drift
from asbuilt.server.running import remember_served
from asbuilt.system import System
from asbuilt.tracing import Call, files
from asbuilt.tracing.files import add_calls

DECLARED, AROUND = Call("find", "store", "search"), Call("store", "vectors", "embed")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Served, and never asked."""
    blueprint = Blueprint(
        system=SystemSpec(name="queues", purpose="Finds pages about queues"),
        components=(
            ComponentSpec("cut", "Cut", use="chunker/structural"),
            ComponentSpec("vectors", "Embed", use="embedder/fake"),
            ComponentSpec("store", "Find", use="index/exact"),
            ComponentSpec("find", "Retrieve", use="retriever/hybrid"),
        ),
    )
    (tmp_path / "blueprint.yaml").write_text(blueprint.to_yaml())
    (tmp_path / ".asbuilt").mkdir()
    with System.load(tmp_path / "blueprint.yaml") as system:
        remember_served(system, {}, "http://127.0.0.1:8321")
    return tmp_path


def wiring_differences(project: Path) -> list[str]:
    report = find_drift(project / "blueprint.yaml")
    return [each.fault.message for each in report.differences if each.layer == "wiring"]


def saw(project: Path, *calls: Call) -> None:
    add_calls(project / ".asbuilt", digest="d", counts=dict.fromkeys(calls, 1))


def test_a_call_that_no_need_declares_is_a_difference(project: Path) -> None:
    assert wiring_differences(project) == []
    saw(project, DECLARED)
    assert wiring_differences(project) == []
    saw(project, AROUND)
    assert wiring_differences(project) == ["'store' called 'vectors', which it does not declare as a need"]


def test_calls_from_before_the_service_started_are_not(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Yesterday:
            return cls.fromtimestamp((datetime.now(UTC) - timedelta(days=1)).timestamp(), UTC)

    with monkeypatch.context() as patched:
        patched.setattr(files, "datetime", Yesterday)
        saw(project, AROUND)
    assert wiring_differences(project) == []
    saw(project, AROUND)
    assert len(wiring_differences(project)) == 1
