"""What else values are called: another term of the same concept is understood, no field takes another's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.extraction.labels import label_words
from asbuilt.extraction.layout import LayoutExtractor
from asbuilt.extraction.run import extract
from asbuilt.extraction.schema import load_schema
from asbuilt.extraction.terms import also_called
from asbuilt.fields import Extraction, Field, FieldKind, PagedDocument
from asbuilt.testing.sketch import sketch_page

SCHEMA: dict[str, Any] = {
    "properties": {
        "due": {"type": "string", "format": "date", "x-labels": ["due date"]},
        "net": {"type": "number", "x-labels": ["subtotal"]},
        "tax": {"type": "number", "x-labels": ["VAT"]},
        "total": {"type": "number", "x-labels": ["total due"]},
    }
}


def extracted(picture: str) -> Extraction:
    document = PagedDocument("x.pdf", "hash", (sketch_page(picture),))
    return extract(document, load_schema(SCHEMA), extractors=[LayoutExtractor()])


def test_other_terms_of_a_concept_are_understood() -> None:
    picture = """
Settlement terms        Pay before    2026-04-30

                        Total excl. VAT    36.50
                        Value added tax     7.30
                        Amount payable     43.80
"""
    assert extracted(picture).data == {"due": "2026-04-30", "net": 36.5, "tax": 7.3, "total": 43.8}


def test_the_words_of_the_schema_come_first() -> None:
    [total] = [
        value
        for value in extracted("Amount payable    43.80\nTotal due         40.00").values
        if value.path == "total"
    ]
    assert total.value == 40.0
    assert [rival.value for rival in total.rivals] == [43.8]


def field(path: str, kind: FieldKind, *labels: str) -> Field:
    return Field(path=path, kind=kind, labels=labels)


@pytest.mark.parametrize(
    ("asked", "phrase", "expected"),
    [
        (field("due", "date", "due date"), "payment deadline", True),
        (field("due", "string", "due date"), "payment deadline", False),  # of another kind
        (field("lines[].amount", "number", "line total"), "extended price", True),
        (field("amount", "number", "line total"), "extended price", False),  # not in a list
        (field("colour", "string", "colour"), "description", False),
    ],
)
def test_a_concept_needs_a_shared_phrase_and_the_kind(asked: Field, phrase: str, expected: bool) -> None:
    assert (phrase in also_called([asked])[asked.path]) is expected


def test_what_two_fields_could_be_called_is_left_out() -> None:
    fields = [field("supply", "date", "date of supply", "date"), field("issued", "date", "issue date")]
    others = also_called(fields)
    assert "date" not in others["issued"]
    assert "dated" not in others["supply"]
    twins = also_called([field("a", "date", "due date"), field("b", "date", "payable by")])
    assert twins == {"a": (), "b": ()}


KINDS: list[FieldKind] = ["string", "number", "date"]
LABELS = ["total", "net", "due date", "price", "amount", "item", "date", "nonsense", "invoice no"]


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(LABELS), st.booleans()), max_size=6))
def test_no_phrase_belongs_to_two_fields(asked: list[tuple[FieldKind, str, bool]]) -> None:
    fields = [
        field(f"{'rows[].' if in_list else ''}f{number}", kind, label)
        for number, (kind, label, in_list) in enumerate(asked)
    ]
    for in_list in (False, True):
        stated = {
            label_words(label) for each in fields if bool(each.group) is in_list for label in each.labels
        }
        beside = [
            label_words(phrase)
            for each in fields
            if bool(each.group) is in_list
            for phrase in also_called(fields)[each.path]
        ]
        assert len(beside) == len(set(beside))
        assert stated.isdisjoint(beside)
