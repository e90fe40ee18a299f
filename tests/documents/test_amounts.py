from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.documents.amounts import DecimalMark, decimal_mark, read_amount


@pytest.mark.parametrize(
    ("text", "mark", "value", "unit"),
    [
        ("1,234.50", ".", "1234.50", ""),
        ("1.234,50", ",", "1234.50", ""),
        ("1 234,50 €", ",", "1234.50", "€"),
        ("CHF 1'234.50", ".", "1234.50", "CHF"),
        ("$12", ".", "12", "$"),
        ("-$12.00", ".", "-12.00", "$"),
        ("(12.00)", ".", "-12.00", ""),
        ("12.00-", ".", "-12.00", ""),
        ("19 %", ".", "19", "%"),
        ("2.5 kg", ".", "2.5", "kg"),
        ("1.000", ",", "1000", ""),
        ("1.000", ".", "1.000", ""),
    ],
)
def test_written_in_many_ways(text: str, mark: DecimalMark, value: str, unit: str) -> None:
    amount = read_amount(text, mark)
    assert amount is not None
    assert (str(amount.value), amount.unit) == (value, unit)


@pytest.mark.parametrize(
    "text", ["", "abc", "12.00.00", "1,23,456", "12 13", "(12.00", "-(12)", "A12B3", "2026-11-23"]
)
def test_what_is_no_number(text: str) -> None:
    assert read_amount(text, ".") is None


@pytest.mark.parametrize(
    ("texts", "mark"),
    [
        (["1.234,50"], ","),
        (["12,5"], ","),
        (["1,234.50"], "."),
        (["1,000", "2,000"], "."),
        (["0,125"], ","),
        ([], "."),
    ],
)
def test_the_convention_of_a_document(texts: list[str], mark: str) -> None:
    assert decimal_mark(texts) == mark


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2), st.sampled_from(".,"))
def test_what_is_written_is_read_back(value: Decimal, mark: DecimalMark) -> None:
    text = f"{value:,.2f}"
    if mark == ",":
        text = text.translate(str.maketrans(",.", ".,"))
    amount = read_amount(text, mark)
    assert amount is not None
    assert amount.value == value
