"""Checks of results."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.agents.checks import CHECKS, CheckContext, check_faults, faults_of
from asbuilt.runs import CheckSpec

FOUND = """guides/queues.md:
A message stays in the queue for 4 days, unless 1,000 others wait. Don't purge it twice.

Pricing notes:
It costs $0.50; see https://example.org/pricing?a=1. Limits: 2.5 GB, 14 days."""
GIVEN = {"tool:search#1": FOUND, "input:find": "Messages stay 4 days [guides/queues.md] [wiki; notes 3]."}


def fault(name: str, result: str, given: Mapping[str, str] = GIVEN, **arguments: Any) -> str | None:
    """What one check says, after its arguments have been found sound."""
    check = CheckSpec(name, arguments)
    assert list(check_faults(check)) == []
    found = faults_of([check], result, CheckContext(given))
    return found[0] if found else None


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("cite", {}, "there is no check 'cite', did you mean 'cites'? (there are: not-empty, "),
        ("not-empty", {"words": 1}, "check 'not-empty' takes no 'words' (it takes: nothing)"),
        ("min-words", {}, "check 'min-words' needs 'words'"),
        ("min-words", {"words": True}, "words must be a whole number from 0 on, not True"),
        ("max-words", {"words": -1}, "not -1"),
        ("max-words", {"words": "ten"}, "not 'ten'"),
        ("cites", {"source": 2}, "check 'cites' takes no 'source' (it takes: sources)"),
        ("contains", {"words": "queue"}, "words must be a list of at least one text"),
        ("contains", {"words": []}, "at least one text"),
        ("contains", {"words": ["a", " "]}, "none of them empty"),
        ("matches", {"pattern": ""}, "pattern must be a text"),
        ("matches", {"pattern": "("}, "pattern is no pattern: unclosed group"),
        ("matches", {"pattern": r"(a)\1"}, "backreferences are not supported"),
        ("matches", {"pattern": "(?=a)b"}, "look-around"),
        ("matches", {"pattern": "a{1000}{1000}"}, "exceeds size limit"),
        ("json-schema", {"schema": "string"}, "schema must be a JSON Schema, an object"),
        ("json-schema", {"schema": {"type": "text"}}, "schema is no JSON Schema: $.type: "),
        ("json-schema", {"schema": {"$ref": "https://example.org/x.json"}}, "must stay within the schema"),
        (
            "json-schema",
            {"schema": {"items": {"pattern": "(?=a)"}}},
            "has a pattern '(?=a)' that is no pattern",
        ),
        ("json-schema", {"schema": {"patternProperties": {"^a": {}}}}, "patternProperties"),
    ],
)
def test_a_fault_of_a_check(name: str, arguments: dict[str, Any], told: str) -> None:
    [said] = check_faults(CheckSpec(name, arguments))
    assert told in said


def test_a_schema_without_end_is_a_fault() -> None:
    schema: dict[str, Any] = {}
    for _ in range(10_000):
        schema = {"not": schema}
    assert list(check_faults(CheckSpec("json-schema", {"schema": schema}))) == [
        "check 'json-schema': schema is nested too deeply"
    ]


# ---------------------------------------------------------------- length, words, form


def test_not_empty() -> None:
    assert fault("not-empty", " \n") == "the result is empty"
    assert fault("not-empty", "x") is None


def test_numbers_of_words() -> None:
    assert fault("min-words", "one two", words=2) is None
    assert fault("min-words", "one two", words=3) == "the result has 2 words; it must have at least 3"
    assert fault("max-words", "one two", words=2) is None
    assert fault("max-words", "one two", words=1) == "the result has 2 words; it may have at most 1"


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("Purge the Queue.", ["queue", "purge the"]),
        ("the dead-letter\n  queue", ["dead-letter queue", "letter"]),
        ("We use C++ here", ["C++"]),
        ("a -> b", ["->"]),
        ("消息保留四天", ["保留"]),
        ("Straße", ["STRASSE"]),
    ],
)
def test_words_that_are_there(result: str, words: list[str]) -> None:
    assert fault("contains", result, words=words) is None


