"""What every diagram of a blueprint shows: components in waves, what each builds on, what is outside."""

from __future__ import annotations

from dataclasses import dataclass

from asbuilt.blueprint.order import acyclic_graph, sorted_waves
from asbuilt.blueprint.spec import Blueprint

__all__ = ["Drawing", "drawing_of"]


@dataclass(frozen=True, slots=True)
class Drawing:
    """Names throughout. `edges` lead from what stands first to what builds on it, sorted."""

    waves: tuple[tuple[str, ...], ...]
    edges: tuple[tuple[str, str], ...]
    outside: tuple[str, ...]


def drawing_of(blueprint: Blueprint) -> Drawing:
    """Raises BlueprintError that names a cycle, or for needs that cannot be met."""
    graph = acyclic_graph(blueprint)
    edges = sorted((before, name) for name, all_before in graph.items() for before in all_before)
    outside = sorted({before for before, _ in edges} - graph.keys())
    return Drawing(tuple(sorted_waves(graph)), tuple(edges), tuple(outside))
