"""Plans as plain text, for terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asbuilt.blueprint.spec import EvaluationMetric, EvaluationPlan

__all__ = ["evaluation_text"]


def evaluation_text(plan: EvaluationPlan) -> str:
    """The plan, a line for each thing it states, with a newline at its end."""
    blocks = [f"Evaluation plan: {plan.project_name}" if plan.project_name else "Evaluation plan"]
    width = max((len(each.title or each.name) for each in plan.metrics), default=0)
    metrics = [line for each in plan.metrics for line in _metric(each, width)]
    blocks.append("\n".join(("Metrics", *(metrics or ["  none yet"]))))
    datasets = [
        f"  {each.title or each.name}{_after(each.path)}{_after(each.description)}" for each in plan.datasets
    ]
    loads = [
        f"  {each.name}: {each.rate_per_s:g} {each.route} requests/s ({each.arrivals}), {each.duration_s:g} s"
        for each in plan.loads
    ]
    for title, lines in (
        ("Data sets", datasets),
        ("Loads", loads),
        ("Baselines", [f"  {each}" for each in plan.baselines]),
    ):
        if lines:
            blocks.append("\n".join((title, *lines)))
    return "\n\n".join(blocks) + "\n"


def _metric(metric: EvaluationMetric, width: int) -> list[str]:
    details = (
        metric.description,
        _labelled("measure", metric.measure),
        _labelled("on", ", under load ".join(filter(None, (metric.data or "", metric.load or "")))),
        _labelled("measured", metric.measurement_method),
        _labelled("how often", metric.frequency),
    )
    first = f"  {metric.title or metric.name:<{width}}  {metric.target}".rstrip()
    return [first, *(f"    {detail}" for detail in details if detail)]


def _labelled(label: str, text: str) -> str:
    return f"{label}: {text}" if text else ""


def _after(text: str) -> str:
    return f": {text}" if text else ""
