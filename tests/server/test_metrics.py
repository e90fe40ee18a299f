from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from tests.server.conftest import BASE_URL, blueprint
from tests.server.live import served, wait_for
from tests.server.test_live_streams import SLOWLY, connect, request_bytes

from asbuilt.blueprint import Blueprint, DataSpec, EvaluationMetric, EvaluationPlan, LoadSpec
from asbuilt.errors import StorageError
from asbuilt.server import create_app, metrics
from asbuilt.server.metrics import Metrics, MetricsMiddleware
from asbuilt.server.service import Service
from asbuilt.system import System
from asbuilt.tracing import Span, Trace

CHAT, SEARCH, COMPLETIONS = "/api/v1/chat", "/api/v1/search", "/v1/chat/completions"
DURATION = "asbuilt_request_duration_seconds"
FIRST = "asbuilt_first_token_seconds"
TARGETS = {
    "latency": ("chat.latency.p95", "< 3 s"),
    "start": ("chat.first_token.p90", "<= 700 ms"),
    "search-latency": ("search.latency.p99.9", "< 50 ms"),
    "errors": ("chat.error_rate", "<= 1 %"),
    "search-errors": ("search.error_rate", "<= 0 %"),
    "memory": ("memory.peak", "< 8 GiB"),
    "goodput": ("chat.goodput", ">= 2 /s"),
}

Labels = frozenset[tuple[str, str]]


def with_targets(targets: dict[str, tuple[str, str]], **api: object) -> Blueprint:
    planned = tuple(
        EvaluationMetric(
            name,
            target=target,
            measure=measure,
            load="searches" if measure.startswith("search") else "steady",
        )
        for name, (measure, target) in targets.items()
    )
    steady = LoadSpec("steady", data="known", rate_per_s=1.0, duration_s=600.0)
    loads = (steady, replace(steady, name="searches", route="search"))
    used = tuple(load for load in loads if any(metric.load == load.name for metric in planned))
    plan = EvaluationPlan(metrics=planned, datasets=(DataSpec("known"),), loads=used)
    return replace(blueprint(**api), evaluation=plan)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with a target of every kind."""
    folder: Path = tmp_path_factory.mktemp("measured")
    (folder / "queue.md").write_text("# queue\n\nTo delete all messages in a queue, purge it.\n")
    with System(with_targets(TARGETS, max_concurrency=1, queue_seconds=0.05), folder=folder) as system:
        system.ingest([str(folder / "queue.md")])
        yield system


@pytest.fixture
def app(measured: System) -> FastAPI:
    return create_app(measured, grace_s=0.1)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url=BASE_URL, raise_server_exceptions=False) as client:
        yield client


def scrape(text: str) -> dict[str, dict[Labels, float]]:
    """Series by name, as Prometheus's own parser reads them."""
    series: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            series.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return series


def value(client: TestClient, name: str, **labels: str) -> float:
    return scrape(client.get("/metrics").text)[name].get(frozenset(labels.items()), 0.0)


def ask(client: TestClient, question: str = "How do I purge a queue?", *, stream: bool = True) -> int:
    body = {"messages": [{"role": "user", "content": question}], "stream": stream}
    return client.post(CHAT, json=body).status_code


def test_every_latency_target_is_an_edge(client: TestClient) -> None:
    series = scrape(client.get("/metrics").text)
    whole = {dict(labels)["le"] for labels in series[f"{DURATION}_bucket"]}
    first = {dict(labels)["le"] for labels in series[f"{FIRST}_bucket"]}
    assert {"3.0", "0.05", "+Inf"} <= whole
    assert "0.7" in first
    assert "0.7" not in whole
    assert "3.0" not in first


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_is_timed_and_its_tokens_are_counted(client: TestClient, stream: bool) -> None:
    assert ask(client, stream=stream) == 200
    series = scrape(client.get("/metrics").text)
    route = frozenset({("route", CHAT)})
    took = series[f"{DURATION}_sum"][route | {("status", "2xx")}]
    first = series[f"{FIRST}_sum"][route]
    writing = series["asbuilt_stage_duration_seconds_sum"][frozenset({("stage", "writing")})]
    assert series[f"{FIRST}_count"][route] == 1
    retrieval = series["asbuilt_stage_duration_seconds_sum"][frozenset({("stage", "retrieval")})]
    assert 0 < retrieval < first < first + writing < took
    assert series["asbuilt_responses_total"][route | {("status", "200")}] == 1
    assert series["asbuilt_completion_tokens_total"][frozenset()] == 8
    assert series["asbuilt_cached_prompt_tokens_total"][frozenset()] == 3
    assert series["asbuilt_prompt_tokens_total"][frozenset()] > 8


def test_openai_requests_are_timed_too(client: TestClient) -> None:
    messages = [{"role": "user", "content": "How do I purge a queue?"}]
    for model in ("queue-assistant", "llm"):
        body = {"model": model, "messages": messages, "stream": True}
        assert client.post(COMPLETIONS, json=body).status_code == 200
    assert value(client, f"{FIRST}_count", route=COMPLETIONS) == 2
    assert value(client, "asbuilt_completion_tokens_total") == 16


def test_a_search_has_its_retrieval_timed(client: TestClient) -> None:
    assert client.post(SEARCH, json={"query": "purge a queue"}).status_code == 200
    retrieval = value(client, "asbuilt_stage_duration_seconds_sum", stage="retrieval")
    assert 0 < retrieval < value(client, f"{DURATION}_sum", route=SEARCH, status="2xx")


