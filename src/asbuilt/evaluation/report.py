"""A result as one HTML page that needs nothing else: no scripts, no fonts, no network."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from asbuilt.evaluation.charts import ecdf, interval_bar, trend
from asbuilt.evaluation.result import Comparison, EvaluationResult, Measurement
from asbuilt.evaluation.wording import amount, difference, interval

__all__ = ["render_report"]


def render_report(result: EvaluationResult, *, earlier: Sequence[Mapping[str, Any]] = ()) -> str:
    """`earlier` are stored results of earlier runs, oldest first, for the trend of each metric."""
    page = Environment(loader=PackageLoader("asbuilt.evaluation"), autoescape=True).get_template(
        "report.html.j2"
    )
    return page.render(
        run=result.run,
        about=result.about,
        summary=_summary(result),
        measurements=[_shown(each, result.run, earlier) for each in result.measurements],
        loads=[_load(name, load, result.measurements) for name, load in result.loads.items()],
        facts=[(name.replace("_", " "), _fact(value)) for name, value in result.about.items()],
    )


def _summary(result: EvaluationResult) -> str:
    words = {"PASS": "met", "FAIL": "missed", "INCONCLUSIVE": "undecided", "PLANNED": "planned"}
    counts = {verdict: sum(m.verdict == verdict for m in result.measurements) for verdict in words}
    return ", ".join(f"{counts[verdict]} {word}" for verdict, word in words.items() if counts[verdict]) + "."


def _shown(m: Measurement, run: str, earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        **{name: getattr(m, name) for name in m.__slots__},
        "shown": {"value": amount(m.value, m.unit), "interval": interval(m)},
        "chart": Markup(_bar(m)),
        "trend": Markup(_trend(m, run, earlier)),
        "comparisons": [_compared(each, m.unit) for each in m.comparisons],
    }


def _compared(c: Comparison, unit: str) -> dict[str, Any]:
    return {
        **{name: getattr(c, name) for name in c.__slots__},
        "shown": {"value": amount(c.value, unit), "difference": difference(c, unit)},
    }


def _bar(m: Measurement) -> str:
    if m.value is None or m.low is None or m.high is None:
        return ""
    finite = [each for each in (m.value, m.low, m.high, m.target_value) if each and math.isfinite(each)]
    highest = 1.0 if m.unit == "share" else 1.15 * max(finite, default=1.0)
    return interval_bar(m.value, m.low, m.high, target=m.target_value, lowest=0.0, highest=highest)


def _trend(m: Measurement, run: str, earlier: Sequence[Mapping[str, Any]]) -> str:
    points = [
        _point(str(stored["run"]), each)
        for stored in earlier
        for each in stored["measurements"]
        if (each["name"], each["measure"], each["data"], each["load"]) == (m.name, m.measure, m.data, m.load)
        if stored["run"] != run
    ]
    if m.value is not None and m.low is not None and m.high is not None:
        points.append((run, m.value, m.low, m.high))
    return trend(points, target=m.target_value)


def _point(run: str, stored: Mapping[str, Any]) -> tuple[str, float, float, float]:
    """What is infinite was stored as null."""
    value, low, high = (
        math.inf if stored[key] is None else float(stored[key]) for key in ("value", "low", "high")
    )
    return run, value, low, high


def _load(name: str, load: Mapping[str, Any], measurements: Sequence[Measurement]) -> dict[str, Any]:
    targets = [
        1000 * m.target_value
        for m in measurements
        if m.load == name and ".latency." in m.measure and m.target_value is not None
    ]
    return {
        "name": name,
        "summary": load["summary"],
        "refused": load["refused"],
        "chart": Markup(ecdf(load["latencies_ms"], targets_ms=targets)),
    }


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_fact(each)}" for key, each in value.items())
    return value if isinstance(value, str) else json.dumps(value)
