"""Faults and warnings of the evaluation section."""

# ruff: noqa: E501 - a fault is one line, and reads best as one

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.blueprint import check, load_text
from asbuilt.blueprint.cases import Case, read_cases
from asbuilt.blueprint.measures import MEASURES, parse_measure
from asbuilt.blueprint.target import Target
from asbuilt.errors import AsbuiltError, UserError

HEAD = """\
blueprint: 1
system: {name: x, purpose: y}
components: {a: {purpose: p}}
evaluation:
"""


def write(folder: Path, rows: Iterable[dict[str, object]], name: str = "known.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, ({"id": str(n), "question": f"q{n}", "documents": [f"d{n}"]} for n in range(40)))
    return tmp_path


def found(folder: Path, evaluation: str) -> list[str]:
    faults = check(load_text(HEAD + evaluation, file=folder / "blueprint.yaml"))
    return [fault.format("b").replace(f"{folder}/", "") for fault in faults]


def metric(folder: Path, fields: str) -> list[str]:
    """Faults of one metric, without their place."""
    text = f"""\
  data: {{known: {{path: known.jsonl}}}}
  load:
    steady: {{data: known, rate_per_s: 10, duration_s: 30}}
    searching: {{route: search, data: known}}
  metrics: {{m: {{{fields}}}}}
"""
    return [line.split(": ", 1)[1].replace("evaluation.metrics.", "") for line in found(folder, text)]


ALL = ", ".join([each.written for each in MEASURES.values()][:12])


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ("target: '> 1'", ["m.measure: is missing; a metric that is only planned says its method in words"]),
        ("method: by hand, target: 'people like it'", []),
        ("measure: recall@5, data: known", ["m.target: is missing"]),
        ("measure: recall@5, data: known, target: high", ["m.target: is not a comparison with a number ('high'); allowed: >= 90 %, < 3 s, >= 10 requests/s, >= 4.0 of 5"]),
        ("measure: recall@5, data: known, target: '< 3 s'", ["m.target: recall is not measured in 's'. Units: '%', none. ('< 3 s'); allowed: >= 90 %, < 3 s, >= 10 requests/s, >= 4.0 of 5"]),
        ("measure: recall@5, target: '>= 90 %'", ["m.data: is missing: recall is taken on a data set"]),
        ("measure: memory.peak, target: '< 1.5 GB'", ["m.load: is missing: memory.peak is taken under a load"]),
        ("measure: satisfaction, load: steady, target: '>= 4.0 of 5'", ["m.load: satisfaction is not taken under a load ('steady')"]),
        ("measure: recall@5, data: knwon, target: '>= 90 %'", ["m.data: is no data set of this blueprint ('knwon'); allowed: known; did you mean 'known'?"]),
        ("measure: chat.latency.p95, load: stady, target: '< 3 s'", ["m.load: is no load of this blueprint ('stady'); allowed: steady, searching; did you mean 'steady'?"]),
        ("measure: recal@5, data: known, target: '>= 90 %'", [f"m.measure: there is no measure 'recal@5'. Did you mean 'recall@k'? ('recal@5'); allowed: {ALL} and {len(MEASURES) - 12} more"]),
        ("measure: recall, data: known, target: '>= 90 %'", [f"m.measure: 'recall' is not written as recall@k. For example recall@5, chat.latency.p95. ('recall'); allowed: {ALL} and {len(MEASURES) - 12} more"]),
        ("measure: recall@5, data: known, target: '>= 95 %'", ["warning: m.target: cannot be decided with 40 cases: even if all go well, 59 are needed (95 % confidence) ('>= 95 %')"]),
        ("measure: recall@5, data: known, target: '>= 90 %'", []),
        ("measure: recall@5, data: known, target: '>= 100 %'", ["warning: m.target: cannot be proven: no number of cases is enough to rule out a single failure ('>= 100 %')"]),
        ("measure: precision@5, data: known, target: '>= 30 %'", ["warning: m.target: cannot be reached: the best possible precision@5 on this data is 20.0%, because of the number of relevant documents; success@5 asks for any one of them ('>= 30 %')"]),
        ("measure: accuracy.exact, data: known, target: '>= 30 %'", ["warning: m.target: cannot be measured: no case has a reference ('>= 30 %')"]),
        ("measure: chat.latency.p95, load: steady, target: '< 3 s'", []),
        ("measure: chat.latency.p99.9, load: steady, target: '< 3 s'", ["warning: m.target: cannot be decided: the load 'steady' sends about 300 requests, and percentile 99.9 needs 2995 at least ('< 3 s')"]),
        ("measure: chat.latency.p95, load: steady, target: '< 40 s'", ["warning: m.target: cannot fail: the load 'steady' gives up after 30 s ('< 40 s')"]),
        ("measure: chat.throughput, load: steady, target: '>= 12 requests/s'", ["warning: m.target: cannot be reached: the load 'steady' sends 10 requests a second ('>= 12 requests/s')"]),
        ("measure: chat.throughput, load: steady, target: '>= 10 requests/s'", ["warning: m.target: can hardly be decided: the load 'steady' sends 10 requests a second, which proves about 9.05 at best; raise rate_per_s or duration_s ('>= 10 requests/s')"]),
        ("measure: chat.latency.p95, load: searching, target: '< 3 s'", ["m.load: chat.latency is not taken from a load on search ('searching'); allowed: steady"]),
        ("measure: accuracy.exact, data: known, load: searching, target: '>= 20 %'", ["m.load: accuracy.exact is not taken from a load on search ('searching'); allowed: steady", "warning: m.target: cannot be measured: no case has a reference ('>= 20 %')"]),
        ("measure: refusal.accuracy, data: known, load: steady, target: '>= 90 %'", ["warning: m.target: says nothing of refusals: no case is unanswerable ('>= 90 %')"]),
        ("measure: recall@5, data: known, load: searching, target: '>= 90 %'", ["m.load: recall is not taken under a load ('searching')"]),
        ("measure: memory.peak, load: searching, target: '< 1.5 GB'", []),
        ("measure: recall@5, data: known, target: '< 90 %'", ["warning: m.target: asks for less, and more is better ('< 90 %')"]),
        ("measure: chat.latency.p95, load: steady, target: '> 3 s'", ["warning: m.target: asks for more, and less is better ('> 3 s')"]),
        ("measure: ndcg@10, data: known, target: '>= 0.95'", ["warning: m.target: cannot be decided with 40 cases: even if all go well, 59 are needed (95 % confidence) ('>= 0.95')"]),
        ("measure: satisfaction, target: '>= 5 of 5'", ["warning: m.target: cannot be proven: no number of ratings rules out a single one below 5 ('>= 5 of 5')"]),
        ("measure: satisfaction, target: '>= 1 of 5'", ["warning: m.target: cannot fail: no satisfaction is below 1 ('>= 1 of 5')"]),
        ("measure: chat.error_rate, load: steady, target: '< 0.5 %'", ["warning: m.target: cannot be decided with about 300 requests: 598 are needed (95 % confidence) ('< 0.5 %')"]),
    ],
)  # fmt: skip
def test_a_metric(folder: Path, fields: str, lines: list[str]) -> None:
    assert metric(folder, fields) == lines


