"""Components and plans as Markdown (CommonMark with GitHub's tables).

Text of a blueprint is text: characters that Markdown would read as its own are escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asbuilt.blueprint.needs import Given
    from asbuilt.blueprint.spec import ComponentSpec, EvaluationPlan, PortSpec
    from asbuilt.registry import Port, Signature

__all__ = [
    "code",
    "component_markdown",
    "escaped",
    "evaluation_markdown",
    "heading",
    "hours_text",
    "ports_table",
    "prose",
    "table",
    "without_empty",
]

_SPECIAL = re.compile(
    r"[\\`*\[\]|~$]|<(?=[A-Za-z/!?])|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|!(?=\[)|(?<=[a-z]):(?=//)|(?<=\w)@(?=\w)"
)
_UNANNOTATED = "_empty"  # what `registry.signature` says of a parameter without annotation
_LINE_START = re.compile(r"^(?:[-+#=>]|\d+(?=[.)]))")


def escaped(text: str) -> str:
    """Text on one line, in a cell of a table or behind other text."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def prose(text: str) -> str:
    """Text as paragraphs; what stands on lines of its own stays there."""
    paragraphs = (paragraph.splitlines() for paragraph in re.split(r"\n\s*\n", text.strip()))
    return "\n\n".join("\\\n".join(map(_line, lines)) for lines in paragraphs)


def heading(level: int, text: str) -> str:
    """A heading of `level`, 1 to 6."""
    return f"{'#' * level} {escaped(text).replace('#', chr(92) + '#')}"


def _line(text: str) -> str:
    """Text that nothing stands before."""
    return _LINE_START.sub(_kept_apart, escaped(text))


def _kept_apart(start: re.Match[str]) -> str:
    return f"{start[0]}\\" if start[0].isdigit() else f"\\{start[0]}"


def code(text: str, *, in_table: bool = False) -> str:
    """Text as it is, in fixed width. A pipe ends a table's cell even there, unless escaped."""
    line = " ".join(text.split())
    fence = "`"
    while fence in line:
        fence += "`"
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line.replace('|', chr(92) + '|') if in_table else line}{pad}{fence}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "|" + "|".join(cell if cell == "---" else f" {cell} " if cell else " " for cell in line) + "|"
        for line in lines
    )