@pytest.mark.parametrize(
    ("result", "word"), [("concatenate", "cat"), ("We use C here", "C++"), ("a b", "->"), ("3.5", "3")]
)
def test_words_that_are_not_there(result: str, word: str) -> None:
    assert fault("contains", result, words=["use" if word == "C++" else word, word]) is not None
    assert fault("contains", result, words=[word]) == f"the result does not say {word!r}"


def test_a_pattern_stands_anywhere_unless_it_is_bound() -> None:
    assert fault("matches", "on 2026-11-23 it", pattern=r"\d{4}-\d\d-\d\d") is None
    assert fault("matches", "on 2026-11-23 it", pattern=r"^\d{4}") == r"the result does not match '^\\d{4}'"


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(a|a)*c", "a*a*a*a*c", "(.*a){12}c"])
def test_no_pattern_takes_long(pattern: str) -> None:
    hostile, schema = "a" * 20_000 + "b", {"type": "string", "pattern": pattern}
    began = time.thread_time()
    assert fault("matches", hostile, pattern=pattern) is not None
    assert fault("json-schema", json.dumps(hostile), schema=schema) is not None
    assert time.thread_time() - began < 1.0


SCHEMA = {
    "type": "object",
    "properties": {"days": {"type": "integer", "minimum": 1}, "id": {"type": "string", "pattern": "^q-"}},
    "required": ["days"],
}


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ('{"days": 4, "id": "q-1"}', None),
        ('{"days": 0}', "the result does not fit: $.days: 0 is less than the minimum of 1"),
        ('{"days": 4, "id": "x"}', "the result does not fit: $.id: 'x' does not match '^q-'"),
        ("{}", "the result does not fit: $: 'days' is a required property"),
        ("4 days", "the result is not JSON: Extra data"),
        ('{"days": NaN}', "the result is not JSON: NaN is no JSON value"),
        ("[" * 100_000, "the result is nested too deeply"),
        ("9" * 10_000, "the result is not JSON: "),
    ],
)
def test_json_by_a_schema(result: str, told: str | None) -> None:
    said = fault("json-schema", result, schema=SCHEMA)
    assert said is None if told is None else said is not None and said.startswith(told)


def test_schemas_that_refer_to_nothing_or_to_themselves_are_faults_of_the_result() -> None:
    assert "refers to '/$defs/x'" in str(fault("json-schema", "{}", schema={"$ref": "#/$defs/x"}))
    assert fault("json-schema", "{}", schema={"$ref": "#"}) == "the result is nested too deeply"


# ---------------------------------------------------------------- what was given


@pytest.mark.parametrize(
    "result",
    [
        "Four days [guides/queues.md].",
        "It costs [Pricing notes], [guides/queues.md; wiki].",
        "See https://example.org/pricing?a=1.",
        "See [the prices](https://example.org/pricing?a=1) and [above](#top) [...]",
        "As told [notes 3].",
    ],
)
def test_sources_that_were_found_may_be_cited(result: str) -> None:
    assert fault("cites", result) is None


@pytest.mark.parametrize(
    ("result", "unknown"),
    [
        ("Four days [1].", "'1'"),
        ("Four days [guides/topics.md] [guides/queues.md].", "'guides/topics.md'"),
        ("Four days [guides/queues.md, gone.md].", "'gone.md'"),
        ("See https://evil.example/?q=1 [guides/queues.md].", "'https://evil.example/?q=1'"),
        ("![x](https://evil.example/x.png)", "'https://evil.example/x.png'"),
        ("[a] [b] [c] [d] [e]", "'a', 'b', 'c' and 2 more"),
    ],
)
def test_sources_that_were_not_found_may_not(result: str, unknown: str) -> None:
    assert fault("cites", result) == f"the result cites {unknown}, not among the sources that were found"


def test_brackets_in_what_a_tool_gave_are_no_sources() -> None:
    given = {"tool:search#1": "a.md:\nSee [1] and [edit]."}
    assert fault("cites", "So [edit].", given) is not None
    assert fault("cites", "So [a.md].", given) is None


