from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from asbuilt.knowledge import SearchState
from asbuilt.server.schemas import SearchHit
from asbuilt.system import System

SEARCH = "/api/v1/search"


def search(client: TestClient, **body: Any) -> Any:
    return client.post(SEARCH, json={"query": "delete all messages in a queue", **body})


def test_hits_have_exactly_what_the_contract_names(client: TestClient) -> None:
    response = search(client)
    assert response.status_code == 200
    hits = response.json()
    assert [set(hit) for hit in hits] == [{"content", "score", "metadata"}] * len(hits)
    assert hits[0]["metadata"]["source"].endswith("docs/sqs/purge-queue.md")
    assert hits[0]["content"].endswith("call purge-queue.")
    assert {
        "source", "collection", "document_id", "version", "start", "end", "page", "headings", "title"
    } <= hits[0]["metadata"].keys()  # fmt: skip
    for hit in hits:
        SearchHit.model_validate(hit)
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)


def test_the_answer_is_the_retrievers(client: TestClient, system: System) -> None:
    hits = system.search("create a queue", top_k=5)
    assert [hit["content"] for hit in search(client, query="create a queue").json()] == [
        hit.chunk.text for hit in hits
    ]


def test_top_k_collection_and_filters(client: TestClient) -> None:
    assert len(search(client, top_k=1).json()) == 1
    assert search(client, collection="elsewhere").json() == []
    default = search(client, collection="default").json()
    assert {hit["metadata"]["collection"] for hit in default} == {"default"}
    assert default == search(client, filters={"collection": "default"}).json()
    only = search(client, query="create", filters={"folder": ["s3", "none"]}).json()
    assert {hit["metadata"]["folder"] for hit in only} == {"s3"}
    assert search(client, filters={"never-heard-of": True}).json() == []
    assert search(client, collection="a", filters={"collection": "b"}).status_code == 422


@pytest.mark.parametrize(
    "change",
    [
        {"query": ""},
        {"query": 5},
        {"query": "x" * 10_000},
        {"top_k": 0},
        {"top_k": 101},
        {"top_k": True},
        {"top_k": "5"},
        {"filters": {"a": None}},
        {"filters": {"a": {"b": 1}}},
        {"filters": {"a": [[1]]}},
        {"filters": [1]},
        {"collection": ""},
        {"collection": "../up"},
        {"more": 1},
    ],
)
def test_wrong_requests_are_422(client: TestClient, change: dict[str, Any]) -> None:
    response = search(client, **change)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query", ["\x00", "  ", "\u202e\u200b", "🦊" * 100, "' OR 1=1 --", "a" * 8_192, "%s {} $x \\", "é\u0301"]
)
def test_any_text_is_a_query(client: TestClient, query: str) -> None:
    assert search(client, query=query).status_code == 200


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 1e308, -0.0, True, "\x00", "🦊", 1e300])
def test_any_scalar_is_a_filter(client: TestClient, value: Any) -> None:
    assert search(client, filters={"a": value, "b.c[]": [value]}).json() == []


def test_how_far_embeddings_are_is_said_until_all_are_there(client: TestClient, app: FastAPI) -> None:
    assert "asbuilt-embedded" not in search(client).headers
    service = app.state.service
    complete = service.search_state
    try:
        service.search_state = SearchState(3, 12_000, 1_200, 0)
        assert search(client).headers["asbuilt-embedded"] == "1200/12000"
    finally:
        service.search_state = complete
