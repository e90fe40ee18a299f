"""architecture.md: all that a blueprint states, in the order in which it is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from asbuilt import registry
from asbuilt.blueprint.config import type_name
from asbuilt.blueprint.needs import resolve_needs
from asbuilt.blueprint.order import build_order
from asbuilt.blueprint.render.drawing import Drawing
from asbuilt.blueprint.render.markdown import (
    code,
    component_markdown,
    escaped,
    evaluation_markdown,
    heading,
    hours_text,
    prose,
    table,
)
from asbuilt.blueprint.spec import Blueprint, ComponentSpec
from asbuilt.registry import Signature

__all__ = ["architecture_markdown"]

_METHODS = ("get", "post", "put", "patch", "delete")


def architecture_markdown(
    blueprint: Blueprint,
    drawing: Drawing,
    *,
    openapi: Mapping[str, Any],
    schedule: str = "",
    memory: str = "",
) -> str:
    """The document, without a newline at its end. `openapi` is the document of what is served;
    `schedule` and `memory` are Markdown for these sections.

    Raises BlueprintError for a cycle or needs that cannot be met.
    """
    blocks = [
        heading(1, blueprint.system.title or blueprint.system.name),
        prose(blueprint.system.purpose),
        "\n".join(f"- **{what}**: {text}" for what, text in _facts(blueprint)),
        "![Components and what each builds on](architecture.svg)",
        heading(2, "Build order"),
        f"Components of one wave can be built side by side. {schedule}".rstrip(),
        _waves(blueprint, drawing),
        heading(2, "Components"),
        *_components(blueprint),
        heading(2, "API"),
        *_api(blueprint, openapi),
    ]
    if memory:
        blocks += [heading(2, "Memory"), memory]
    blocks.append(evaluation_markdown(blueprint.evaluation, level=2))
    return "\n\n".join(blocks)


def _facts(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    components, target = blueprint.components, blueprint.target
    planned = sum(each.use is None for each in components)
    hours = [each.estimated_hours for each in components if each.estimated_hours is not None]
    known = f"{hours_text(sum(hours))}" if hours else "not estimated"
    missing = len(components) - len(hours)
    yield "Target machine", escaped(target.name)
    if target.memory_gib is not None:
        yield "Memory of the target", f"{target.memory_gib:.10g} GiB"
    if target.bandwidth_gbs is not None:
        yield "Memory bandwidth of the target", f"{target.bandwidth_gbs:.10g} GB/s"
    yield "Components", f"{len(components)}, {planned} of them planned"
    yield "Estimated hours", known + (f", {missing} components not estimated" if hours and missing else "")
    if blueprint.knowledge.sources:
        yield "Knowledge", ", ".join(map(code, blueprint.knowledge.sources))


def _waves(blueprint: Blueprint, drawing: Drawing) -> str:
    rows = []
    for number, wave in enumerate(drawing.waves, start=1):
        components = [blueprint.component(name) for name in wave]
        hours = sum(each.estimated_hours or 0 for each in components)
        rows.append((str(number), ", ".join(map(_linked, components)), hours_text(hours)))
    return table(("wave", "components", "hours"), rows)


def _linked(component: ComponentSpec) -> str:
    """A name that leads to its section, which headings alone do not do everywhere in the same way."""
    return f"[{escaped(component.title or component.name)}](#{_anchor(component)})"


def _anchor(component: ComponentSpec) -> str:
    return "component-" + "".join(each if each.isalnum() else "-" for each in component.name)


def _components(blueprint: Blueprint) -> Iterator[str]:
    given = resolve_needs(blueprint)
    for name in build_order(blueprint):
        component = blueprint.component(name)
        signature = _readable(registry.signature(component.use)) if component.use is not None else None
        yield f'<a id="{_anchor(component)}"></a>'
        yield component_markdown(component, signature=signature, given=given.get(name))


def _readable(signature: Signature) -> Signature:
    """Types as they are written, without modules and quotes."""
    inputs, outputs = (
        tuple(replace(port, type=type_name(port.type)) for port in ports)
        for ports in (signature.inputs, signature.outputs)
    )
    return replace(signature, inputs=inputs, outputs=outputs)


def _api(blueprint: Blueprint, openapi: Mapping[str, Any]) -> Iterator[str]:
    api = blueprint.api
    facts = (
        ("Address", code(f"{api.host}:{api.port}")),
        ("Keys", "asked for" if api.require_keys else "not asked for on this machine"),
        ("Largest body", f"{api.max_body_mib:.10g} MiB"),
        ("At a time", f"{api.max_concurrency} requests; others wait up to {api.queue_seconds:.10g} s"),
    )
    yield "\n".join(f"- **{what}**: {text}" for what, text in facts)
    if api.routes:
        yield "Clients may rely on these, below " + code(api.prefix) + ":"
        yield "\n".join(f"- {code(route)}" for route in api.routes)
    yield "What is served, in full: [openapi.json](openapi.json)."
    rows = [
        (code(f"{method.upper()} {path}"), _request(item[method]), escaped(_first_sentence(item[method])))
        for path, item in openapi["paths"].items()
        for method in _METHODS
        if method in item
    ]
    yield table(("operation", "request", "what it does"), rows)


def _request(operation: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    names = [
        kind["schema"]["$ref"].rpartition("/")[2] if "$ref" in kind.get("schema", {}) else name
        for name, kind in content.items()
    ]
    return ", ".join(map(code, names))


def _first_sentence(operation: Mapping[str, Any]) -> str:
    text = " ".join(str(operation.get("description") or operation.get("summary") or "").split())
    return text.partition(". ")[0].rstrip(".")
