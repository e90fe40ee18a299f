from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import BASE_URL, blueprint

from asbuilt.server import create_app, openapi_document
from asbuilt.system import System

OPERATIONS = {
    ("/api/v1/chat", "post"),
    ("/api/v1/documents", "post"),
    ("/api/v1/search", "post"),
    ("/api/v1/feedback", "post"),
    ("/api/v1/feedback/summary", "get"),
    ("/api/v1/health", "get"),
    ("/v1/chat/completions", "post"),
    ("/v1/embeddings", "post"),
    ("/v1/models", "get"),
    ("/v1/models/{model}", "get"),
}


@pytest.fixture(scope="module")
def document(client: TestClient) -> dict[str, Any]:
    response = client.get("/api/v1/openapi.json")
    assert response.status_code == 200
    document: dict[str, Any] = response.json()
    return document


def test_it_describes_every_call(document: dict[str, Any]) -> None:
    described = {(path, method) for path, item in document["paths"].items() for method in item}
    assert described == OPERATIONS
    assert document["info"]["title"] == "queue-assistant"


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names == set(document["components"]["schemas"])


def test_defaults_are_the_contracts(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    chat = schemas["ChatRequest"]["properties"]
    assert {name: chat[name]["default"] for name in ("stream", "temperature", "max_tokens")} == {
        "stream": True,
        "temperature": 0.7,
        "max_tokens": 2048,
    }
    assert schemas["SearchRequest"]["properties"]["top_k"]["default"] == 5
    content = document["paths"]["/api/v1/documents"]["post"]["requestBody"]["content"]
    for kind in ("application/json", "multipart/form-data"):
        properties = content[kind]["schema"]["properties"]
        assert properties["collection"]["default"] == "default"
        assert properties["chunk_size"]["default"] == 512
        assert properties["chunk_overlap"]["default"] == 50


def test_its_examples_work(document: dict[str, Any], client: TestClient) -> None:
    schemas = document["components"]["schemas"]
    for name, path in [
        ("ChatRequest", "/api/v1/chat"),
        ("SearchRequest", "/api/v1/search"),
        ("ChatCompletionRequest", "/v1/chat/completions"),
        ("EmbeddingsRequest", "/v1/embeddings"),
    ]:
        [example] = schemas[name]["examples"]
        assert client.post(path, json=example).status_code == 200, name


def test_models_are_named(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["ChatCompletionRequest"]["properties"]["model"]["enum"] == ["queue-assistant", "llm"]
    assert schemas["EmbeddingsRequest"]["properties"]["model"]["enum"] == ["embedder"]


def test_problems_are_described_with_their_media_type(document: dict[str, Any]) -> None:
    for path, method in OPERATIONS:
        responses = document["paths"][path][method]["responses"]
        for status, response in responses.items():
            if status.startswith(("4", "5")):
                assert list(response["content"]) == ["application/problem+json"], (path, status)


def test_keys_are_described_where_they_are_needed(system: System, document: dict[str, Any]) -> None:
    assert "security" not in document
    system.catalog.add_api_key("reader", "reader-key")
    with System(blueprint(require_keys=True), folder=system.folder) as locked:
        client = TestClient(create_app(locked), base_url=BASE_URL)
        described = client.get("/api/v1/openapi.json", headers={"authorization": "Bearer reader-key"}).json()
    assert described["security"] == [{"key": []}]
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_it_is_made_without_opening_anything(document: dict[str, Any], tmp_path: Path) -> None:
    system = System(blueprint(), folder=tmp_path)
    assert json.loads(json.dumps(openapi_document(system))) == document
    assert list(tmp_path.iterdir()) == []


def test_it_asks_for_a_key_where_the_service_will(tmp_path: Path) -> None:
    system = System(blueprint(require_keys=True), folder=tmp_path)
    assert openapi_document(system)["security"] == [{"key": []}]
    assert list(tmp_path.iterdir()) == []
