"""Rows as collectors find them, fit to learn from or not."""

from __future__ import annotations

from dataclasses import dataclass

from asbuilt.lineage import TrainingRow

__all__ = ["FaultyRow"]


@dataclass(frozen=True, slots=True)
class FaultyRow(TrainingRow):
    """What was found in place of a row: `fault` says why nothing can be learnt from it. It is passed on,
    so that the preprocessor counts it among what it rejects; it may have no messages at all."""

    fault: str = ""
