"""Targets of the evaluation plan that a running service can be held to, from its own metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from asbuilt.blueprint import Blueprint
from asbuilt.blueprint.measures import MeasureRef, parse_measure
from asbuilt.blueprint.target import Target

__all__ = [
    "ErrorObjective", "LatencyObjective", "MemoryObjective", "RequestObjective", "error_objectives",
    "latency_objectives", "memory_objectives",
]  # fmt: skip

Route = Literal["chat", "search"]


@dataclass(frozen=True, slots=True)
class LatencyObjective:
    """`percent` of requests end, or give their first token, within `seconds`. `name`: the metric's."""

    name: str
    target: str
    route: Route
    seconds: float
    percent: float
    first_token: bool = False

    @property
    def budget(self) -> float:
        """Share of requests that may be slower."""
        return round(1 - self.percent / 100, 6)


@dataclass(frozen=True, slots=True)
class ErrorObjective:
    """At most the share `budget` of requests fails."""

    name: str
    target: str
    route: Route
    budget: float


RequestObjective = LatencyObjective | ErrorObjective
"""What a share of requests must do."""


@dataclass(frozen=True, slots=True)
class MemoryObjective:
    """Resident memory stays under `limit_bytes`."""

    name: str
    target: str
    limit_bytes: float


def latency_objectives(blueprint: Blueprint) -> tuple[LatencyObjective, ...]:
    """Those of the measures ``chat.latency``, ``chat.first_token`` and ``search.latency``."""
    return tuple(
        LatencyObjective(
            name,
            target,
            "search" if ref.measure.name.startswith("search") else "chat",
            seconds=round(number, 9),  # 0.7 for 700 ms, which is an edge in the exposition
            percent=ref.percent,
            first_token=ref.measure.name == "chat.first_token",
        )
        for name, target, ref, number in _upper_bounds(blueprint)
        if ref.percent is not None
    )


def error_objectives(blueprint: Blueprint) -> tuple[ErrorObjective, ...]:
    """Those of the measures ``chat.error_rate`` and ``search.error_rate``."""
    routes: dict[str, Route] = {"chat.error_rate": "chat", "search.error_rate": "search"}
    return tuple(
        ErrorObjective(name, target, routes[ref.measure.name], number)
        for name, target, ref, number in _upper_bounds(blueprint)
        if ref.measure.name in routes
    )


def memory_objectives(blueprint: Blueprint) -> tuple[MemoryObjective, ...]:
    """Those of the measure ``memory.peak``."""
    return tuple(
        MemoryObjective(name, target, number)
        for name, target, ref, number in _upper_bounds(blueprint)
        if ref.measure.name == "memory.peak"
    )


def _upper_bounds(blueprint: Blueprint) -> Iterator[tuple[str, str, MeasureRef, float]]:
    """Metrics with a target that is not to be exceeded: name, target, measure, number in its unit.

    Raises UserError for what checking the blueprint reports.
    """
    for metric in blueprint.evaluation.metrics:
        if not metric.measure:
            continue
        ref, target = parse_measure(metric.measure), Target.parse(metric.target)
        if target.comparison in ("<", "<="):
            yield metric.name, metric.target, ref, ref.threshold(target)