def test_how_many_sources_are_cited() -> None:
    one = "Four days [guides/queues.md] and [guides/queues.md]."
    assert fault("cites", one, sources=2) == (
        "the result cites 1 sources in square brackets; it must cite at least 2"
    )
    assert fault("cites", f"{one} [wiki]", sources=2) is None
    assert fault("cites", "Nothing.", sources=0) is None


@pytest.mark.parametrize(
    "result",
    [
        'It says "A message stays in the queue for 4 days".',
        "It says “a message stays\u00a0in the queue,” so.",
        "Es sagt „message stays in the queue for“.",
        'It says "A message stays ... for 4 days [...] don’t purge it".',
        'The "dead letters of all" are short.',
    ],
)
def test_quotations_that_stand(result: str) -> None:
    assert fault("quoted", result) is None


@pytest.mark.parametrize(
    "quote",
    [
        "A message stays in the queue for 5 days",
        "A message stays for in the queue",
        "message stays in the que",
        "for 4 days ... A message stays in",
    ],
)
def test_quotations_that_do_not_stand(quote: str) -> None:
    assert fault("quoted", f'It says "{quote}".') == (
        f"the result quotes {quote!r}, which nothing that was found says"
    )


def test_a_quotation_stands_in_one_text() -> None:
    given = {"a": "the first three words", "b": "and the last three"}
    assert fault("quoted", '"the first three words and the last three"', given) is not None


def test_how_many_passages_are_quoted() -> None:
    assert fault("quoted", "None.", passages=1) == (
        "the result quotes 0 passages of at least 5 words; it must quote 1"
    )


@pytest.mark.parametrize(
    "result",
    [
        "4 days, 1000 others, $0.5, 2.50 GB and 014 days",
        "1. First, 4 days\n2) then 14 days\n> 3. more",
        "As told [notes 3].",
        "None at all",
    ],
)
def test_numbers_that_were_given(result: str) -> None:
    assert fault("no-new-numbers", result) is None


@pytest.mark.parametrize(
    ("result", "new"),
    [
        ("40 days", "'40'"),
        ("25 GB", "'25'"),
        ("[500]", "'500'"),
        ("4 or 5 of 6", "'5', '6'"),
        ("see https://x.example/77", "'77'"),
    ],
)
def test_numbers_that_are_new(result: str, new: str) -> None:
    assert fault("no-new-numbers", result) == (
        f"the result has the numbers {new}, which neither the task nor anything that was found has"
    )


def test_numbers_of_the_task_may_be_repeated() -> None:
    check = CheckSpec("no-new-numbers")
    context = CheckContext({"tool:search#1": "4 days"}, task="Compare 250 queues over 1,500 days")
    assert faults_of([check], "250 queues, 4 of them over 1500 days", context) == ()
    assert faults_of([check], "251 queues", context) != ()


@pytest.mark.parametrize("name", sorted(CHECKS))
@given(result=st.text(alphabet=st.characters() | st.sampled_from('[]()"“”.,/:\n1234567890'), max_size=200))
def test_any_text_is_a_result(name: str, result: str) -> None:
    arguments: Mapping[str, dict[str, Any]] = {
        "min-words": {"words": 1},
        "max-words": {"words": 3},
        "contains": {"words": ["x"]},
        "matches": {"pattern": "x"},
        "json-schema": {"schema": SCHEMA},
    }
    said = fault(name, result, **arguments.get(name, {}))
    assert said is None or said.startswith("the result ")


@given(text=st.text(max_size=300))
def test_what_was_given_may_be_repeated(text: str) -> None:
    context = {"tool:search#1": text}
    assert fault("quoted", text.replace('"', ""), context) is None
    assert fault("no-new-numbers", text, context) is None


@pytest.mark.parametrize("name", ["cites", "quoted", "no-new-numbers"])
def test_a_large_result_takes_no_time(name: str) -> None:
    for unit in ("a", "[", '"', " ", "1,", "a.", "a/", "http://", "\n\n ", "[a](", "-", "..."):
        text = unit * (200_000 // len(unit))
        began = time.thread_time()  # others' work does not count
        fault(name, text, {"input:a": text, "tool:b": text})
        assert time.thread_time() - began < 8.0, unit  # quadratic: 4e10 steps, minutes at the least
