"""Components and plans as Markdown (CommonMark with GitHub's tables).

Text of a blueprint is text: characters that Markdown would read as its own are escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asbuilt.blueprint.spec import ComponentSpec, EvaluationPlan, PortSpec

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
]

_SPECIAL = re.compile(
    r"[\\`*\[\]<|~$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|!(?=\[)|(?<=[a-z]):(?=//)|(?<=\w)@(?=\w)"
)
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


def hours_text(hours: float | None) -> str:
    """``6``, ``2.5`` or ``not estimated``."""
    return "not estimated" if hours is None else f"{hours:.10g}"


def component_markdown(component: ComponentSpec, *, level: int = 3) -> str:
    """A section under a heading of `level`, without a newline at its end."""
    facts = [
        ("Name", code(component.name) if component.title else ""),
        ("Played by", code(component.use) if component.use is not None else ""),
        ("Status", str(component.status)),
        ("Estimated hours", hours_text(component.estimated_hours)),
        ("Needs", _needs(component)),
        ("Dependencies", ", ".join(map(escaped, component.dependencies))),
        ("Technologies", ", ".join(map(escaped, component.technologies))),
        ("Config", code(json.dumps(component.config, ensure_ascii=False)) if component.config else ""),
    ]
    blocks = [
        heading(level, component.title or component.name),
        prose(component.purpose),
        "\n".join(f"- **{what}**: {text}" for what, text in facts if text),
        *_ports("Inputs", component.inputs),
        *_ports("Outputs", component.outputs),
    ]
    if component.notes.strip():
        blocks += ["**Notes**", prose(component.notes)]
    return "\n\n".join(blocks)


def ports_table(ports: Iterable[PortSpec]) -> str:
    """Name, type and description of each."""
    rows = [(escaped(port.name), code(port.type, in_table=True), escaped(port.description)) for port in ports]
    return table(("name", "type", "description"), rows)


def _ports(title: str, ports: Sequence[PortSpec]) -> tuple[str, ...]:
    return (f"**{title}**", ports_table(ports)) if ports else ()


def _needs(component: ComponentSpec) -> str:
    return ", ".join(
        f"{escaped(need)} = {_targets(target) or 'none'}" for need, target in component.needs.items()
    )


def _targets(target: str | tuple[str, ...] | None) -> str:
    return ", ".join(map(escaped, (target,) if isinstance(target, str) else target or ()))


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
    # A column that says nothing of any metric is left out.
    kept = [number for number in range(len(head)) if any(row[number] for row in rows)]
    return table([head[number] for number in kept], [[row[number] for number in kept] for row in rows])


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
