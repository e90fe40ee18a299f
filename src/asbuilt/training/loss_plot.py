"""The losses of a training as a picture: SVG text that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["loss_plot"]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 300, 52, 34
_STYLE = (
    "text{font:12px sans-serif;fill:#555}.axis{stroke:#ddd}"
    ".train{fill:none;stroke:#8ab}.check{fill:none;stroke:#c40;stroke-width:2}"
)


def loss_plot(lines: Iterable[Mapping[str, Any]]) -> str:
    """`lines` are those of metrics.jsonl: "step" with "loss" or "validation_loss"."""
    lines = list(lines)
    train = [(each["step"], each["loss"]) for each in lines if "loss" in each]
    checks = [(each["step"], each["validation_loss"]) for each in lines if "validation_loss" in each]
    last = max((step for step, _ in (*train, *checks)), default=1)
    top = 1.05 * max((loss for _, loss in (*train, *checks)), default=1.0) or 1.0

    def point(step: float, loss: float) -> str:
        x = _LEFT + step / last * (_WIDTH - _LEFT - 12)
        y = _HEIGHT - _BOTTOM - loss / top * (_HEIGHT - _BOTTOM - 12)
        return f"{x:.1f},{y:.1f}"

    def line(points: Sequence[tuple[float, float]], kind: str) -> str:
        return f'<polyline class="{kind}" points="{" ".join(point(*each) for each in points)}"/>'

    parts = [f"<style>{_STYLE}</style>"]
    for quarter in range(5):
        loss = top * quarter / 4
        x, y = point(0, loss).split(",")
        parts.append(f'<line class="axis" x1="{x}" x2="{_WIDTH - 12}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{loss:.2f}</text>')
        x = point(last * quarter / 4, 0).split(",")[0]
        anchor = "end" if quarter == 4 else "middle"
        parts.append(
            f'<text x="{x}" y="{_HEIGHT - 14}" text-anchor="{anchor}">{round(last * quarter / 4)}</text>'
        )
    parts += [line(train, "train"), line(checks, "check")]
    parts.append(
        f'<text x="{_WIDTH - 12}" y="24" text-anchor="end">of each step (blue), of validation (red)</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="loss over steps">{"".join(parts)}</svg>\n'
    )
