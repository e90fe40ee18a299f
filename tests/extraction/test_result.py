from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.extraction.sample_results import invoice

from asbuilt.errors import ReadError
from asbuilt.extraction.result import extraction_from_json, extraction_to_json
from asbuilt.fields import (
    Candidate,
    ConstraintOutcome,
    Evidence,
    ExtractedValue,
    Extraction,
    Repair,
    Searched,
)
from asbuilt.pages import Box

words = st.lists(st.integers(0, 9999), max_size=4).map(tuple)
number = st.floats(allow_nan=False, allow_infinity=False)
scalar = st.none() | st.booleans() | st.integers() | number | st.text()
box = st.builds(Box, number, number, number, number)
signals = st.dictionaries(st.text(), number, max_size=3)
evidence = st.builds(
    Evidence,
    page=st.integers(1, 9),
    words=words,
    boxes=st.lists(box, max_size=3).map(tuple),
    quote=st.text(),
    reader=st.text(),
    place=st.text(),
    crop=st.text(),
    second=st.none() | st.text(),
)
candidate = st.builds(
    Candidate, st.text(), scalar, st.text(), st.integers(1, 9), words, st.text(), number, st.text(), signals
)
value = st.builds(
    ExtractedValue,
    st.text(),
    st.sampled_from(["string", "number", "integer", "boolean", "date", "enum"]),
    st.sampled_from(["found", "not_found", "conflict"]),
    scalar,
    number,
    st.none() | evidence,
    st.text(),
    st.text(),
    signals,
    st.lists(candidate, max_size=2).map(tuple),
    st.lists(st.builds(Searched, st.integers(1, 9), st.none() | box, st.text()), max_size=2).map(tuple),
    st.booleans(),
)
tree = st.recursive(scalar, lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=8)
extraction = st.builds(
    Extraction,
    st.text(),
    st.text(),
    st.text(),
    st.lists(value, max_size=3).map(tuple),
    tree,
    st.lists(st.builds(ConstraintOutcome, st.text(), st.none() | st.booleans(), st.text()), max_size=2).map(
        tuple
    ),
    st.lists(
        st.builds(Repair, st.text(), scalar, scalar, st.text(), st.text(), st.text(), evidence), max_size=2
    ).map(tuple),
    st.lists(st.text(), max_size=2).map(tuple),
    st.text(),
)


@given(extraction)
def test_what_is_written_is_read(one: Extraction) -> None:
    # JSON in text form takes any code point but lone surrogates, which no reader gives.
    written = extraction_to_json(one)
    again = extraction_from_json(written)
    assert again == one
    assert extraction_to_json(again) == written


def test_the_order_in_which_signals_were_measured_does_not_count() -> None:
    first, *rest = invoice().values
    one, other = (
        ExtractedValue(first.path, first.kind, "found", "x", signals=signals)
        for signals in ({"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0})
    )
    assert rest
    assert extraction_to_json(Extraction("d", "h", "s", (one,))) == extraction_to_json(
        Extraction("d", "h", "s", (other,))
    )


def mutations(raw: Any) -> list[str]:
    changed = []
    for key in raw:
        changed.append(json.dumps({each: raw[each] for each in raw if each != key}))
        if key != "data":  # that may be anything
            changed.append(json.dumps({**raw, key: 3.5}))
    return changed


def test_what_is_no_result_is_refused_in_a_line() -> None:
    raw = json.loads(extraction_to_json(invoice()))
    for text in ["", "[]", "null", '{"values": 3}', "[" * 100_000, *mutations(raw)]:
        with pytest.raises(ReadError) as raised:
            extraction_from_json(text)
        assert "\n" not in str(raised.value)
    with pytest.raises(ReadError, match="'values' is missing"):
        extraction_from_json(json.dumps({key: raw[key] for key in raw if key != "values"}))
