"""The memory plan as a document."""

from __future__ import annotations

from collections.abc import Iterator

from asbuilt.blueprint.render.markdown import code, escaped, heading, hours_text, table, without_empty
from asbuilt.planning.memory import MemoryRow, has_gpu
from asbuilt.planning.plan import Plan
from asbuilt.planning.words import change_text, fit_text, gib
from asbuilt.resources.forecast import Band

__all__ = ["critical_path", "memory_page", "memory_summary"]

_MIB = 2**20
_HEAD = ("component", "part", "MiB", "where", "when", "from")
_WHEN = {"serving": "always", "ingesting": "while documents are embedded"}


def memory_page(plan: Plan) -> str:
    """All of what was added up for `plan`, in Markdown without a newline at its end. What was measured
    on some machine is left out: the same plan gives the same page."""
    blocks = [
        heading(1, f"Memory plan: {plan.system}"),
        memory_summary(plan),
        heading(2, "What takes it"),
        table(*without_empty(_HEAD, [_row(plan, row) for row in plan.memory.rows])),
    ]
    if plan.not_stated:
        blocks.append(f"Not stated by their class, so not counted: {_listed(plan.not_stated)}.")
    if plan.forecasts:
        blocks += [heading(2, "Speed, for one user at a time"), _speeds(plan)]
    if plan.alternatives:
        rows = [
            (escaped(each.component), escaped(change_text(each)), gib(each.total_bytes))
            for each in plan.alternatives
        ]
        blocks += [heading(2, "What would fit"), table(("component", "change", "in all"), rows)]
    if plan.notes:
        blocks += [heading(2, "Notes"), "\n".join(f"- {escaped(note)}" for note in plan.notes)]
    return "\n\n".join(blocks)


def memory_summary(plan: Plan) -> str:
    """The machine, the sums, and whether it fits."""
    return "\n".join(f"- **{what}**: {text}" for what, text in _facts(plan))


def critical_path(plan: Plan) -> str:
    """How long building takes with enough hands; "" where no hours are estimated."""
    path = plan.schedule.critical_path
    if not plan.schedule.critical_hours:
        return ""
    hours = hours_text(plan.schedule.critical_hours)
    return f"With enough hands it takes {hours} hours, along {' -> '.join(map(escaped, path))}."


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    machine, memory = plan.machine, plan.memory
    device = f" ({escaped(machine.device)})" if machine.device else ""
    yield "Machine", escaped(machine.name) + device
    yield "Chunks in the index", f"{plan.chunks:,} ({escaped(plan.chunks_from)})"
    yield "While it answers", gib(memory.serving_bytes)
    if memory.total_bytes != memory.serving_bytes:
        yield "While it embeds documents too", gib(memory.total_bytes)
    for fit in memory.fits:
        yield "Verdict", escaped(fit_text(fit, machine.name))


def _row(plan: Plan, row: MemoryRow) -> tuple[str, ...]:
    part = row.part
    where = "" if plan.machine.unified else "GPU" if part.on_device and has_gpu(plan.machine) else "host"
    size = f"{part.bytes / _MIB:,.0f}" if part.bytes >= _MIB else f"{part.bytes / _MIB:.2f}"
    return escaped(row.component), escaped(part.name), size, where, _WHEN[part.when], escaped(part.source)


def _speeds(plan: Plan) -> str:
    rows = [
        (
            escaped(each.component),
            str(each.prompt_tokens),
            _band(each.tokens_per_s),
            _band(each.first_token_s),
            escaped(each.note),
        )
        for each in plan.forecasts
    ]
    head = ("model", "tokens in the prompt", "tokens/s", "first token (s)", "note")
    return table(*without_empty(head, rows))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(code, names))


def _band(band: Band | None) -> str:
    if band is None:
        return ""
    expected, low, high = (
        f"{value:,.0f}" if value >= 100 else f"{value:.2g}" for value in (band.expected, band.low, band.high)
    )
    return f"{expected} ({low} to {high})"
