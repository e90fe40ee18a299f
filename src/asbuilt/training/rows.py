"""Rows as collectors find them, fit to learn from or not."""

from __future__ import annotations

from dataclasses import dataclass

from asbuilt.lineage import TrainingRow
from asbuilt.roles import Releasable

__all__ = ["FaultyRow", "make_room"]


@dataclass(frozen=True, slots=True)
class FaultyRow(TrainingRow):
    """What was found in place of a row: `fault` says why nothing can be learnt from it. It is passed on,
    so that the preprocessor counts it among what it rejects; it may have no messages at all."""

    fault: str = ""


def make_room(renderer: object) -> None:
    """Have what rendered rows let go of its models, where it can: a training comes next."""
    if isinstance(renderer, Releasable):
        renderer.release()
