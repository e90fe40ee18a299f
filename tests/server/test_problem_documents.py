"""Whatever comes in, what goes out is a problem document that says what was wrong."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from asbuilt.system import System

CHAT = "/api/v1/chat"
SEARCH = "/api/v1/search"
JSON = {"content-type": "application/json"}


def check(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == "about:blank"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1/search/", "/api/v1/nothing", "/docs", "/redoc", "/%00"]
)
def test_unknown_paths_are_404(client: TestClient, path: str) -> None:
    check(client.get(path), 404)


def test_other_methods_are_405_and_say_which_fit(client: TestClient) -> None:
    response = client.get(SEARCH)
    check(response, 405)
    assert response.headers["allow"] == "POST"
    check(client.delete("/api/v1/health"), 405)
    check(client.request("FROBNICATE", SEARCH), 405)


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""]
)
def test_other_media_types_are_415(client: TestClient, media_type: str) -> None:
    headers = {"content-type": media_type}
    response = client.post(SEARCH, content=b'{"query": "queue"}', headers=headers)
    check(response, 415)
    assert response.headers["accept"] == "application/json"
    check(client.post("/api/v1/documents", content=b"{}", headers=headers), 415)


def test_a_charset_after_the_media_type_is_fine(client: TestClient) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert client.post(SEARCH, content=b'{"query": "queue"}', headers=headers).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"query": "\xff"}',
        b'{"query": "\\ud800"}',
        b'{"query": "a", "top_k": NaN}',
        b'{"query": "a", "filters": {"x": Infinity}}',
        b'{"query": "a", "top_k": ' + b"9" * 5000 + b"}",
        b'{"query": "a"} trailing',
        b"\xef\xbb\xbf{}",
        '{"query": "a"}'.encode("utf-16"),
        b'{"query": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
)
@pytest.mark.parametrize(
    "path", [SEARCH, CHAT, "/api/v1/documents", "/v1/chat/completions", "/v1/embeddings"]
)
def test_what_is_not_json_is_400(client: TestClient, path: str, body: bytes) -> None:
    check(client.post(path, content=body, headers=JSON), 400)


@pytest.mark.parametrize("path", [SEARCH, CHAT, "/api/v1/documents", "/v1/embeddings"])
def test_an_empty_body_is_refused(client: TestClient, path: str) -> None:
    response = client.post(path, content=b"", headers=JSON)
    check(response, response.status_code)
    assert response.status_code in (400, 422)


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"1e999", b"{}", b'{"query": 1e999}'])
@pytest.mark.parametrize("path", [SEARCH, CHAT, "/api/v1/documents"])
def test_json_of_another_shape_is_422(client: TestClient, path: str, body: bytes) -> None:
    check(client.post(path, content=body, headers=JSON), 422)


def test_nested_values_are_taken_as_deep_as_the_parser_goes(client: TestClient) -> None:
    deep: dict[str, Any] = {}
    for _ in range(150):
        deep = {"a": deep}
    call = {"id": "1", "name": "t", "arguments": deep}
    messages = [
        {"role": "user", "content": "delete messages in a queue"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "done", "tool_call_id": "1"},
    ]
    response = client.post(CHAT, json={"messages": messages, "stream": False})
    assert response.status_code < 500


def test_many_faults_are_cut_and_echo_nothing(client: TestClient) -> None:
    message = {"role": "x" * 1000, "content": 5, "\ud800".encode("utf-8", "replace").decode() * 500: 1}
    body = check(client.post(CHAT, json={"messages": [message] * 200}), 422)
    assert len(body["errors"]) == 20
    assert body["detail"].endswith("; and 580 more")
    assert len(str(body)) < 20_000
    assert "x" * 100 not in body["detail"]


def test_pointers_are_escaped(client: TestClient) -> None:
    body = check(client.post(SEARCH, json={"query": "a", "x/y~z": 1}), 422)
    assert body["errors"][0]["pointer"] == "#/x~1y~0z"


def test_an_unexpected_failure_says_nothing_of_itself(
    client: TestClient, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError("secret of the implementation")

    monkeypatch.setattr(system.retriever, "retrieve", explode)
    response = client.post(SEARCH, json={"query": "queue"})
    assert "secret" not in response.text
    check(response, 500)


def test_a_storage_failure_asks_to_try_again(
    client: TestClient, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asbuilt.errors import StorageError

    def fail(*_args: object, **_kwargs: object) -> None:
        raise StorageError("the disk is full.", hint="Make room.")

    monkeypatch.setattr(system.retriever, "retrieve", fail)
    response = client.post(SEARCH, json={"query": "queue"})
    body = check(response, 503)
    assert body["detail"] == "the disk is full. Make room."
    assert response.headers["retry-after"] == "5"


def test_under_v1_the_same_document_also_speaks_openai(client: TestClient) -> None:
    body = check(client.post("/v1/embeddings", json={"model": "embedder", "input": []}), 400)
    assert body["error"] == {
        "message": body["detail"],
        "type": "invalid_request_error",
        "param": "input",
        "code": None,
    }
    assert "error" not in check(client.get("/api/v1/nothing"), 404)
    assert check(client.get("/v1/nothing"), 404)["error"]["type"] == "invalid_request_error"
