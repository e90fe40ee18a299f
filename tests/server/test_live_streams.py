"""What only a real socket shows: events as they come, clients that go, many at once, the end."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.server.live import served, wait_for
from tests.server.parts import WORDS, TellingGenerator

from asbuilt.server import create_app, sse
from asbuilt.system import System

SLOWLY = {"messages": [{"role": "user", "content": "slowly, delete messages in a queue"}]}
MUTE = {"messages": [{"role": "user", "content": "mute, delete messages in a queue"}]}
QUICKLY = {"messages": [{"role": "user", "content": "delete messages in a queue"}]}


def request_bytes(path: str, body: object) -> bytes:
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=5)


def test_tokens_come_one_by_one(live_url: str) -> None:
    with httpx.stream("POST", live_url + "/api/v1/chat", json=SLOWLY) as response:
        assert response.headers["transfer-encoding"] == "chunked"
        times = []
        for line in response.iter_lines():
            if line.startswith("data:"):
                times.append(time.perf_counter())
            if len(times) == 20:
                break
    assert times[-1] - times[0] > 19 * 0.004, "they came in one piece"


@pytest.mark.parametrize(
    ("path", "more"),
    [("/api/v1/chat", {}), ("/v1/chat/completions", {"model": "queue-assistant", "stream": True})],
)
def test_a_client_that_goes_stops_its_generation(
    live_url: str, generator: TellingGenerator, path: str, more: dict[str, Any]
) -> None:
    before = len(generator.streams)
    with connect(live_url) as connection:
        connection.sendall(request_bytes(path, {**SLOWLY, **more}))
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        [stream] = generator.streams[before:]
        assert not stream.closed
    wait_for(lambda: stream.closed)
    assert not stream.finished


@pytest.mark.parametrize("body", [MUTE, {**MUTE, "stream": False}, {**SLOWLY, "stream": False}])
def test_a_client_that_goes_before_the_first_token_stops_it_too(
    live_url: str, generator: TellingGenerator, body: dict[str, Any]
) -> None:
    before = len(generator.streams)
    with connect(live_url) as connection:
        connection.sendall(request_bytes("/api/v1/chat", body))
        wait_for(lambda: len(generator.streams) > before)
    stream = generator.streams[-1]
    wait_for(lambda: stream.closed)
    assert not stream.finished


def test_silence_is_filled_with_comments(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_BEAT_S", 0.02)
    with served(create_app(system)) as url, httpx.stream("POST", url + "/api/v1/chat", json=MUTE) as response:
        assert response.status_code == 200
        lines = response.iter_lines()
        assert next(lines).startswith(":")
        assert next(lines) == ""
        assert next(lines).startswith(":")


def test_a_client_that_does_not_read_is_given_up(
    system: System, generator: TellingGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "_STALL_S", 0.1)
    monkeypatch.setattr(generator, "slow_bytes", 150_000)
    with served(create_app(system)) as url, connect(url) as connection:
        before = len(generator.streams)
        connection.sendall(request_bytes("/api/v1/chat", SLOWLY))
        wait_for(lambda: len(generator.streams) > before)
        stream = generator.streams[before]
        wait_for(lambda: stream.closed)
    assert stream.told > 2
    assert not stream.finished


def test_many_streams_at_once_are_whole(live_url: str) -> None:
    def one(_number: int) -> str:
        text = ""
        with httpx.stream("POST", live_url + "/api/v1/chat", json=QUICKLY, timeout=20) as response:
            for line in response.iter_lines():
                if line.startswith("data: ") and "text" in (data := json.loads(line[6:])):
                    text += data["text"]
        return text

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(one, range(48))) == {WORDS}


def test_two_requests_on_one_connection(live_url: str) -> None:
    with httpx.Client(base_url=live_url) as client:
        assert client.post("/api/v1/chat", json=QUICKLY).status_code == 200
        assert client.post("/api/v1/search", json={"query": "queue"}).status_code == 200


def test_stopping_ends_streams_with_an_event_after_their_grace(system: System) -> None:
    app = create_app(system, grace_s=0.2)
    texts: list[str] = []
    started = threading.Event()

    def read(url: str) -> None:
        with httpx.stream("POST", url + "/api/v1/chat", json=SLOWLY, timeout=10) as response:
            lines = []
            for line in response.iter_lines():
                lines.append(line)
                started.set()
        texts.append("\n".join(lines))

    with served(app) as url:
        reader = threading.Thread(target=read, args=(url,))
        reader.start()
        assert started.wait(5)
        app.state.service.stop()
        reader.join(5)
    [text] = texts
    assert "event: error" in text
    assert "shutting down" in text


def test_stopping_lets_short_answers_finish(system: System, generator: TellingGenerator) -> None:
    app = create_app(system, grace_s=5)
    with served(app) as url, httpx.stream("POST", url + "/api/v1/chat", json=QUICKLY) as response:
        app.state.service.stop()
        assert "event: done" in response.read().decode()
