"""Layer 1: what the blueprint says of a component against the class that plays it."""

from __future__ import annotations

from asbuilt.blueprint import Loaded, check
from asbuilt.drift.difference import Difference

__all__ = ["port_differences"]


def port_differences(loaded: Loaded) -> list[Difference]:
    """Every fault of the blueprint that `asbuilt check` finds; warnings are its own business."""
    return [Difference("ports", fault) for fault in check(loaded) if fault.severity == "error"]
