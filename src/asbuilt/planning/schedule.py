"""When what can be built: waves, the critical path, hours."""

from __future__ import annotations

from dataclasses import dataclass

from asbuilt.blueprint import Blueprint, resolve_needs, sorted_names, sorted_waves
from asbuilt.blueprint.order import find_cycles, graph_of
from asbuilt.errors import BlueprintError

__all__ = ["Schedule", "schedule"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """`waves` hold what can be built side by side. `critical_path` is the chain of components with the most
    hours: with enough hands, building takes `critical_hours`. Components in `unestimated` state no hours
    and count as none."""

    order: tuple[str, ...]
    waves: tuple[tuple[str, ...], ...]
    critical_path: tuple[str, ...]
    critical_hours: float
    total_hours: float
    unestimated: tuple[str, ...]


def schedule(blueprint: Blueprint) -> Schedule:
    """Raises BlueprintError for a cycle, or for needs that cannot be met."""
    graph = graph_of(blueprint, resolve_needs(blueprint))
    if cycles := find_cycles(graph):
        named = tuple(f"cycle: {' -> '.join(cycle)}" for cycle in cycles)
        raise BlueprintError(f"no build order exists: {'; '.join(named)}.", faults=named)
    order = tuple(sorted_names(graph))
    hours = {each.name: each.estimated_hours or 0.0 for each in blueprint.components}
    done: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for name in order:
        # Of equally long ways the alphabetically first, so that the path does not depend on hashing.
        inside = sorted(each for each in graph[name] if each in done)
        before[name] = max(inside, key=lambda each: done[each], default=None)
        done[name] = hours[name] + (done[latest] if (latest := before[name]) is not None else 0.0)
    path: list[str] = []
    at: str | None = max(order, key=lambda name: done[name], default=None)
    while at is not None:
        path.append(at)
        at = before[at]
    return Schedule(
        order,
        tuple(sorted_waves(graph)),
        tuple(reversed(path)),
        max(done.values(), default=0.0),
        sum(hours.values()),
        tuple(each.name for each in blueprint.components if each.estimated_hours is None),
    )
