"""Traces in the words of OpenTelemetry."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from asbuilt.errors import MissingError
from asbuilt.server import otel
from asbuilt.tracing import Span, Trace

ROLES = {"orchestrator": "assistant", "llm": "generator", "find": "retriever", "vectors": "index"}


def test_a_trace_becomes_spans_with_parents_times_and_names() -> None:
    memory = InMemorySpanExporter()
    export = otel.otel_exporter("aws-assistant", ROLES, memory, batched=False)
    trace = Trace("POST /api/v1/chat", began=1_000.0, ms=50.0)
    trace.spans = [
        Span("orchestrator", "answer", None, 1.0, 48.0),
        Span("find", "retrieve", 0, 2.0, 5.0),
        Span("vectors", "search", 1, 3.0, 1.0),
        None,
        Span("llm", "stream", 0, 8.0, 40.0, failed=True),
    ]
    export(trace)
    spans = {span.name: span for span in memory.get_finished_spans()}
    assert list(spans) == [
        "invoke_agent orchestrator", "retrieval find", "vectors.search", "chat llm", "POST /api/v1/chat",
    ]  # fmt: skip
    root, agent = spans["POST /api/v1/chat"], spans["invoke_agent orchestrator"]
    assert root.parent is None
    assert root.start_time == 1_000 * 10**9
    assert root.end_time == root.start_time + 50 * 10**6
    parents = {name: span.parent.span_id if span.parent else None for name, span in spans.items()}
    assert parents["invoke_agent orchestrator"] == root.context.span_id
    assert parents["retrieval find"] == parents["chat llm"] == agent.context.span_id
    assert parents["vectors.search"] == spans["retrieval find"].context.span_id
    assert spans["chat llm"].status.status_code == StatusCode.ERROR
    assert spans["chat llm"].attributes is not None
    assert spans["chat llm"].attributes["gen_ai.operation.name"] == "chat"
    assert root.resource.attributes["service.name"] == "aws-assistant"


def test_it_is_off_unless_the_environment_names_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert otel.exporter_from_environment("s", ROLES) is None


def test_a_missing_extra_is_said_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setattr(otel, "find_spec", lambda _name: None)
    with pytest.raises(MissingError, match=r"asbuilt\[otel\]"):
        otel.exporter_from_environment("s", ROLES)