def without_empty(head: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Without the columns that say nothing in any row."""
    kept = [number for number in range(len(head)) if any(row[number] for row in rows)]
    return [head[number] for number in kept], [[row[number] for number in kept] for row in rows]


def hours_text(hours: float | None) -> str:
    """``6``, ``2.5`` or ``not estimated``."""
    return "not estimated" if hours is None else f"{hours:.10g}"


def component_markdown(
    component: ComponentSpec,
    *,
    level: int = 3,
    signature: Signature | None = None,
    given: Mapping[str, Given] | None = None,
) -> str:
    """A section under a heading of `level`, without a newline at its end.

    With the `signature` of the class that plays it, its ports are the real ones, with those that are
    declared beside them; `given` are the components that its needs were resolved to.
    """
    needs = component.needs if given is None else given
    facts = [
        ("Name", code(component.name) if component.title else ""),
        ("Played by", code(component.use) if component.use is not None else ""),
        ("Status", _status(component)),
        ("Estimated hours", hours_text(component.estimated_hours)),
        ("Needs", ", ".join(f"{escaped(need)} = {_targets(needs[need])}" for need in needs)),
        ("Dependencies", ", ".join(map(escaped, component.dependencies))),
        ("Technologies", ", ".join(map(escaped, component.technologies))),
        ("Config", code(json.dumps(component.config, ensure_ascii=False)) if component.config else ""),
    ]
    inputs, outputs = component.inputs, component.outputs
    blocks = [
        heading(level, component.title or component.name),
        prose(component.purpose),
        "\n".join(f"- **{what}**: {text}" for what, text in facts if text),
    ]
    if signature is None:
        blocks += [*_ports("Inputs", inputs), *_ports("Outputs", outputs)]
    else:
        method = code(f"{signature.role.method}()")
        blocks += _real_ports(f"Inputs of {method}", signature.inputs, {port.name: port for port in inputs})
        blocks += _real_ports(
            f"Output of {method}",
            signature.outputs,
            {signature.outputs[0].name: outputs[0]} if outputs else {},
        )
    if component.notes.strip():
        blocks += ["**Notes**", prose(component.notes)]
    return "\n\n".join(blocks)


def _status(component: ComponentSpec) -> str:
    """By hand; what has an implementation is more than planned, whatever was never written."""
    if component.use is None:
        return component.status
    return "built" if component.status == "planned" else f"built; by hand: {component.status}"


def ports_table(ports: Iterable[PortSpec]) -> str:
    """Name, type and description of each."""
    rows = [(escaped(port.name), code(port.type, in_table=True), escaped(port.description)) for port in ports]
    return table(("name", "type", "description"), rows)


def _ports(title: str, ports: Sequence[PortSpec]) -> tuple[str, ...]:
    return (f"**{title}**", ports_table(ports)) if ports else ()


def _real_ports(title: str, ports: Sequence[Port], declared: Mapping[str, PortSpec]) -> tuple[str, ...]:
    """Ports of the code, each with what the blueprint declares in its place."""
    if not ports:
        return ()
    rows = []
    for port in ports:
        beside = declared.get(port.name)
        name = port.name if beside is None else beside.name
        kind = code(port.type, in_table=True) if port.type != _UNANNOTATED else ""
        said = "" if beside is None else code(beside.type, in_table=True)
        rows.append((escaped(name), kind, said, "" if beside is None else escaped(beside.description)))
    return f"**{title}**", table(*without_empty(("name", "type", "declared", "description"), rows))


def _targets(target: str | tuple[str, ...] | None) -> str:
    return ", ".join(map(escaped, (target,) if isinstance(target, str) else target or ())) or "none"


def evaluation_markdown(plan: EvaluationPlan, *, level: int = 1) -> str:
    """The plan under a heading of `level`, without a newline at its end."""
    title = "Evaluation plan" + (f": {plan.project_name}" if plan.project_name else "")
    blocks = [heading(level, title), heading(level + 1, "Metrics"), _metrics(plan)]
    if plan.datasets:
        rows = [
            (
                escaped(each.title or each.name),
                code(each.path) if each.path else "*planned*",
                escaped(each.description),
            )
            for each in plan.datasets
        ]
        blocks += [heading(level + 1, "Data sets"), table(("name", "file", "description"), rows)]
    if plan.loads:
        blocks += [heading(level + 1, "Loads"), _loads(plan)]
    if plan.baselines:
        blocks += [heading(level + 1, "Baselines"), "\n".join(f"- {_line(each)}" for each in plan.baselines)]
    return "\n\n".join(blocks)


def _metrics(plan: EvaluationPlan) -> str:
    if not plan.metrics:
        return "No metric is planned yet."
    head = ("metric", "target", "measure", "data", "load", "how it is measured", "how often", "description")
    rows = [
        (
            escaped(each.title or each.name),
            escaped(each.target),
            code(each.measure, in_table=True) if each.measure else "*planned*",
            escaped(each.data or ""),
            escaped(each.load or ""),
            escaped(each.measurement_method),
            escaped(each.frequency),
            escaped(each.description),
        )
        for each in plan.metrics
    ]
    return table(*without_empty(head, rows))


def _loads(plan: EvaluationPlan) -> str:
    rows = [
        (
            escaped(each.name),
            escaped(each.route),
            f"{each.rate_per_s:.10g}",
            each.arrivals,
            f"{each.duration_s:.10g}",
            f"{each.warmup_s:.10g}",
            f"{each.timeout_s:.10g}",
            escaped(each.data),
        )
        for each in plan.loads
    ]
    head = ("name", "route", "requests/s", "arrivals", "for (s)", "warm-up (s)", "time-out (s)", "data")
    return table(head, rows)
