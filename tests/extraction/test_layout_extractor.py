"""Values found by labels, columns and tables on sketched pages, and what is made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from asbuilt.extraction.layout import LayoutExtractor
from asbuilt.extraction.run import extract
from asbuilt.extraction.schema import load_schema
from asbuilt.fields import Extraction, PagedDocument
from asbuilt.pages import Alternative, PageLayout
from asbuilt.testing.sketch import sketch_page, sketch_table

SCHEMA: dict[str, Any] = {
    "properties": {
        "number": {"type": "string", "x-labels": ["invoice no", "reference"], "pattern": r"(?=.*\d)[\w/-]+"},
        "issued": {"type": "string", "format": "date", "x-labels": ["invoice date", "date"]},
        "due": {"type": "string", "format": "date", "x-labels": ["payable by", "due date"]},
        "net": {"type": "number", "x-labels": ["subtotal"]},
        "tax": {"type": "number", "x-labels": ["VAT"]},
        "total": {"type": "number", "x-labels": ["total due", "total"]},
        "paid": {"type": "boolean"},
    },
    "x-constraints": ["net + tax == total", "issued <= due"],
}


def extracted(*pages: PageLayout, schema: dict[str, Any] | None = None) -> Extraction:
    document = PagedDocument("x.pdf", "hash", pages)
    return extract(document, load_schema(schema or SCHEMA), extractors=[LayoutExtractor()])


INVOICE = """
ACME Ltd                                   INVOICE
12 High Street                             Invoice No.   A-2024-77
London                                     Date          03/04/2026
                                           Payable by    30/04/2026


                        Sub-total    36.50
                        VAT 20%       7.30
                        Total due    43.80
"""


def test_labels_to_the_left() -> None:
    extraction = extracted(sketch_page(INVOICE))
    assert extraction.data == {
        "number": "A-2024-77",
        "issued": "2026-04-03",  # the other date says that days come first
        "due": "2026-04-30",
        "net": 36.5,
        "tax": 7.3,
        "total": 43.8,
        "paid": None,
    }
    assert [outcome.holds for outcome in extraction.constraints] == [True, True]


def test_every_value_is_made_of_its_words() -> None:
    page = sketch_page(INVOICE)
    for value in extracted(page).values:
        if value.status == "not_found":
            continue
        assert value.evidence is not None
        words = [page.words[number] for number in value.evidence.words]
        assert value.evidence.quote == " ".join(word.text for word in words)
        assert value.evidence.boxes == page.boxes(value.evidence.words)
        assert value.evidence.reader == "text-layer"
        assert 0.5 < value.confidence <= 1.0


def test_what_is_not_there_says_where_it_was_looked_for() -> None:
    [paid] = [value for value in extracted(sketch_page(INVOICE)).values if value.path == "paid"]
    assert paid.status == "not_found"
    assert paid.value is None
    assert paid.searched[0].page == 1
    assert "'paid'" in paid.searched[0].what


@pytest.mark.parametrize(
    ("picture", "number"),
    [
        ("Invoice no\n4711-B", "4711-B"),
        ("Invoice no: 4711-B", "4711-B"),
        ("Invoice no:4711-B", "4711-B"),
        ("Lnvoice no   4711-B", "4711-B"),  # a letter misread
        ("Reference     Customer      Date\n4711-B        Miller        2026-01-01", "4711-B"),
        ("Invoices are payable at once.\nNo refunds without 4711-B", None),
        ("4711-B", None),
    ],
)
def test_places_of_a_value(picture: str, number: str | None) -> None:
    assert extracted(sketch_page(picture)).data["number"] == number


def test_a_value_belongs_to_the_label_that_fits_it_best() -> None:
    data = extracted(sketch_page("Subtotal     10.00\nTotal        12.00\nTotal items  3")).data
    assert (data["net"], data["total"]) == (10.0, 12.0)


LINES: dict[str, Any] = {
    "properties": {
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "description": {"type": "string", "x-labels": ["item", "description"]},
                    "quantity": {"type": "integer", "x-labels": ["qty"]},
                    "amount": {"type": "number", "x-labels": ["amount"]},
                },
            },
        }
    }
}
ROWS = [
    ["Qty", "Item", "Amount (EUR)"],
    ["2", "Blue widget", "20.00"],
    ["", "with a long handle", ""],
    ["3", "Red widget", "16.50"],
    ["", "Total", "36.50"],
]


def test_rows_of_a_table_are_items() -> None:
    extraction = extracted(sketch_table(ROWS), schema=LINES)
    assert extraction.data["lines"] == [
        {"description": "Blue widget with a long handle", "quantity": 2, "amount": 20.0},
        {"description": "Red widget", "quantity": 3, "amount": 16.5},
    ]
    assert [value.path for value in extraction.values][:3] == [
        "lines[0].description",
        "lines[0].quantity",
        "lines[0].amount",
    ]


def test_items_go_on_over_the_page() -> None:
    pages = sketch_table(ROWS[:2]), sketch_table(ROWS[3:], number=2, continues=True)
    lines = extracted(*pages, schema=LINES).data["lines"]
    assert [line["quantity"] for line in lines] == [2, 3]


def test_a_table_of_something_else_is_no_list() -> None:
    page = sketch_table([["Name", "Room"], ["Miller", "12"], ["Smith", "13"]])
    assert extracted(page, schema=LINES).data["lines"] == []


def misread(page: PageLayout, text: str, *, read: str, probability: float) -> PageLayout:
    """The page with a word read as `read`, whose reader thought the right text possible too."""
    words = tuple(
        replace(word, text=read, confidence=0.8, alternatives=(Alternative(text, probability),))
        if word.text == text
        else word
        for word in page.words
    )
    return replace(page, words=words)


def test_a_constraint_chooses_another_reading_and_says_so() -> None:
    page = misread(sketch_page(INVOICE, reader="rapidocr"), "43.80", read="48.80", probability=0.2)
    extraction = extracted(page)
    assert extraction.data["total"] == 43.8
    [repair] = extraction.repairs
    assert (repair.path, repair.before, repair.after) == ("total", 48.8, 43.8)
    assert (repair.quote_before, repair.quote_after) == ("48.80", "43.80")
    assert repair.constraint == "net + tax == total"
    assert extraction.constraints[0].holds


def test_nothing_is_repaired_without_another_reading() -> None:
    page = sketch_page(INVOICE.replace("43.80", "48.80"))
    extraction = extracted(page)
    assert extraction.data["total"] == 48.8
    assert extraction.repairs == ()
    assert extraction.constraints[0].holds is False
    total = next(value for value in extraction.values if value.path == "total")
    assert total.confidence < 0.9


def test_two_repairs_that_fit_as_well_change_nothing() -> None:
    page = sketch_page(INVOICE, reader="rapidocr")
    page = misread(page, "43.80", read="48.80", probability=0.2)
    page = misread(page, "7.30", read="7.30", probability=0.2)
    words = tuple(
        replace(word, alternatives=(Alternative("12.30", 0.2),)) if word.text == "7.30" else word
        for word in page.words
    )
    assert extracted(replace(page, words=words)).repairs == ()


def test_the_second_reader_is_shown() -> None:
    page = sketch_page(INVOICE, reader="rapidocr")
    words = tuple(replace(word, second="43.30") if word.text == "43.80" else word for word in page.words)
    total = next(value for value in extracted(replace(page, words=words)).values if value.path == "total")
    assert total.evidence is not None
    assert total.evidence.second == "43.30"
    assert total.signals["disagreement"] == 1.0
