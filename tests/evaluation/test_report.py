"""Amounts in words, charts and exit codes: what a person or a script reads of a result."""

from __future__ import annotations

import json
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.blueprint import Target
from asbuilt.blueprint.measures import parse_measure
from asbuilt.errors import UserError
from asbuilt.evaluation.charts import ecdf, interval_bar, trend
from asbuilt.evaluation.report import render_report
from asbuilt.evaluation.result import Comparison, EvaluationResult, Measurement, WorstCase
from asbuilt.evaluation.wording import amount, difference, interval

NUMBERS = st.floats(-1e9, 1e9) | st.sampled_from([math.inf, -math.inf])


@pytest.mark.parametrize(
    ("measure", "target", "threshold"),
    [
        ("recall@5", ">= 90 %", 0.9),
        ("recall@5", ">= 0.9", 0.9),
        ("mrr", ">= 0.5", 0.5),
        ("mrr", ">= 50 %", 0.5),
        ("chat.latency.p95", "< 3 s", 3.0),
        ("chat.latency.p95", "< 300 ms", 0.3),
        ("chat.first_token.p50", "< 1 min", 60.0),
        ("chat.throughput", ">= 10 requests/s", 10.0),
        ("chat.throughput", ">= 10 /s", 10.0),
        ("memory.peak", "< 1.5 GB", 1.5e9),
        ("memory.peak", "< 1 GiB", 2.0**30),
        ("satisfaction", ">= 4 of 5", 4.0),
        ("satisfaction", ">= 4", 4.0),
    ],
)
def test_a_target_in_the_unit_of_its_measure(measure: str, target: str, threshold: float) -> None:
    assert parse_measure(measure).threshold(Target.parse(target)) == pytest.approx(threshold, rel=1e-12)


@pytest.mark.parametrize(
    ("measure", "target", "message"),
    [
        ("recall@5", "< 3 s", "not measured in 's'.*Units: '%', none"),
        ("recall@5", ">= 90", "at most 100 %.*Write 90 %"),
        ("recall@5", ">= 4 of 5", "not measured in 'of 5'"),
        ("chat.latency.p95", "< 3", "not measured in 'no unit'"),
        ("chat.throughput", ">= 10 tokens/s", "not measured in 'tokens/s'"),
        ("memory.peak", "< 90 %", "not measured in '%'"),
        ("satisfaction", ">= 8 of 10", "ratings from 1 to 5"),
        ("satisfaction", ">= 80 %", "not measured in '%'"),
    ],
)
def test_a_target_in_another_unit_is_refused(measure: str, target: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_measure(measure).threshold(Target.parse(target))


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.904, "share", "90.4 %"),
        (1.0, "share", "100.0 %"),
        (0.5, "score", "0.5"),
        (2.314, "s", "2.31 s"),
        (0.0123, "s", "0.0123 s"),
        (math.inf, "s", "never"),
        (math.inf, "/s", "unbounded"),
        (11.25, "/s", "11.2 /s"),
        (0.77e9, "bytes", "0.77 GB"),
        (4.25, "of 5", "4.25 of 5"),
        (None, "s", ""),
        (1234.0, "s", "1,234 s"),
    ],
)
def test_amounts(value: float | None, unit: str, words: str) -> None:
    assert amount(value, unit) == words


def test_intervals_and_differences() -> None:
    assert interval(Measurement("m", unit="share", low=0.861, high=0.929)) == "86.1 % to 92.9 %"
    assert interval(Measurement("m", unit="s", low=1.0, high=math.inf)) == "1 s to never"
    assert interval(Measurement("m", unit="s")) == ""
    assert interval(Measurement("m", unit="s", low=-math.inf, high=2.0)) == "at most 2 s"
    worse = Comparison("b", 0.9, -0.042, -0.075, -0.01, 100, "worse")
    assert difference(worse, "share") == "-4.2 points (-7.5 to -1.0)"
    assert difference(worse, "score") == "-0.042 (-0.075 to -0.01)"


# ---------------------------------------------------------------- charts