def test_ten_relevant_documents_make_recall_at_five_unreachable(tmp_path: Path) -> None:
    ten = [f"d{n}" for n in range(10)]
    write(tmp_path, ({"id": str(n), "question": f"q{n}", "documents": ten} for n in range(40)))
    [line] = metric(tmp_path, "measure: recall@5, data: known, target: '>= 90 %'")
    assert "cannot be reached: the best possible recall@5 on this data is 50.0%" in line


def test_answers_under_load_are_those_to_the_loads_own_questions(folder: Path) -> None:
    rows: list[dict[str, object]] = [{"id": str(n), "question": f"q{n}", "reference": "r"} for n in range(40)]
    write(folder, rows, "other.jsonl")
    text = """\
  data: {known: {path: known.jsonl}, other: {path: other.jsonl}}
  load: {steady: {data: known}}
  metrics: {m: {measure: accuracy.exact, data: other, load: steady, target: '>= 80 %'}}
"""
    [line] = found(folder, text)
    assert line.endswith("m.data: the load 'steady' asks other questions ('other'); allowed: known")


def test_clusters_are_what_counts(tmp_path: Path) -> None:
    write(
        tmp_path,
        (
            {"id": str(n), "question": f"q{n}", "documents": ["d"], "cluster": f"c{n % 20}"}
            for n in range(200)
        ),
    )
    [line] = metric(tmp_path, "measure: recall@5, data: known, target: '>= 90 %'")
    assert "cannot be decided with 20 clusters of cases: even if all go well, 29 are needed" in line


def test_questions_that_repeat_are_pointed_out(tmp_path: Path) -> None:
    write(tmp_path, ({"id": str(n), "question": "one" if n < 3 else f"q{n}"} for n in range(9)))
    [line] = found(tmp_path, "  data: {a: {path: known.jsonl}}\n")
    message = "repeats 2 of its 9 questions, which then count more than once; most often 'one'"
    assert line == f"b:5:20: warning: evaluation.data.a.path: {message}"


