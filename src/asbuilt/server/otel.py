"""Spans for a collector, with the extra `otel`: finished traces in the words of OpenTelemetry.

On when OTEL_EXPORTER_OTLP_ENDPOINT is set. Traces are exported after their request has ended, from a
thread of the SDK's own; a collector that is away costs the spans and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from asbuilt.errors import MissingError
from asbuilt.tracing import Span, Trace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

__all__ = ["CONVENTIONS", "OPERATIONS", "exporter_from_environment", "otel_exporter"]

CONVENTIONS = "open-telemetry/semantic-conventions-genai@7b0c0fe1e (status: development)"
"""Where the names below come from."""

OPERATIONS: Mapping[str, str] = {
    "assistant": "invoke_agent",
    "generator": "chat",
    "embedder": "embeddings",
    "retriever": "retrieval",
    "tool": "execute_tool",
}
"""Role to `gen_ai.operation.name`; other roles have no such name."""

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_NS = 1_000_000  # in a millisecond


def exporter_from_environment(service: str, roles: Mapping[str, str]) -> Callable[[Trace], None] | None:
    """Exports traces to the endpoint that the environment names; None when it names none.

    `roles` are those of the components. Raises MissingError when the extra is not installed.
    """
    if not os.environ.get(_ENDPOINT):
        return None
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
        raise MissingError(
            f"{_ENDPOINT} is set, but OpenTelemetry is not installed.", hint="pip install 'asbuilt[otel]'"
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return otel_exporter(service, roles, OTLPSpanExporter(), batched=True)


def otel_exporter(
    service: str, roles: Mapping[str, str], exporter: SpanExporter, *, batched: bool
) -> Callable[[Trace], None]:
    """A function that hands a finished trace to `exporter`."""
    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(exporter) if batched else SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("asbuilt", schema_url=None)

    def export(trace: Trace) -> None:
        began = int(trace.began * 1000 * _NS)
        root = tracer.start_span(trace.name, kind=SpanKind.SERVER, start_time=began)
        contexts: dict[int | None, Context] = {None: set_span_in_context(root)}
        for at, span in enumerate(trace.spans):
            if span is None:  # it never ended
                continue
            start = began + int(span.start_ms * _NS)
            made = tracer.start_span(
                _name(span, roles),
                context=contexts.get(span.parent, contexts[None]),
                start_time=start,
                attributes=_attributes(span, roles),
            )
            if span.failed:
                made.set_status(Status(StatusCode.ERROR))
            made.end(end_time=start + int(span.ms * _NS))
            contexts[at] = set_span_in_context(made)
        root.end(end_time=began + int(trace.ms * _NS))

    return export


def _name(span: Span, roles: Mapping[str, str]) -> str:
    operation = OPERATIONS.get(roles.get(span.component, ""))
    return f"{operation} {span.component}" if operation else f"{span.component}.{span.method}"


def _attributes(span: Span, roles: Mapping[str, str]) -> dict[str, Any]:
    attributes = {"asbuilt.component": span.component, "asbuilt.method": span.method}
    role = roles.get(span.component, "")
    if role in OPERATIONS:
        attributes["gen_ai.operation.name"] = OPERATIONS[role]
    if role == "retriever":
        attributes["gen_ai.data_source.id"] = span.component
    if role == "tool":
        attributes["gen_ai.tool.name"] = span.component
    return attributes
