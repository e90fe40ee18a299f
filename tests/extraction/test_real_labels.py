"""What labels of real papers do: hints in parentheses, numbers in titles, statements, sums in tables."""

from __future__ import annotations

from typing import Any

import pytest

from asbuilt.extraction.layout import LayoutExtractor
from asbuilt.extraction.run import extract
from asbuilt.extraction.schema import load_schema
from asbuilt.fields import PagedDocument
from asbuilt.pages import PageLayout
from asbuilt.testing.sketch import sketch_page, sketch_table

CODE = r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9/._-]*"


def data(page: PageLayout, properties: dict[str, Any], *constraints: str) -> Any:
    schema = load_schema({"properties": properties, "x-constraints": list(constraints)})
    document = PagedDocument("x.pdf", "hash", (page,))
    return extract(document, schema, extractors=[LayoutExtractor()]).data


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ("Date of birth (DD/MM/YYYY):     21/05/1991", "1991-05-21"),
        ("Date of birth (d/m/y)     21/05/61", "1961-05-21"),
        ("Date of birth     21/05/49", "2049-05-21"),
        ("Date of birth:     November 27 , 1991", "1991-11-27"),
    ],
)
def test_a_hint_in_parentheses_is_no_value(picture: str, expected: str) -> None:
    born = {"type": "string", "format": "date", "x-labels": ["date of birth"]}
    assert data(sketch_page(picture), {"born": born}) == {"born": expected}


def test_a_hint_is_no_name_and_a_number_in_parentheses_may_be_a_value() -> None:
    company = {"type": ["string", "null"]}
    phone = {"type": ["string", "null"], "pattern": r"[+(\d][\d ()/-]{5,}"}
    assert data(sketch_page("Company (if any):"), {"company": company}) == {"company": None}
    assert data(sketch_page("Phone (030) 23 45 67"), {"phone": phone}) == {"phone": "(030) 23 45 67"}


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ("Invoice 2025-118", "2025-118"),
        ("INVOICE # A/17", "A/17"),
        ("Invoice of 2025", None),
        ("Invoices 2024 2025", None),
    ],
)
def test_a_number_may_stand_in_the_title(picture: str, expected: str | None) -> None:
    number = {"type": "string", "pattern": CODE, "x-labels": ["invoice number"]}
    assert data(sketch_page(picture), {"number": number}) == {"number": expected}


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("I accept the terms", True),
        ("Terms read and accepted", True),
        ("Agree to terms", True),
        ("Terms of payment in days accepted by both", False),
        ("Newsletter accepted", False),
    ],
)
def test_what_is_agreed_to_may_be_put_in_many_ways(label: str, found: bool) -> None:
    accepted = {"type": ["boolean", "null"], "x-labels": ["terms accepted"]}
    assert data(sketch_page(f"{label}:      Yes"), {"ok": accepted}) == {"ok": True if found else None}


def test_the_rest_of_a_longer_label_and_the_next_label_are_no_values() -> None:
    properties = {"supplier": {"type": ["string", "null"]}, "phone": {"type": ["string", "null"]}}
    assert data(sketch_page("Supplier name:     Tessera Works"), properties) == {
        "supplier": "Tessera Works",
        "phone": None,
    }
    empty = sketch_table([["Supplier", ""], ["Phone", "12 34 56"]])
    assert data(empty, properties) == {"supplier": None, "phone": "12 34 56"}


LINES = {
    "lines": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "description": {"type": "string"},
                "quantity": {"type": "number"},
                "price": {"type": "number"},
                "amount": {"type": "number"},
            },
        },
    },
    "net": {"type": ["number", "null"], "x-labels": ["subtotal"]},
    "tax": {"type": ["number", "null"], "x-labels": ["VAT"]},
    "total": {"type": ["number", "null"]},
}


def test_sums_in_the_last_rows_of_a_table_are_no_items() -> None:
    rows = [
        ["Description", "Amount"],
        ["Tax consulting", "100.00"],
        ["Sub Total", "100.00"],
        ["20.00% VAT", "20.00"],
        ["Total", "120.00"],
    ]
    found = data(sketch_table(rows), LINES)
    assert [line["description"] for line in found["lines"]] == ["Tax consulting"]
    assert (found["net"], found["tax"], found["total"]) == (100.0, 20.0, 120.0)


def test_arithmetic_knows_better_than_a_header() -> None:
    product = "lines[].quantity * lines[].price == lines[].amount"
    rows = [
        ["Plan", "Users", "Price per user", "Price"],
        ["Small", "2", "10.00", "20.00"],
        ["Large", "3", "5.50", "16.50"],
    ]
    found = data(sketch_table(rows), LINES, product)["lines"]
    assert found[1] == {"description": "Large", "quantity": 3.0, "price": 5.5, "amount": 16.5}
    one_row = data(sketch_table(rows[:2]), LINES, product)["lines"]
    assert all(line.get("quantity") is None for line in one_row)  # one row proves too little
