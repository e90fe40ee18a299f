"""Spans for a collector, with the extra `otel`: finished traces in the words of OpenTelemetry.

On when OTEL_EXPORTER_OTLP_ENDPOINT is set. Traces are exported after their request has ended, from a
thread of the SDK's own; a collector that is away costs the spans and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from asbuilt import registry
from asbuilt.blueprint import Blueprint, ComponentSpec
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

_SUBJECTS: Mapping[str, str] = {
    "assistant": "gen_ai.agent.name",
    "retriever": "gen_ai.data_source.id",
    "tool": "gen_ai.tool.name",
}
"""Role to the attribute that holds the component's name."""

_WITH_MODEL = ("generator", "embedder")

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_NS = 1_000_000  # in a millisecond


def exporter_from_environment(blueprint: Blueprint) -> Callable[[Trace], None] | None:
    """Exports traces to the endpoint that the environment names; None when it names none.

    Raises MissingError when the extra is not installed.
    """
    if not os.environ.get(_ENDPOINT):
        return None
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
        raise MissingError(
            f"{_ENDPOINT} is set, but OpenTelemetry is not installed.", hint="pip install 'asbuilt[otel]'"
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return otel_exporter(blueprint, OTLPSpanExporter(), batched=True)


def otel_exporter(blueprint: Blueprint, exporter: SpanExporter, *, batched: bool) -> Callable[[Trace], None]:
    """A function that hands a finished trace to `exporter`."""
    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

    provider = TracerProvider(resource=Resource.create({"service.name": blueprint.system.name}))
    provider.add_span_processor(BatchSpanProcessor(exporter) if batched else SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("asbuilt", schema_url=None)
    parts = {each.name: _component_attributes(each) for each in blueprint.components}

    def export(trace: Trace) -> None:
        began = int(trace.began * 1000 * _NS)
        root = tracer.start_span(trace.name, kind=SpanKind.SERVER, start_time=began)
        contexts: dict[int | None, Context] = {None: set_span_in_context(root)}
        for at, span in enumerate(trace.spans):
            if span is None:  # it never ended
                continue
            start = began + int(span.start_ms * _NS)
            made = tracer.start_span(
                _name(span, parts.get(span.component, {})),
                context=contexts.get(span.parent, contexts[None]),
                start_time=start,
                attributes={**parts.get(span.component, {}), **_span_attributes(span)},
            )
            if span.failed:
                made.set_status(Status(StatusCode.ERROR))
            made.end(end_time=start + int(span.ms * _NS))
            contexts[at] = set_span_in_context(made)
        root.end(end_time=began + int(trace.ms * _NS))

    return export


def _component_attributes(component: ComponentSpec) -> dict[str, str]:
    """What is the same in all spans of a component."""
    role, _, provider = (component.use or "").partition("/")
    attributes = {"asbuilt.component": component.name}
    if operation := OPERATIONS.get(role):
        attributes["gen_ai.operation.name"] = operation
    if subject := _SUBJECTS.get(role):
        attributes[subject] = component.name
    if role in _WITH_MODEL:
        attributes["gen_ai.provider.name"] = provider
        attributes["gen_ai.request.model"] = _model(component)
    return attributes


def _model(component: ComponentSpec) -> str:
    """As it is configured, or the class's own; what has no choice of models is called as it is used."""
    use = component.use or ""
    defaults = {each.name: each.default for each in registry.signature(use).config if not each.required}
    return str(component.config.get("model") or defaults.get("model") or use.partition("/")[2])


def _name(span: Span, attributes: Mapping[str, str]) -> str:
    operation = attributes.get("gen_ai.operation.name")
    if operation is None:
        return f"{span.component}.{span.method}"
    return f"{operation} {attributes.get('gen_ai.request.model', span.component)}"


def _span_attributes(span: Span) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {"asbuilt.method": span.method}
    if span.input_tokens is not None:
        attributes["gen_ai.usage.input_tokens"] = span.input_tokens
    if span.output_tokens is not None:
        attributes["gen_ai.usage.output_tokens"] = span.output_tokens
    if span.model:
        attributes["gen_ai.response.model"] = span.model
    return attributes
