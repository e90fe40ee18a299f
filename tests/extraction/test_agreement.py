from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.extraction.agreement import agree, plain


@pytest.mark.parametrize(
    ("stated", "read"),
    [
        ("Müller GmbH", "Muller GmbH"),
        ("1,234.50", "1,234.50 "),
        ("INV-0O1", "INV-001"),
        ("New York", "NewYork"),
        ("rock ’n’ roll", "rock 'n' roll"),
        ("2024–03–01", "2024-03-01"),
        ("Straße 12", "strasse 12"),
        ("Consulting services, Q3", "Consulting services. Q3"),
        ("Ａcme", "Acme"),
    ],
)
def test_the_same_reading(stated: str, read: str) -> None:
    assert agree(stated, read)


@pytest.mark.parametrize(
    ("stated", "read"),
    [
        ("4711", "4712"),
        ("1,234.50", "123,450"),
        ("-12.00", "12.00"),
        ("Consulting services for the year 2024", "Consulting services for the year 2025"),
        ("Mr A", "Mr B"),
        ("Oak shelf", "Ash shelf"),
        ("", ""),
        ("x", ""),
        ("8", "B"),
        ("Paris", "Parts"),
    ],
)
def test_another_reading(stated: str, read: str) -> None:
    assert not agree(stated, read)


@given(st.text(min_size=1))
def test_a_text_agrees_with_itself(text: str) -> None:
    assert agree(text, text) == (plain(text) != "")


@given(st.text(), st.integers(0, 9), st.integers(0, 9), st.text())
def test_a_digit_that_differs_is_always_seen(before: str, one: int, other: int, after: str) -> None:
    if one != other:
        assert not agree(f"{before}{one}{after}", f"{before}{other}{after}")