def numbers_of(svg: str) -> list[float]:
    """Every coordinate of a chart; it is well-formed XML."""
    root = ElementTree.fromstring(svg)
    found = []
    for each in root.iter():
        names = each.attrib.keys() & {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy"}
        found += [float(each.attrib[name]) for name in names]
        found += [float(number) for number in re.split("[ ,]", each.get("points", "")) if number]
    return found


@given(NUMBERS, NUMBERS, NUMBERS, st.none() | st.floats(0, 1e9), st.floats(0, 1e9))
def test_an_interval_stays_on_its_axis(
    value: float, low: float, high: float, target: float | None, highest: float
) -> None:
    svg = interval_bar(value, low, high, target=target, lowest=0.0, highest=highest)
    assert all(0 <= each <= 220 for each in numbers_of(svg))


@given(
    st.lists(st.floats(0, 1e7) | st.just(math.inf), max_size=900),
    st.lists(st.floats(0.001, 1e7), max_size=3),
)
def test_the_share_answered_never_falls_and_ends_below_what_failed(
    latencies: list[float], targets: list[float]
) -> None:
    svg = ecdf(latencies, targets_ms=targets)
    finite = sum(map(math.isfinite, latencies))
    assert bool(svg) == bool(finite)
    if not svg:
        return
    assert all(0 <= each <= 640 for each in numbers_of(svg))
    line = next(each for each in ElementTree.fromstring(svg).iter() if "points" in each.attrib)
    points = [tuple(map(float, each.split(","))) for each in line.attrib["points"].split()]
    assert points == sorted(points, key=lambda point: (point[0], -point[1]))
    assert points[-1][1] == pytest.approx(210 - finite / len(latencies) * 190, abs=0.06)


def test_the_last_label_of_the_axis_ends_at_the_edge() -> None:
    labels = re.findall(r'text-anchor="(\w+)">([^<]*) ms<', ecdf([100.0, 2000.0]))
    assert labels == [
        ("middle", "0"),
        ("middle", "525"),
        ("middle", "1,050"),
        ("middle", "1,575"),
        ("end", "2,100"),
    ]


@given(st.lists(st.tuples(st.text("ab<&\"'"), NUMBERS, NUMBERS, NUMBERS), max_size=5), st.none() | NUMBERS)
def test_a_trend_is_well_formed_whatever_the_numbers(
    points: list[tuple[str, float, float, float]], target: float | None
) -> None:
    if target is not None and math.isinf(target):
        target = None
    svg = trend(points, target=target)
    if svg:
        assert all(-1 <= each <= 641 for each in numbers_of(svg))


# ---------------------------------------------------------------- results

RESULT = EvaluationResult(
    "20261123-000000",
    {"blueprint": {"system": "<b>x</b>", "digest": "0" * 64}, "started": "now"},
    (
        Measurement(
            "latency",
            "<img src=x>",
            "< 3 s",
            "FAIL",
            "chat.latency.p95",
            unit="s",
            load="steady",
            value=math.inf,
            low=2.0,
            high=math.inf,
            target_value=3.0,
            n=100,
        ),
        Measurement(
            "accuracy",
            target=">= 80 %",
            verdict="INCONCLUSIVE",
            measure="accuracy.exact",
            unit="share",
            value=0.8,
            low=0.7,
            high=0.9,
            target_value=0.8,
            n=50,
            needs_more=1234,
            comparisons=(Comparison("run 1", 0.7, 0.1, 0.01, 0.2, 50, "better", ("q1",), ("q2",)),),
            worst=(WorstCase("q9", "<script>alert(1)</script>", "a", 0.0, "</pre><b>", "e", ("p\n<i>",)),),
        ),
    ),
    {
        "steady": {
            "route": "chat",
            "summary": "100 requests",
            "refused": "",
            "latencies_ms": [1.0, math.inf],
        }
    },
)


def test_a_report_shows_hostile_text_as_text_and_every_metric() -> None:
    page = render_report(RESULT)
    for tag in ("<script", "<img", "<i>", "<b>x", "http://", "https://"):
        assert tag not in page, tag
    for words in ("latency", "accuracy", "never", "&lt;script&gt;alert(1)", "needs about 1,234 more", "q1"):
        assert words in page, words


def test_a_result_is_plain_json_without_infinities() -> None:
    stored = json.loads(json.dumps(RESULT.to_json(), allow_nan=False))
    assert stored["measurements"][0]["value"] is None
    assert stored["loads"]["steady"]["latencies_ms"] == [1.0, None]
    again = render_report(RESULT, earlier=[{**stored, "run": "20261122-000000"}])
    assert "Over runs" in again  # of the accuracy, whose numbers are finite


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (["PASS", "PLANNED"], 0),
        (["PLANNED"], 0),
        (["PASS", "INCONCLUSIVE"], 2),
        (["INCONCLUSIVE", "FAIL", "PASS"], 1),
    ],
)
def test_exit_codes(verdicts: list[str], code: int) -> None:
    measurements = tuple(Measurement(each, verdict=each) for each in verdicts)  # type: ignore[arg-type]
    assert EvaluationResult("r", {}, measurements).exit_code == code


@pytest.mark.parametrize(("name", "code"), [("run 20261122-000000", 1), ("retrieval-alone", 0)])
def test_proven_worse_than_an_earlier_run_fails_and_a_better_baseline_does_not(name: str, code: int) -> None:
    worse = Comparison(name, 0.9, -0.1, -0.2, -0.01, 100, "worse")
    measurement = Measurement("m", verdict="PASS", comparisons=(worse,))
    assert EvaluationResult("r", {}, (measurement,)).exit_code == code
