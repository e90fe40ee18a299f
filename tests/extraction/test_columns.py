"""Columns of lists by other terms, by arithmetic, by elimination; and no column by guessing."""

from __future__ import annotations

from typing import Any

import pytest

from asbuilt.extraction.layout import LayoutExtractor
from asbuilt.extraction.run import extract
from asbuilt.extraction.schema import load_schema
from asbuilt.fields import Extraction, PagedDocument
from asbuilt.testing.sketch import sketch_table

ITEM: dict[str, Any] = {
    "description": {"type": "string"},
    "quantity": {"type": "number"},
    "price": {"type": "number", "x-labels": ["unit price"]},
    "amount": {"type": "number"},
}
PRODUCT = "lines[].quantity * lines[].price == lines[].amount"
BODY = [["Blue widget", "2", "10.00", "20.00"], ["Red widget", "3", "5.50", "16.50"]]
WHOLE = [
    {"description": "Blue widget", "quantity": 2.0, "price": 10.0, "amount": 20.0},
    {"description": "Red widget", "quantity": 3.0, "price": 5.5, "amount": 16.5},
]


def extracted(rows: list[list[str]], *constraints: str) -> Extraction:
    schema = {
        "properties": {"lines": {"type": "array", "items": {"type": "object", "properties": ITEM}}},
        "x-constraints": list(constraints),
    }
    document = PagedDocument("x.pdf", "hash", (sketch_table(rows),))
    return extract(document, load_schema(schema), extractors=[LayoutExtractor()])


@pytest.mark.parametrize(
    "header",
    [
        ["Particulars", "Pieces", "Rate", "Extended price"],
        ["Goods and services", "Hours", "Hourly rate", "Line total"],
    ],
)
def test_headers_in_other_terms(header: list[str]) -> None:
    assert extracted([header, *BODY]).data["lines"] == WHOLE


def test_a_constraint_finds_the_column_that_no_header_names() -> None:
    extraction = extracted([["Item", "Quantity", "Xyz", "Amount"], *BODY], PRODUCT)
    assert extraction.data["lines"] == WHOLE
    why = {value.path: value.why for value in extraction.values}
    assert why["lines[1].price"] == f"column that makes {PRODUCT!r} hold, row 2"


@pytest.mark.parametrize(
    ("header", "body", "constraints"),
    [
        (["Item", "Quantity", "Xyz", "Amount"], BODY, ()),  # nothing to compute with
        (["Item", "Quantity", "Xyz", "Amount"], [["A", "2", "9.00", "20.00"]], (PRODUCT,)),  # does not hold
        (["Item", "Uvw", "Xyz", "Amount"], BODY, (PRODUCT,)),  # factors may be exchanged
    ],
)
def test_a_column_that_nothing_tells_is_not_guessed(
    header: list[str], body: list[list[str]], constraints: tuple[str, ...]
) -> None:
    lines = extracted([header, *body], *constraints).data["lines"]
    assert all(line.get("price") is None for line in lines)


def test_the_one_column_of_words_is_the_one_field_of_words_and_less_sure() -> None:
    extraction = extracted([["Xyz", "Quantity", "Unit price", "Amount"], *BODY])
    assert extraction.data["lines"] == WHOLE
    confidence = {value.path: value.confidence for value in extraction.values}
    assert confidence["lines[0].description"] < confidence["lines[0].amount"]


def test_two_columns_of_words_are_not_told_apart() -> None:
    rows = [["Xyz", "Uvw", "Quantity", "Amount"], ["Blue widget", "north wing", "2", "20.00"]]
    assert extracted(rows).data["lines"][0]["description"] is None


def test_a_column_named_like_a_number_without_numbers_is_none() -> None:
    rows = [["Item", "Quantity", "Rate", "Amount"], ["Blue widget", "2", "reduced", "20.00"]]
    assert extracted(rows).data["lines"][0] == {
        "description": "Blue widget",
        "quantity": 2.0,
        "price": None,
        "amount": 20.0,
    }
