"""GET /metrics: what Prometheus reads, one registry for each application.

The histograms have an edge exactly at each latency target of the evaluation plan: the share of
requests that meet a target is then counted and not interpolated.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

import psutil
from anyio.to_thread import run_sync
from fastapi import APIRouter
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asbuilt import __version__
from asbuilt.blueprint import Blueprint
from asbuilt.errors import StorageError
from asbuilt.server.errors import OPENAI_PREFIX
from asbuilt.server.objectives import latency_objectives
from asbuilt.server.service import Service
from asbuilt.tracing import Trace
from asbuilt.tracing.trace import here
from asbuilt.types import Event, Finished, TextDelta

__all__ = [
    "BEHIND", "DURATION", "FAILURES", "FIRST_TOKEN", "PROBLEMS", "RESIDENT", "RESPONSES", "SUCCESS",
    "Call", "Metrics", "MetricsMiddleware", "call_of", "chat_routes", "metrics_of", "observed", "router",
    "search_routes",
]  # fmt: skip

DURATION = "asbuilt_request_duration_seconds"
FIRST_TOKEN = "asbuilt_first_token_seconds"
RESPONSES = "asbuilt_responses_total"
RESIDENT = "process_resident_memory_bytes"  # the name that Prometheus's own clients use
BEHIND = "asbuilt_index_behind_changes"
PROBLEMS = "asbuilt_problems"

SUCCESS = "2xx"
FAILURES = ("429", "500", "502", "503")
"""What a service that works does not answer; other statuses of 400 to 499 are the client's doing."""

_EDGES_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_CALL = "asbuilt.call"  # in the scope of a request
_OTHER = "other"  # the label of paths that no route has: clients cannot make series
_GONE = 499

router = APIRouter()


@router.get("/metrics", include_in_schema=False)  # its format is Prometheus's, not part of our protocol
async def metrics(request: Request) -> Response:
    """All series, in the text format or in OpenMetrics, as the request accepts."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    registry = metrics_of(request).registry
    return Response(await run_sync(encode, registry), headers={"Content-Type": media_type})


@dataclass(slots=True)
class Call:
    """One request on its way. `failed`: the status of what went wrong after the response had begun."""

    started: float = field(default_factory=time.perf_counter)  # s
    first_token_s: float | None = None
    failed: int | None = None


class Metrics:
    """The series of one application. `routes`: its paths as declared, which become labels."""

    def __init__(self, service: Service, *, routes: Iterable[str]) -> None:
        self.registry = CollectorRegistry()
        routes = tuple(routes)
        self._routes = frozenset(path for path in routes if "{" not in path)
        self._templates = tuple((path.partition("{")[0], path) for path in routes if "{" in path)
        targets = latency_objectives(service.system.blueprint)
        whole = {each.seconds for each in targets if not each.first_token}
        first = {each.seconds for each in targets if each.first_token}
        self._duration = Histogram(
            DURATION,
            "From a request's arrival to the end of its response.",
            ("route", "status"),
            buckets=sorted(whole.union(_EDGES_S)),
            registry=self.registry,
        )
        self._first_token = Histogram(
            FIRST_TOKEN,
            "From a request's arrival to the first text of its answer; answered requests only.",
            ("route",),
            buckets=sorted(first.union(_EDGES_S)),
            registry=self.registry,
        )
        self._stage = Histogram(
            "asbuilt_stage_duration_seconds",
            "Parts of a request: retrieval, and the writing of an answer, from its first text to its end.",
            ("stage",),
            buckets=_EDGES_S,
            registry=self.registry,
        )
        self._responses = self._counter(RESPONSES, "Responses by status.", "route", "status")
        self._prompt = self._counter("asbuilt_prompt_tokens_total", "Tokens that generators read.")
        self._cached = self._counter(
            "asbuilt_cached_prompt_tokens_total", "Those of them that had been computed before."
        )
        self._completion = self._counter("asbuilt_completion_tokens_total", "Tokens that generators wrote.")
        self.registry.register(_State(service))
        self._begin_at_zero(service.system.blueprint)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def _begin_at_zero(self, blueprint: Blueprint) -> None:
        """`increase` does not see the step from no series to the first count."""
        for route in (*chat_routes(blueprint), *search_routes(blueprint)):
            self._duration.labels(route, SUCCESS)
            for status in ("200", *FAILURES):
                self._responses.labels(route, status)
        for route in chat_routes(blueprint):
            self._first_token.labels(route)
        for stage in ("retrieval", "writing"):
            self._stage.labels(stage)

    def answered(self, path: str, status: int, call: Call) -> None:
        """Count a request for `path` that is over."""
        route = self._route(path)
        took = time.perf_counter() - call.started
        self._responses.labels(route, str(status)).inc()
        self._duration.labels(route, f"{status // 100}xx").observe(took)
        if call.first_token_s is not None and status < 300:
            self._first_token.labels(route).observe(call.first_token_s)

    def _route(self, path: str) -> str:
        # Not from the scope: a request that is refused never comes to its route.
        if path in self._routes:
            return path
        return next((route for head, route in self._templates if path.startswith(head)), _OTHER)

    def stage(self, name: Literal["retrieval", "writing"], seconds: float) -> None:
        """Add the time that a part of a request took."""
        self._stage.labels(name).observe(seconds)

    def generated(self, finished: Finished) -> None:
        """Count the tokens of an answer."""
        self._prompt.inc(finished.usage.prompt_tokens)
        self._cached.inc(finished.usage.cached_tokens)
        self._completion.inc(finished.usage.completion_tokens)


def chat_routes(blueprint: Blueprint) -> tuple[str, ...]:
    """The routes that the measures ``chat.*`` are about."""
    return (f"{blueprint.api.prefix}/chat", f"{OPENAI_PREFIX}/chat/completions")


def search_routes(blueprint: Blueprint) -> tuple[str, ...]:
    """The routes that the measures ``search.*`` are about."""
    return (f"{blueprint.api.prefix}/search",)


class _State(Collector):
    """What is asked when Prometheus asks, and costs nothing in between."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._process = psutil.Process()

    def describe(self) -> list[Metric]:
        """Nothing: registering must not open the catalogue."""
        return []

    def collect(self) -> Iterator[Metric]:
        service = self._service
        info = GaugeMetricFamily("asbuilt_info", "1.", labels=("system", "version"))
        info.add_metric((service.system.blueprint.system.name, __version__), 1)
        yield info
        running = GaugeMetricFamily("asbuilt_running_requests", "Requests inside a gate.", labels=("gate",))
        waiting = GaugeMetricFamily(
            "asbuilt_waiting_requests", "Requests that wait for a slot.", labels=("gate",)
        )
        slots = GaugeMetricFamily("asbuilt_slots", "Requests that a gate lets in at once.", labels=("gate",))
        for name, gate in service.gates().items():
            running.add_metric((name,), gate.running)
            waiting.add_metric((name,), gate.waiting)
            slots.add_metric((name,), gate.slots)
        yield from (running, waiting, slots)
        yield GaugeMetricFamily(RESIDENT, "Resident memory.", value=self._process.memory_info().rss)
        yield GaugeMetricFamily(
            "process_start_time_seconds",
            "When the process began, since 1970.",
            value=self._process.create_time(),
        )
        if (state := service.search_state) is not None:
            yield GaugeMetricFamily("asbuilt_documents", "Current documents.", value=state.documents)
            yield GaugeMetricFamily("asbuilt_chunks", "Their chunks.", value=state.chunks)
            yield GaugeMetricFamily("asbuilt_embedded_chunks", "Those embedded.", value=state.embedded)
        problems = len(service.problems())
        try:
            behind = service.index_behind()
        except StorageError:  # the others must still be seen
            problems += 1
        else:
            yield GaugeMetricFamily(
                BEHIND, "Changes of the catalogue that the index has yet to apply.", value=behind
            )
        yield GaugeMetricFamily(PROBLEMS, "What does not work; /health says what.", value=problems)


