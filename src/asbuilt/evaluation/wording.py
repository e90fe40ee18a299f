"""Amounts in words, the same in the terminal and in the report."""

from __future__ import annotations

import math

from asbuilt.evaluation.result import Comparison, Measurement

__all__ = ["amount", "difference", "interval"]


def amount(value: float | None, unit: str) -> str:
    """``90.4 %``, ``2.31 s``, ``11.2 /s``, ``0.77 GB``; a share is stored from 0 to 1."""
    if value is None:
        return ""
    if math.isinf(value):
        return "never" if unit == "s" else "unbounded"
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit == "bytes":
        return f"{_digits(value / 1e9)} GB"
    return f"{_digits(value)} {_shown(unit)}".rstrip()


def interval(m: Measurement) -> str:
    """``86.1 % to 92.9 %``."""
    if m.low is None or m.high is None:
        return ""
    if m.low == -math.inf:  # too few cases for a bound
        return "" if m.high == math.inf else f"at most {amount(m.high, m.unit)}"
    return f"{amount(m.low, m.unit)} to {amount(m.high, m.unit)}"


def difference(c: Comparison, unit: str) -> str:
    """``+4.2 points (+1.0 to +7.5)`` for shares, in the unit otherwise."""
    if unit == "share":
        return f"{100 * c.difference:+.1f} points ({100 * c.low:+.1f} to {100 * c.high:+.1f})"
    change = f"{c.difference:+.3g} {_shown(unit)}".rstrip()
    return f"{change} ({c.low:+.3g} to {c.high:+.3g})"


def _digits(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _shown(unit: str) -> str:
    """A score from 0 to 1 has none."""
    return "" if unit == "score" else unit
