from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from tests.server.conftest import BASE_URL, PAGES
from tests.server.live import wait_for

from asbuilt.blueprint import Blueprint, ComponentSpec
from asbuilt.blueprint.spec import SystemSpec
from asbuilt.errors import StorageError
from asbuilt.server import create_app
from asbuilt.server.schemas import HealthResponse
from asbuilt.system import System

HEALTH = "/api/v1/health"


def test_it_says_what_is_there(client: TestClient) -> None:
    wait_for(lambda: (body := client.get(HEALTH).json())["embedded"] == body["chunks"])
    response = client.get(HEALTH)
    assert response.status_code == 200
    health = HealthResponse.model_validate_json(response.content)
    assert health.status == "ok"
    assert health.model_loaded is True
    assert health.documents >= len(PAGES)
    assert health.chunks >= len(PAGES)
    assert health.index_behind == 0
    assert 10 < health.memory_usage.resident_mib < 10_000
    assert health.system == "queue-assistant"
    assert health.models == {"queue-assistant": "assistant", "llm": "generator", "embedder": "embedder"}
    assert health.running == {"generation": 0, "lookup": 0, "ingestion": 0}


def test_a_full_disk_shows(client: TestClient, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system.knowledge, "_closing", _NeverClosing())
    monkeypatch.setattr(system.knowledge, "follow_error", StorageError("the disk is full."))
    body = client.get(HEALTH).json()
    assert body["status"] == "degraded"
    assert body["problems"] == ["the disk is full."]


class _NeverClosing:
    """Lets the follower rest, so that it does not clear the error."""

    def wait(self, _timeout: float) -> bool:
        return True

    def is_set(self) -> bool:
        return False


def test_what_another_process_ingests_is_counted(client: TestClient, app: FastAPI, system: System) -> None:
    before = system.knowledge.state().documents
    file = system.folder / "later.md"
    file.write_text("# later\n\nThis came later.\n")
    system.ingest([str(file)], collection="later")
    wait_for(lambda: client.get(HEALTH).json()["documents"] == before + 1)


def test_a_system_without_knowledge_is_well_too(tmp_path: Path) -> None:
    drawing = Blueprint(
        system=SystemSpec(name="bare", purpose="Has nothing to search"),
        components=(ComponentSpec("embedder", "Embed", use="embedder/fake"),),
    )
    with System(drawing, folder=tmp_path) as system, TestClient(create_app(system), BASE_URL) as client:
        health = HealthResponse.model_validate_json(client.get(HEALTH).content)
    assert (health.status, health.documents) == ("ok", 0)
