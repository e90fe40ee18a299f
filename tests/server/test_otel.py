"""Traces in the words of OpenTelemetry."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from asbuilt.blueprint import Blueprint, ComponentSpec
from asbuilt.blueprint.spec import SystemSpec
from asbuilt.errors import MissingError
from asbuilt.server import otel
from asbuilt.tracing import Span, Trace

BLUEPRINT = Blueprint(
    system=SystemSpec(name="aws-assistant", purpose="Answers"),
    components=(
        ComponentSpec("orchestrator", "Answer", use="assistant/cited"),
        ComponentSpec("llm", "Write", use="generator/llama-cpp"),
        ComponentSpec("remote", "Write", use="generator/openai", config={"model": "large"}),
        ComponentSpec("find", "Retrieve", use="retriever/hybrid"),
        ComponentSpec("vectors", "Find", use="index/exact"),
        ComponentSpec("embed", "Embed", use="embedder/minilm-l6"),
    ),
)


def test_a_trace_becomes_spans_with_parents_times_and_names() -> None:
    memory = InMemorySpanExporter()
    export = otel.otel_exporter(BLUEPRINT, memory, batched=False)
    trace = Trace("POST /api/v1/chat", began=1_000.0, ms=50.0)
    trace.spans = [
        Span("orchestrator", "answer", None, 1.0, 48.0),
        Span("find", "retrieve", 0, 2.0, 5.0),
        Span("vectors", "search", 1, 3.0, 1.0),
        None,
        Span("llm", "stream", 0, 8.0, 40.0, failed=True),
        Span("remote", "stream", 0, 48.0, 1.0, input_tokens=7, output_tokens=0, model="large-2"),
        Span("embed", "embed", 1, 2.5, 0.5),
    ]
    export(trace)
    spans = {span.name: span for span in memory.get_finished_spans()}
    assert list(spans) == [
        "invoke_agent orchestrator", "retrieval find", "vectors.search", "chat smollm2-135m-instruct",
        "chat large", "embeddings minilm-l6", "POST /api/v1/chat",
    ]  # fmt: skip
    root, agent = spans["POST /api/v1/chat"], spans["invoke_agent orchestrator"]
    assert root.parent is None
    assert root.start_time == 1_000 * 10**9
    assert root.end_time == root.start_time + 50 * 10**6
    parents = {name: span.parent.span_id if span.parent else None for name, span in spans.items()}
    assert parents["invoke_agent orchestrator"] == root.context.span_id
    assert parents["retrieval find"] == parents["chat smollm2-135m-instruct"] == agent.context.span_id
    assert parents["vectors.search"] == spans["retrieval find"].context.span_id
    assert spans["chat smollm2-135m-instruct"].status.status_code == StatusCode.ERROR
    assert dict(spans["chat large"].attributes or {}) == {
        "asbuilt.component": "remote",
        "asbuilt.method": "stream",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "large",
        "gen_ai.response.model": "large-2",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 0,
    }
    assert (agent.attributes or {})["gen_ai.agent.name"] == "orchestrator"
    assert dict(spans["vectors.search"].attributes or {}) == {
        "asbuilt.component": "vectors",
        "asbuilt.method": "search",
    }
    assert root.resource.attributes["service.name"] == "aws-assistant"


def test_it_is_off_unless_the_environment_names_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert otel.exporter_from_environment(BLUEPRINT) is None


def test_a_missing_extra_is_said_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setattr(otel, "find_spec", lambda _name: None)
    with pytest.raises(MissingError, match=r"asbuilt\[otel\]"):
        otel.exporter_from_environment(BLUEPRINT)


def test_the_extra_is_not_imported_without_an_endpoint() -> None:
    code = (
        "import sys, asbuilt.server.serving; print([each for each in sys.modules if 'telemetry.sdk' in each])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
