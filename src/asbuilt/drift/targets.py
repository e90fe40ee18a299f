"""Layer 5: the targets against the last evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from asbuilt.blueprint import Blueprint, Loaded
from asbuilt.blueprint.fault import Steps, shown
from asbuilt.drift.difference import Difference

__all__ = ["target_differences"]


def target_differences(
    loaded: Loaded, blueprint: Blueprint, evidence: Mapping[str, Mapping[str, Any]]
) -> list[Difference]:
    """`evidence` has the newest stored measurement of each metric, with its `run`. A metric without any
    is no difference: nothing contradicts it."""
    return list(_differences(loaded, blueprint, evidence))


def _differences(
    loaded: Loaded, blueprint: Blueprint, evidence: Mapping[str, Mapping[str, Any]]
) -> Iterator[Difference]:
    for metric in blueprint.evaluation.metrics:
        found = evidence.get(metric.name)
        if found is None or not metric.measure:
            continue
        at: Steps = ("evaluation", "metrics", metric.name)
        changed = False
        for key in ("measure", "target", "data", "load"):
            mine, theirs = getattr(metric, key), found[key]
            if mine != theirs:
                changed = True
                message = f"the evidence of run {found['run']} is for {shown(theirs)}; run `asbuilt eval`"
                yield _at(loaded, (*at, key), message, mine)
        if not changed and found["verdict"] == "FAIL":
            message = f"is missed: run {found['run']} measured {found['shown']}"
            yield _at(loaded, (*at, "target"), message, metric.target)


def _at(loaded: Loaded, steps: Steps, message: str, value: Any) -> Difference:
    return Difference("targets", loaded.tree.fault(steps, message, value=shown(value) if value else ""))
