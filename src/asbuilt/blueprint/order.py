"""What is built after what."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from asbuilt.blueprint.needs import Given, resolve_needs
from asbuilt.blueprint.spec import Blueprint
from asbuilt.errors import BlueprintError

__all__ = [
    "Graph",
    "acyclic_graph",
    "build_order",
    "build_waves",
    "find_cycles",
    "graph_of",
    "sorted_names",
    "sorted_waves",
]

Graph = Mapping[str, Iterable[str]]
"""Each name with the names that come before it. Those that are no key themselves count as there."""


def graph_of(blueprint: Blueprint, resolved: Mapping[str, Mapping[str, Given]]) -> dict[str, frozenset[str]]:
    """Every component with those that must stand before it. Names outside of the blueprint are kept."""
    graph: dict[str, frozenset[str]] = {}
    for component in blueprint.components:
        before = set(component.dependencies)
        for target in (*component.needs.values(), *resolved.get(component.name, {}).values()):
            before |= {target} if isinstance(target, str) else set(target or ())
        graph[component.name] = frozenset(before)
    return graph


def build_order(blueprint: Blueprint) -> list[str]:
    """All components, each after what it needs and depends on, alphabetical among those that are ready.

    Raises BlueprintError that names a cycle, or for needs that cannot be met.
    """
    return sorted_names(acyclic_graph(blueprint))


def build_waves(blueprint: Blueprint) -> list[tuple[str, ...]]:
    """Components that can be built side by side, wave after wave. Raises as `build_order` does."""
    return sorted_waves(acyclic_graph(blueprint))


def acyclic_graph(blueprint: Blueprint) -> dict[str, frozenset[str]]:
    """`graph_of` with needs resolved. Raises as `build_order` does."""
    graph = graph_of(blueprint, resolve_needs(blueprint))
    if cycles := find_cycles(graph):
        named = tuple(f"cycle: {' -> '.join(cycle)}" for cycle in cycles)
        raise BlueprintError(f"no build order exists: {'; '.join(named)}.", faults=named)
    return graph


def find_cycles(graph: Graph) -> list[tuple[str, ...]]:
    """Cycles that share no name, each from its alphabetically first name around to it again:
    ``("a", "b", "a")`` says that a needs b and b needs a. Empty when an order exists."""
    left = {name: [each for each in before if each in graph] for name, before in graph.items()}
    cycles: list[tuple[str, ...]] = []
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            # graphlib lists each name before the one that needs it; the last repeats the first.
            round_trip = list(reversed(error.args[1]))[1:]
            start = round_trip.index(min(round_trip))
            cycle = (*round_trip[start:], *round_trip[:start])
            cycles.append((*cycle, cycle[0]))
            left = {
                name: [each for each in before if each not in cycle]
                for name, before in left.items()
                if name not in cycle
            }
        else:
            return sorted(cycles)


def sorted_names(graph: Graph) -> list[str]:
    """Every name after those that come before it; of several that could be next, the alphabetically first.

    Raises graphlib.CycleError (a ValueError).
    """
    sorter = _prepared(graph)
    ready: list[str] = []
    order: list[str] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, name)
        order.append(heapq.heappop(ready))
        sorter.done(order[-1])
    return order


def sorted_waves(graph: Graph) -> list[tuple[str, ...]]:
    """Names that can be built side by side, wave after wave, each alphabetical.

    Raises graphlib.CycleError (a ValueError).
    """
    sorter = _prepared(graph)
    waves: list[tuple[str, ...]] = []
    while sorter.is_active():
        waves.append(tuple(sorted(sorter.get_ready())))
        sorter.done(*waves[-1])
    return waves


def _prepared(graph: Graph) -> TopologicalSorter[str]:
    sorter = TopologicalSorter(
        {name: [each for each in before if each in graph] for name, before in graph.items()}
    )
    sorter.prepare()
    return sorter
