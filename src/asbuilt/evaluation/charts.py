"""Charts of the report: SVG text that needs nothing else. Colours are the page's CSS classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

__all__ = ["ecdf", "interval_bar", "trend"]

_WIDTH, _PAD = 640, 44
_TICKS = 4


def interval_bar(
    value: float, low: float, high: float, *, target: float | None, lowest: float, highest: float
) -> str:
    """An estimate with its interval on an axis from `lowest` to `highest`, and the target as a line."""
    width, height = 220, 22

    def x(number: float) -> float:
        share = (min(max(number, lowest), highest) - lowest) / ((highest - lowest) or 1)
        return round(4 + share * (width - 8), 1)

    parts = [
        f'<line class="axis" x1="4" x2="{width - 4}" y1="11" y2="11"/>',
        f'<line class="interval" x1="{x(low)}" x2="{x(high)}" y1="11" y2="11"/>',
        f'<circle class="value" cx="{x(value)}" cy="11" r="4"/>',
    ]
    if target is not None:
        parts.append(f'<line class="target" x1="{x(target)}" x2="{x(target)}" y1="2" y2="20"/>')
    return _svg(width, height, "".join(parts), "estimate, 95 % interval and target")


def ecdf(latencies_ms: Sequence[float], *, targets_ms: Sequence[float] = ()) -> str:
    """Share of requests answered within a time; failed requests, being infinite, never arrive."""
    finite = sorted(each for each in latencies_ms if math.isfinite(each))
    if not finite:
        return ""
    height = 240
    longest = 1.05 * max([finite[-1], *targets_ms]) or 1.0

    def point(ms: float, share: float) -> str:
        return f"{_PAD + ms / longest * (_WIDTH - _PAD - 12):.1f},{height - 30 - share * (height - 50):.1f}"

    step = max(1, len(finite) // 400)
    kept = [(ms, (at + 1) / len(latencies_ms)) for at, ms in enumerate(finite) if at % step == 0]
    kept.append((finite[-1], len(finite) / len(latencies_ms)))
    line = " ".join(point(ms, share) for ms, share in [(0.0, 0.0), *kept])
    parts = [_grid(height, [(share, f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 0.95, 1)])]
    digits = 0 if longest > 20 else 2
    for number in range(_TICKS + 1):
        ms = longest * number / _TICKS
        at = point(ms, 0).split(",")[0]
        anchor = "end" if number == _TICKS else "middle"  # the last one would be cut off
        parts.append(f'<text x="{at}" y="{height - 12}" text-anchor="{anchor}">{ms:,.{digits}f} ms</text>')
    parts.append(f'<polyline class="line" points="{line}"/>')
    for target in targets_ms:
        at = point(target, 0).split(",")[0]
        parts.append(f'<line class="target" x1="{at}" x2="{at}" y1="16" y2="{height - 30}"/>')
    return _svg(_WIDTH, height, "".join(parts), "share of requests answered within a time")


def trend(points: Sequence[tuple[str, float, float, float]], *, target: float | None) -> str:
    """(run, value, low, high) of one metric over runs, oldest first."""
    known = [each for _, *numbers in points for each in numbers if math.isfinite(each)]
    if len(points) < 2 or not known:
        return ""
    height = 150
    everything = [*known, *([target] if target is not None else [])]
    lowest, highest = min(everything), max(everything)
    span = (highest - lowest) or abs(highest) or 1.0

    def point(at: float, number: float) -> str:
        share = (number - lowest + 0.05 * span) / (1.1 * span)
        return (
            f"{_PAD + at * (_WIDTH - _PAD - 12) / max(1, len(points) - 1):.1f},"
            f"{height - 24 - share * (height - 40):.1f}"
        )

    parts = []
    if target is not None:
        y = point(0, target).split(",")[1]
        parts.append(f'<line class="target" x1="{_PAD}" x2="{_WIDTH - 12}" y1="{y}" y2="{y}"/>')
    line = " ".join(point(at, value) for at, (_, value, _, _) in enumerate(points) if math.isfinite(value))
    parts.append(f'<polyline class="line" points="{line}"/>')
    for at, (run, value, low, high) in enumerate(points):
        if not all(map(math.isfinite, (value, low, high))):
            continue
        x, y = point(at, value).split(",")
        top, bottom = point(at, high).split(",")[1], point(at, low).split(",")[1]
        parts.append(f'<line class="interval thin" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>')
        parts.append(f'<circle class="value" cx="{x}" cy="{y}" r="3.5"><title>{escape(run)}</title></circle>')
    for number in (lowest, highest):
        y = point(0, number).split(",")[1]
        parts.append(f'<text x="{_PAD - 6}" y="{y}" text-anchor="end">{number:.3g}</text>')
    return _svg(_WIDTH, height, "".join(parts), "the metric over runs")


def _grid(height: int, shares: Sequence[tuple[float, str]]) -> str:
    lines = []
    for share, label in shares:
        y = height - 30 - share * (height - 50)
        lines.append(f'<line class="axis" x1="{_PAD}" x2="{_WIDTH - 12}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{_PAD - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    return "".join(lines)


def _svg(width: int, height: int, content: str, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(label)}">{content}</svg>'
    )