@pytest.mark.parametrize(
    ("evaluation", "line"),
    [
        ("  data: {a: {}}\n", "b:5:10: warning: evaluation.data.a: is only planned: it has no path"),
        ("  data: {a: {path: no.jsonl}}\n", "b:5:20: evaluation.data.a.path: there is no such file"),
        ("  data: {a: {path: empty.jsonl}}\n", "b:5:20: evaluation.data.a.path: empty.jsonl has no cases. A line looks like"),
        ("  data: {a: {path: twice.jsonl}}\n", "b:5:20: evaluation.data.a.path: twice.jsonl:2: the id '1' stands in line 1 already. ('twice.jsonl')"),
        ("  baselines: [terms-onyl]\n", "b:5:15: warning: evaluation.baselines[0]: is no baseline that asbuilt can run: it stays a note ('terms-onyl'); allowed: retrieval-alone, model-alone, terms-only; did you mean 'terms-only'?"),
        ("  load: {steady: {data: nothing}}\n", "b:5:25: evaluation.load.steady.data: evaluation.data names no data set ('nothing')"),
    ],
)  # fmt: skip
def test_data_loads_and_baselines(tmp_path: Path, evaluation: str, line: str) -> None:
    write(tmp_path, [], "empty.jsonl")
    write(tmp_path, [{"id": "1", "question": "q"}] * 2, "twice.jsonl")
    [fault] = found(tmp_path, evaluation)
    assert fault.startswith(line)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("nonsense", "known.jsonl:1: not JSON"),
        ("[1]", "known.jsonl:1: not an object"),
        ('{"id": "1", "qestion": "q"}', "known.jsonl:1: unknown key 'qestion'. Did you mean 'question'?"),
        ('{"id": "1"}', "known.jsonl:1: 'question' must be text and not blank"),
        ('{"id": 1, "question": "q"}', "known.jsonl:1: 'id' must be text"),
        ('{"id": "1", "question": "q", "documents": "d"}', "known.jsonl:1: 'documents' must be a list"),
        ('{"id": "1", "question": "q", "documents": ["d", "d"]}', "known.jsonl:1: 'documents' names one twice"),
        ('{"id": "1", "question": "q", "unanswerable": 1}', "known.jsonl:1: 'unanswerable' must be true or false"),
        ('{"id": "1", "id": "2", "question": "q"}', "known.jsonl:1: 'id' stands there twice."),
        ('{"id": "1", "question": ' + "[" * 100_000, "known.jsonl:1: not JSON"),
        ('{"id": "1", "question": "q", "unanswerable": true, "documents": ["d"]}', "known.jsonl:1: a case that is unanswerable can have no documents"),
    ],
)  # fmt: skip
def test_a_bad_case_is_named_with_its_line(tmp_path: Path, row: str, message: str) -> None:
    file = tmp_path / "known.jsonl"
    file.write_text(row + "\n")
    with pytest.raises(AsbuiltError) as caught:
        read_cases(file)
    assert str(caught.value).startswith(f"{tmp_path}/{message}")


def test_only_a_line_feed_ends_a_case(tmp_path: Path) -> None:
    file = tmp_path / "known.jsonl"
    rows = [{"id": "1", "question": "a\u2028b\x85c"}, {"id": "2", "question": "d"}]
    text = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    file.write_bytes(f"\ufeff{text}\r\n\r\n".encode())
    assert [case.question for case in read_cases(file)] == ["a\u2028b\x85c", "d"]


def test_a_folder_or_device_is_no_data_set(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(UserError, match="is no file"):
            read_cases(path)
    with pytest.raises(AsbuiltError, match="there is no data set at"):
        read_cases(tmp_path / "no.jsonl")


CASES = st.lists(
    st.builds(
        Case,
        id=st.text(min_size=1).filter(str.strip),
        question=st.text(min_size=1).filter(str.strip),
        documents=st.lists(st.text(min_size=1), max_size=3, unique=True).map(tuple),
        reference=st.text(),
        cluster=st.text(),
        split=st.text(),
    ),
    min_size=1,
    unique_by=lambda case: case.id,
)


@given(CASES)
def test_cases_that_are_written_are_read_again(cases: list[Case]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "cases.jsonl"
        text = "".join(json.dumps(asdict(case), ensure_ascii=False) + "\n" for case in cases)
        file.write_bytes(text.encode())
        assert list(read_cases(file)) == cases


def test_every_measure_can_be_written_and_has_a_definition() -> None:
    for measure in MEASURES.values():
        suffix = {"": "", "@k": "@5", "[@k]": "", ".pN": ".p95"}[measure.suffix]
        ref = parse_measure(measure.name + suffix)
        assert ref.measure is measure
        assert measure.definition.endswith(".")
        assert ref.needs_data or ref.needs_load or measure.source == "feedback"


@pytest.mark.parametrize(
    ("measure", "target", "threshold"),
    [
        ("recall@5", ">= 90 %", 0.9), ("recall@5", ">= 0.9", 0.9), ("chat.latency.p95", "< 250 ms", 0.25),
        ("chat.throughput", ">= 10 requests/s", 10), ("memory.peak", "< 1.5 GB", 1.5e9),
        ("memory.peak", "< 2 GiB", 2**31), ("satisfaction", ">= 4.0 of 5", 4), ("ndcg@10", ">= 0.8", 0.8),
    ],
)  # fmt: skip
def test_targets_in_the_unit_of_the_values(measure: str, target: str, threshold: float) -> None:
    assert parse_measure(measure).threshold(Target.parse(target)) == pytest.approx(threshold)


@pytest.mark.parametrize(
    ("measure", "target"), [("satisfaction", ">= 4 of 10"), ("recall@5", ">= 90"), ("memory.peak", "< 3")]
)
def test_targets_in_another_unit_are_refused(measure: str, target: str) -> None:
    with pytest.raises(UserError):
        parse_measure(measure).threshold(Target.parse(target))
