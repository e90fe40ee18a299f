"""A service whose generator serves from a registry: answers name their model, health says what serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import BASE_URL
from tests.server.test_chat_route import events_of

from asbuilt.blueprint import Blueprint, ComponentSpec
from asbuilt.blueprint.spec import SystemSpec
from asbuilt.errors import StorageError
from asbuilt.generation.deployed import RegistryGenerator
from asbuilt.generation.deployment import Deployment
from asbuilt.lineage import Manifest
from asbuilt.model_registry import ModelRegistry
from asbuilt.roles import Generator
from asbuilt.server.app import create_app
from asbuilt.server.schemas import ChatResponse, HealthResponse
from asbuilt.system import System
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.types import Answer, Event, Finished, GenerationOptions, Message

SAID = "To delete all messages in a queue, call purge-queue [1]."
QUESTION = [{"role": "user", "content": "How do I delete all messages in a queue?"}]


class NamedGenerator(ScriptedGenerator):
    """Names itself as engines do."""

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        async for event in super().stream(messages, options=options):
            yield (
                Finished(event.message, event.usage, model="base.gguf")
                if isinstance(event, Finished)
                else event
            )


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "purge.md").write_text("# purge-queue\n\nTo delete all messages in a queue, call purge-queue.\n")

    def opened(self: RegistryGenerator, manifest: Manifest | None) -> Generator:
        if manifest is not None and manifest.name == "broken":
            raise StorageError("its file was changed.")
        return NamedGenerator(replies=[SAID])

    monkeypatch.setattr(RegistryGenerator, "_opened", opened)
    parts = (
        ComponentSpec("chunker", "Cut", use="chunker/structural"),
        ComponentSpec("embedder", "Embed", use="embedder/fake"),
        ComponentSpec("index", "Find", use="index/exact"),
        ComponentSpec("retriever", "Retrieve", use="retriever/hybrid"),
        ComponentSpec("llm", "Write", use="generator/registry", config={"registry": "models"}),
        ComponentSpec("assistant", "Answer", use="assistant/cited"),
    )
    blueprint = Blueprint(system=SystemSpec(name="queues", purpose="Answers"), components=parts)
    with System(blueprint, folder=tmp_path) as system:
        system.ingest([str(docs)])
        yield system


@pytest.fixture
def client(system: System) -> Iterator[TestClient]:
    with TestClient(create_app(system, grace_s=0.3), base_url=BASE_URL) as client:
        yield client


def promoted(registry: ModelRegistry, system: System, name: str) -> str:
    files = {"model.gguf": name.encode()}
    version = registry.register(files, name=name, kind="merged", base="b", base_digest="").version
    registry.promote(version)
    deployment: Deployment = system.generator._deployment  # type: ignore[attr-defined]
    deployment.settle()
    return version


def health(client: TestClient) -> Any:
    body = client.get("/api/v1/health").json()
    HealthResponse.model_validate(body)
    return body


def test_every_kind_of_answer_names_the_model_that_wrote_it(
    client: TestClient, system: System, registry: ModelRegistry
) -> None:
    whole = {"messages": QUESTION, "stream": False}
    assert client.post("/api/v1/chat", json=whole).json()["model"] == "base.gguf"
    version = promoted(registry, system, "ours")
    body = client.post("/api/v1/chat", json=whole).json()
    ChatResponse.model_validate(body)
    assert body["model"] == version
    [(name, done)] = events_of(client.post("/api/v1/chat", json={"messages": QUESTION}).text)[-1:]
    assert (name, done["model"]) == ("done", version)
    for asked in ("queues", "llm"):
        completion = client.post("/v1/chat/completions", json={"model": asked, **whole}).json()
        assert completion["model"] == asked  # as OpenAI's protocol has it
        assert completion["system_fingerprint"] == version
    answer = system.ask("How do I delete all messages in a queue?")
    assert isinstance(answer, Answer)
    assert answer.model == version


def test_health_says_what_serves_and_what_does_not(
    client: TestClient, system: System, registry: ModelRegistry
) -> None:
    assert [each["model"] for each in health(client)["serving"]] == ["fallback"]
    version = promoted(registry, system, "ours")
    answer_id = client.post("/api/v1/chat", json={"messages": QUESTION, "stream": False}).json()["id"]
    for stars in (4, 1):  # the second replaces the first in the catalogue; the model was liked
        client.post("/api/v1/feedback", json={"answer_id": answer_id, "rating": stars})
    [serving] = health(client)["serving"]
    assert (serving["model"], serving["role"], serving["share"]) == (version, "production", 1.0)
    assert (serving["requests"], serving["errors"], serving["mean_rating"]) == (1, 0, 4.0)
    assert serving["first_token_p95_s"] > 0
    broken = promoted(registry, system, "broken")
    after = health(client)
    assert after["status"] == "degraded"
    assert after["problems"] == [f"model {broken} is not served: its file was changed."]
    assert [each["model"] for each in after["serving"]] == [version]
