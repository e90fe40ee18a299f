"""Layer 3: declared components and needs against those that run, and the calls that were seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from asbuilt.blueprint import Blueprint, Loaded
from asbuilt.blueprint.fault import Steps, shown
from asbuilt.blueprint.wiring import wiring
from asbuilt.drift.difference import Difference

__all__ = ["call_differences", "component_differences"]


def component_differences(
    loaded: Loaded, blueprint: Blueprint, running: Mapping[str, Mapping[str, Any]]
) -> list[Difference]:
    """`running` is what a process was built from, as `asbuilt.blueprint.wiring` says it."""
    return list(_components(loaded, wiring(blueprint), running))


def _components(
    loaded: Loaded, declared: Mapping[str, Mapping[str, Any]], running: Mapping[str, Mapping[str, Any]]
) -> Iterator[Difference]:
    for name in sorted(declared.keys() - running.keys()):
        yield _at(loaded, ("components", name, "use"), "is declared, but does not run", name)
    for name in sorted(running.keys() - declared.keys()):
        yield _at(loaded, ("components",), f"{name!r} runs, but is not declared", "")
    for name in sorted(declared.keys() & running.keys()):
        for part in ("use", "config", "needs"):
            yield from _part(loaded, ("components", name, part), declared[name][part], running[name][part])


def _part(loaded: Loaded, steps: Steps, declared: Any, running: Any) -> Iterator[Difference]:
    if declared == running:
        return
    if not isinstance(declared, dict):
        yield _at(loaded, steps, f"runs as {shown(running)}", declared)
        return
    missing = "(left out)"
    for key in sorted(declared.keys() | running.keys()):
        mine, theirs = declared.get(key, missing), running.get(key, missing)
        if mine != theirs:
            yield _at(loaded, (*steps, key), f"runs with {shown(theirs)}", mine)


def call_differences(
    loaded: Loaded, blueprint: Blueprint, calls: Collection[tuple[str, str]]
) -> list[Difference]:
    """`calls` are (caller, callee) pairs of component names that were seen while running.

    A call that no need declares is a difference. A need that was never used is none: a tool that no
    question asked for, say.
    """
    declared = {
        (name, target)
        for name, parts in wiring(blueprint).items()
        for given in parts["needs"].values()
        for target in ([given] if isinstance(given, str) else given)
    }
    names = set(blueprint.names())
    return [
        _at(
            loaded,
            ("components", caller, "needs") if caller in names else ("components",),
            f"{caller!r} called {callee!r}, which it does not declare as a need",
            "",
        )
        for caller, callee in sorted(set(calls) - declared)
    ]


def _at(loaded: Loaded, steps: Steps, message: str, value: Any) -> Difference:
    return Difference("wiring", loaded.tree.fault(steps, message, value=shown(value) if value else ""))
