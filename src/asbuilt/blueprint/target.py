"""What a metric must reach: ``>= 90 %``, ``< 3 s``, ``>= 10 requests/s``, ``>= 4 of 5``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from asbuilt.errors import UserError

__all__ = ["EXAMPLES", "UNITS", "Comparison", "Target"]

Comparison = Literal[">=", "<=", ">", "<"]

UNITS = ("", "%", "ms", "s", "min", "h", "MB", "GB", "MiB", "GiB", "/s", "requests/s", "tokens/s")
EXAMPLES = (">= 90 %", "< 3 s", ">= 10 requests/s", ">= 4.0 of 5")

_TARGET = re.compile(r"(>=|<=|>|<)\s*([0-9]+(?:\.[0-9]+)?)\s*(?:of\s+([0-9]+(?:\.[0-9]+)?)|(\D*))", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """`comparison` with `number`, in `unit`; with `best`, on a scale that ends there."""

    comparison: Comparison
    number: float
    unit: str = ""
    best: float | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Raises UserError."""
        found = _TARGET.fullmatch(text.strip())
        if found is None:
            raise UserError("is not a comparison with a number")
        comparison, number, best, unit = found.groups()
        unit = (unit or "").strip()
        if unit not in UNITS:
            raise UserError(f"has a unit that is not known: {unit!r}", hint=f"Units: {', '.join(UNITS[1:])}.")
        target = cls(cast(Comparison, comparison), float(number), unit, float(best) if best else None)
        limit = 100 if unit == "%" else target.best
        if limit is not None and (target.number > limit or (comparison == ">" and target.number == limit)):
            raise UserError(f"lies beyond {limit:g}, the most there can be")
        return target
