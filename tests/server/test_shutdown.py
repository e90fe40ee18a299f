"""`serve` as a process: its address, its end by signals, and what it must not lose."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.conftest import blueprint, write_pages
from tests.server.live import wait_for

from asbuilt.catalog import Catalog
from asbuilt.errors import UserError
from asbuilt.server import serve
from asbuilt.system import System

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from pathlib import Path
from asbuilt.server import serve
from asbuilt.system import System
from tests.server.conftest import blueprint
import asbuilt.testing.fake_embedder as fake, time
slow_s = float(sys.argv[2])
embed = fake.FakeEmbedder.embed
def slowly(self, texts, *, kind="passage"):
    if kind == "passage":
        time.sleep(slow_s)
    return embed(self, texts, kind=kind)
fake.FakeEmbedder.embed = slowly
with System(blueprint(roots=("docs",)), folder=Path(sys.argv[1])) as system:
    serve(system, port=0, grace_s=0.5)
print("closed", flush=True)
"""
BODY = {"files": ["docs"], "chunk_size": 64, "chunk_overlap": 0}
SLOWLY = {"messages": [{"role": "user", "content": "slowly, delete messages in a queue"}]}


@contextmanager
def process(folder: Path, *, embed_s: float = 0.0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A serving process and its base URL."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    command = [sys.executable, "-c", SCRIPT, str(folder), str(embed_s)]
    serving = subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert serving.stdout is not None
        line = serving.stdout.readline()
        assert line.startswith("queue-assistant is served at http://127.0.0.1:"), line
        assert line.endswith("/api/v1\n")
        yield serving, line.split(" at ")[1].removesuffix("/api/v1\n")
    finally:
        serving.kill()
        serving.communicate()


def ended(serving: subprocess.Popen[str]) -> str:
    """What it says until its end, which is a clean one."""
    out, err = serving.communicate(timeout=30)
    assert serving.returncode == 0, err
    assert err == ""
    return out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pages(tmp_path / "docs")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(folder: Path, sign: signal.Signals) -> None:
    with process(folder) as (serving, url):
        assert httpx.get(f"{url}/api/v1/health").json()["status"] == "ok"
        serving.send_signal(sign)
        assert ended(serving) == "closed\n"


@pytest.mark.slow
def test_small_answers_are_sent_at_once(folder: Path) -> None:
    with process(folder) as (_, url), httpx.Client(base_url=url) as client:
        client.get("/v1/models")
        times_s = []
        for _ in range(20):
            started = time.perf_counter()
            client.get("/v1/models")
            times_s.append(time.perf_counter() - started)
    assert min(times_s) < 0.03, "as if the end of each answer waited for an acknowledgement (40 ms)"


@pytest.mark.slow
def test_a_running_stream_gets_its_last_word(folder: Path) -> None:
    with process(folder) as (serving, url):
        httpx.post(f"{url}/api/v1/documents", json={"files": ["docs"]})
        with httpx.stream("POST", f"{url}/api/v1/chat", json=SLOWLY, timeout=20) as response:
            chunks = response.iter_text()
            next(chunks)
            serving.send_signal(signal.SIGTERM)
            rest = "".join(chunks)
        assert "event: error" in rest
        assert "shutting down" in rest
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/api/v1/health")
        ended(serving)


@pytest.mark.slow
def test_an_ingestion_stops_and_the_next_one_goes_on(folder: Path) -> None:
    """Under load: one ingestion with hundreds of files, streams and searches while the signal comes."""
    for number in range(900):
        (folder / f"docs/page-{number}.md").write_text(f"# Page {number}\n\nThe text of page {number}.\n")
    answers: list[dict[str, Any]] = []

    def ingest(url: str) -> None:
        answers.append(httpx.post(f"{url}/api/v1/documents", json=BODY, timeout=60).json())

    with process(folder, embed_s=0.6) as (serving, url):
        thread = threading.Thread(target=ingest, args=(url,))
        thread.start()
        wait_for(lambda: httpx.get(f"{url}/api/v1/health").json()["chunks"] >= 100, timeout_s=20)
        with httpx.stream("POST", f"{url}/api/v1/chat", json=SLOWLY, timeout=20) as response:
            events = response.iter_raw()  # kept: dropping it would close the connection
            next(events)
            serving.send_signal(signal.SIGTERM)
            thread.join(30)
        ended(serving)
    [answer] = answers
    assert answer["status"] == "stopped"
    catalog = Catalog(file=folder / ".asbuilt/catalog.sqlite")
    catalog.open()
    acknowledged = {each["source"] for each in answer["receipts"]}
    assert acknowledged <= set(catalog.known_documents("default"))
    catalog.close()
    with process(folder) as (serving, url):
        again = httpx.post(f"{url}/api/v1/documents", json=BODY, timeout=60).json()
        assert again["status"] == "complete"
        assert len(again["receipts"]) == 903
        serving.send_signal(signal.SIGTERM)
        ended(serving)


def test_a_port_in_use_is_one_clear_error(system: System) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1 port {port}") as caught:
            serve(system, port=port)
    assert "--port" in caught.value.hint


@pytest.mark.parametrize("host", ["no such host", "256.1.1.1", "203.0.113.7"])
def test_an_address_of_another_machine_is_one_clear_error(system: System, host: str) -> None:
    with pytest.raises(UserError):
        serve(system, host=host, port=0, insecure=True)


def test_beyond_loopback_it_wants_keys_or_to_be_told(tmp_path: Path) -> None:
    with (
        System(blueprint(), folder=tmp_path) as system,
        pytest.raises(UserError, match="no API key") as caught,
    ):
        serve(system, host="0.0.0.0", port=0)
    assert "--insecure" in caught.value.hint
