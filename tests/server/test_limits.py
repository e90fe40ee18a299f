from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.server.conftest import blueprint
from tests.server.live import served, wait_for
from tests.server.parts import TellingGenerator

from asbuilt.server import create_app
from asbuilt.server import limits as limits_module
from asbuilt.server.limits import Gate
from asbuilt.system import System

LIMIT = 2**20


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with narrow limits."""
    folder: Path = tmp_path_factory.mktemp("small")
    (folder / "queue.md").write_text("# queue\n\nTo delete all messages in a queue, purge it.\n")
    with System(blueprint(max_body_mib=1, max_concurrency=1, queue_seconds=0.2), folder=folder) as system:
        system.ingest([str(folder / "queue.md")])
        yield system


@pytest.fixture(scope="module")
def small_app(small: System) -> FastAPI:
    return create_app(small, grace_s=0.1)


@pytest.fixture(scope="module")
def url(small_app: FastAPI) -> Iterator[str]:
    with served(small_app) as url:
        yield url


def until_closed(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_body_that_says_it_is_too_large_is_not_read(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(
            b"POST /api/v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999\r\n\r\n"
        )
        answer = until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer
    assert b"1,048,576 bytes" in answer


@pytest.mark.parametrize("path", ["/api/v1/search", "/api/v1/chat", "/api/v1/documents", "/v1/embeddings"])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_have_a_limit_with_or_without_a_length(url: str, path: str, chunked: bool) -> None:
    body = json.dumps({"query": "x" * LIMIT}).encode()

    def in_chunks() -> Iterator[bytes]:
        for at in range(0, len(body), 60_000):
            yield body[at : at + 60_000]

    headers = {"content-type": "application/json"}
    response = httpx.post(url + path, content=in_chunks() if chunked else body, headers=headers)
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert "1,048,576 bytes" in response.json()["detail"]


def test_an_upload_without_a_length_has_the_same_limit(url: str) -> None:
    def form() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
        for _ in range(20):
            yield b"x" * 65536
        yield b"\r\n--x--\r\n"

    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert httpx.post(url + "/api/v1/documents", content=form(), headers=headers).status_code == 413


def test_a_body_just_below_the_limit_is_read(url: str) -> None:
    body = b'{"query": "queue"' + b" " * (LIMIT - 20) + b"}"
    response = httpx.post(url + "/api/v1/search", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 200


def test_over_the_concurrency_there_is_a_short_wait_and_then_429(
    url: str, small: System, small_app: FastAPI
) -> None:
    generator = small.generator
    assert isinstance(generator, TellingGenerator)
    running: Callable[[], int] = lambda: small_app.state.service.generation.running  # noqa: E731
    slow = {"messages": [{"role": "user", "content": "slowly, queue messages delete"}]}
    fast = {"messages": [{"role": "user", "content": "delete queue messages"}], "stream": False}
    with httpx.stream("POST", url + "/api/v1/chat", json=slow) as stream:
        events = stream.iter_raw()  # kept: dropping it would close the connection
        next(events)
        refused = httpx.post(url + "/api/v1/chat", json=fast)
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["content-type"] == "application/problem+json"
        openai = httpx.post(url + "/v1/chat/completions", json={"model": "llm", **fast})
        assert openai.status_code == 429
        assert openai.json()["error"]["type"] == "rate_limit_exceeded"
        # Searching and health have room of their own.
        assert httpx.post(url + "/api/v1/search", json={"query": "queue"}).status_code == 200
        assert httpx.get(url + "/api/v1/health").json()["running"]["generation"] == 1
    wait_for(lambda: running() == 0)
    assert httpx.post(url + "/api/v1/chat", json=fast).status_code == 200


def test_a_body_that_never_comes_is_given_up(
    url: str, small_app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_module, "_BODY_PAUSE_S", 0.05)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(
            b"POST /api/v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b'Content-Length: 100\r\n\r\n{"query'
        )
        answer = until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    wait_for(lambda: small_app.state.service.lookup.running == 0)


def test_a_gate_lets_in_as_many_as_it_has_slots() -> None:
    async def scenario() -> None:
        gate = Gate(slots=2, wait_s=0.02)
        assert await gate.enter()
        assert await gate.enter()
        assert gate.running == 2
        assert not await gate.enter()
        waiting = asyncio.ensure_future(gate.enter())
        await asyncio.sleep(0)
        gate.leave()
        assert await waiting
        gate.leave()
        gate.leave()
        assert gate.running == 0

    asyncio.run(scenario())


def test_a_gate_without_a_queue_refuses_at_once() -> None:
    async def scenario() -> None:
        gate = Gate(slots=1, wait_s=0)
        assert await gate.enter()
        assert not await gate.enter()
        gate.leave()
        assert await gate.enter()

    asyncio.run(scenario())


def test_only_a_few_wait_at_a_gate() -> None:
    async def scenario() -> None:
        gate = Gate(slots=1, wait_s=5)
        assert await gate.enter()
        waiting = [asyncio.ensure_future(gate.enter()) for _ in range(limits_module._WAITING_PER_SLOT)]
        await asyncio.sleep(0)
        assert not await asyncio.wait_for(gate.enter(), 0.5)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        gate.leave()
        assert await gate.enter()

    asyncio.run(scenario())