def test_what_fails_after_the_status_line_counts_as_failed(client: TestClient) -> None:
    assert ask(client, "fail later, queue") == 200
    assert ask(client, "crash later, queue") == 200
    assert ask(client, "fail at once, queue") == 502
    assert value(client, "asbuilt_responses_total", route=CHAT, status="502") == 2
    assert value(client, "asbuilt_responses_total", route=CHAT, status="500") == 1
    assert value(client, "asbuilt_responses_total", route=CHAT, status="200") == 0
    assert value(client, f"{FIRST}_count", route=CHAT) == 0
    assert value(client, f"{DURATION}_count", route=CHAT, status="5xx") == 3


def test_clients_cannot_make_series(client: TestClient) -> None:
    def names() -> set[Labels]:
        return set(scrape(client.get("/metrics").text)["asbuilt_responses_total"])

    client.get("/metrics")
    client.get("/nowhere")
    client.get("/v1/models/a")
    before = names()
    for path in ("/nowhere/else", "/v1/models/b", "/v1/models/b/c", "/metrics2"):
        assert client.get(path).status_code == 404
    assert names() == before
    assert value(client, "asbuilt_responses_total", route="/v1/models/{model:path}", status="404") == 3
    assert value(client, "asbuilt_responses_total", route="other", status="404") == 3


def test_refused_requests_and_those_inside_and_waiting_are_seen(app: FastAPI) -> None:
    with served(app) as url, connect(url) as first, TestClient(app, base_url=url) as client:
        # The other client shares the state of the service, not its event loop.
        first.sendall(request_bytes(CHAT, SLOWLY))
        assert first.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert value(client, "asbuilt_running_requests", gate="generation") == 1
        assert value(client, "asbuilt_slots", gate="generation") == 1
        with connect(url) as second:
            second.sendall(request_bytes(CHAT, SLOWLY))
            wait_for(lambda: value(client, "asbuilt_waiting_requests", gate="generation") == 1)
            assert second.recv(65536).startswith(b"HTTP/1.1 429 ")
        assert value(client, "asbuilt_waiting_requests", gate="generation") == 0
        assert value(client, "asbuilt_responses_total", route=CHAT, status="429") == 1
        first.close()
        wait_for(lambda: value(client, "asbuilt_responses_total", route=CHAT, status="499") == 1)
        assert value(client, f"{DURATION}_count", route=CHAT, status="2xx") == 0


def test_it_says_what_the_process_takes_and_holds(client: TestClient) -> None:
    series = scrape(client.get("/metrics").text)
    none: Labels = frozenset()
    assert 10 * 2**20 < series["process_resident_memory_bytes"][none] < 10 * 2**30
    assert abs(series["process_start_time_seconds"][none] - time.time()) < 3600
    assert series["asbuilt_index_behind_changes"][none] == 0
    assert series["asbuilt_problems"][none] == 0


def test_a_catalogue_that_cannot_be_read_is_a_problem_and_hides_nothing(
    app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> int:
        raise StorageError("the disk is gone.")

    monkeypatch.setattr(app.state.service, "index_behind", broken)
    series = scrape(client.get("/metrics").text)
    assert series["asbuilt_problems"][frozenset()] == 1
    assert "asbuilt_index_behind_changes" not in series
    assert "process_resident_memory_bytes" in series


def test_open_metrics_is_spoken_where_it_is_asked_for(client: TestClient) -> None:
    plain = client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    asked = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert asked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert asked.text.endswith("# EOF\n")


def test_it_needs_a_key_where_the_others_do(measured: System) -> None:
    measured.catalog.add_api_key("prometheus", "scrape-key")
    with System(blueprint(require_keys=True), folder=measured.folder) as locked:
        client = TestClient(create_app(locked), base_url=BASE_URL)
        assert client.get("/metrics").status_code == 401
        answer = client.get("/metrics", headers={"authorization": "Bearer scrape-key"})
    assert answer.status_code == 200
    assert (
        scrape(answer.text)["asbuilt_responses_total"][frozenset({("route", "/metrics"), ("status", "401")})]
        == 1
    )


def test_a_retriever_inside_another_is_counted_once() -> None:
    trace = Trace("POST /api/v1/chat")
    trace.spans = [
        Span("assistant", "answer", None, 0.0, 90.0),
        Span("wide", "retrieve", 0, 0.0, 30.0),
        Span("narrow", "retrieve", 1, 5.0, 20.0),
        None,
        Span("wide", "retrieve", 0, 50.0, 10.0),
    ]
    assert metrics._retrieval_s(trace) == 0.04
    assert metrics._retrieval_s(Trace("GET /metrics")) is None
    assert metrics._retrieval_s(None) is None


def test_two_applications_count_apart(measured: System, client: TestClient) -> None:
    ask(client)
    with TestClient(create_app(measured), base_url=BASE_URL) as other:
        assert value(other, "asbuilt_responses_total", route=CHAT, status="200") == 0
    assert value(client, "asbuilt_responses_total", route=CHAT, status="200") == 1


def test_counting_costs_little(measured: System) -> None:
    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Message) -> None:
        pass

    async def receive() -> Message:
        raise AssertionError

    counted = MetricsMiddleware(plain, metrics=Metrics(Service(measured, grace_s=0), routes=[CHAT]))

    async def least(times: int = 200) -> float:
        took = []
        for _ in range(times):
            started = time.perf_counter()
            await counted({"type": "http", "path": CHAT}, receive, send)
            took.append(time.perf_counter() - started)
        return sorted(took)[times // 4]

    assert asyncio.run(least()) < 100e-6