class MetricsMiddleware:
    """ASGI middleware that counts every request and its time, refused ones included.

    An answer that its client did not wait for counts as 499, one that fails while it is sent as
    what it fails with, whatever its status line said.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = scope[_CALL] = Call()
        status, complete = 500, False

        async def counted(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self._app(scope, receive, counted)
        except Exception:
            call.failed = call.failed or 500
            raise
        finally:
            self._metrics.answered(scope["path"], call.failed or (status if complete else _GONE), call)


def call_of(request: Request) -> Call:
    """The call that `request` is."""
    call: Call = request.scope[_CALL]
    return call


def metrics_of(request: Request) -> Metrics:
    """The metrics of the application that `request` goes to."""
    metrics: Metrics = request.app.state.metrics
    return metrics


async def observed(request: Request, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """`events` as they come, with their first text, their end and their tokens noted."""
    call, metrics = call_of(request), metrics_of(request)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, TextDelta) and call.first_token_s is None:
                call.first_token_s = time.perf_counter() - call.started
            elif isinstance(event, Finished):
                metrics.generated(event)
                if (retrieval_s := _retrieval_s(here.get().trace)) is not None:
                    metrics.stage("retrieval", retrieval_s)
                if call.first_token_s is not None:
                    metrics.stage("writing", time.perf_counter() - call.started - call.first_token_s)
            yield event


def _retrieval_s(trace: Trace | None) -> float | None:
    """Time that the retrievers of a request took, those inside of others not counted twice."""
    spans = trace.spans if trace is not None else ()
    retrieving = {at for at, span in enumerate(spans) if span is not None and span.method == "retrieve"}
    outer = [
        span.ms for span in spans if span and span.method == "retrieve" and span.parent not in retrieving
    ]
    return sum(outer) / 1000 if outer else None
