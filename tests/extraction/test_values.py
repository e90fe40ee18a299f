from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import UserError
from asbuilt.extraction.values import Conventions, Parsed, conventions_of, follows, of_kind, parse
from asbuilt.fields import Field, FieldKind


def field(kind: FieldKind, **more: Any) -> Field:
    return Field("value", kind, ("value",), **more)


@pytest.mark.parametrize(
    ("kind", "quote", "value"),
    [
        ("number", "1,234.50 EUR", 1234.5),
        ("number", "$ 12", 12.0),
        ("number", "20%", None),
        ("number", "12 apples and 3", None),
        ("integer", "3.00", 3),
        ("integer", "3.50", None),
        ("date", "2026-03-04", "2026-03-04"),
        ("date", "4 March 2026", "2026-03-04"),
        ("date", "4. März 2026", "2026-03-04"),
        ("date", "Mar 4th, 2026", "2026-03-04"),
        ("date", "04.03.26", "2026-03-04"),
        ("date", "31/02/2026", None),
        ("boolean", "Yes", True),
        ("boolean", "☐", False),
        ("boolean", "perhaps", None),
        ("string", " Oak  shelf: ", "Oak shelf"),
    ],
)
def test_quotes_to_values(kind: FieldKind, quote: str, value: Any) -> None:
    found = parse(field(kind), quote)
    assert (None if found is None else found.value) == value


def test_choices_are_written_as_the_schema_does() -> None:
    choices = field("enum", choices=("bank transfer", "credit card"))
    assert parse(choices, "Credit Card") == Parsed("credit card")
    assert parse(choices, "credit cord") == Parsed("credit card")  # a letter misread
    assert parse(choices, "cash") is None


def test_a_pattern_must_match_the_whole() -> None:
    assert parse(field("string", pattern=r"[A-Z]-\d+"), "A-12") == Parsed("A-12")
    assert parse(field("string", pattern=r"[A-Z]-\d+"), "A-12 x") is None


def test_a_rate_is_a_number_where_the_field_says_so() -> None:
    assert parse(Field("tax_rate", "number", ("tax rate",)), "20 %") == Parsed(20.0)


def test_a_document_decides_what_its_numbers_and_dates_mean() -> None:
    assert conventions_of(["Total 1.234,50", "on 13.04.2026"]) == Conventions(",", day_first=True)
    assert conventions_of(["paid 04/13/2026"]).day_first is False
    british = Conventions(".", day_first=True)
    assert parse(field("date"), "03/04/2026", british) == Parsed("2026-04-03")
    assert parse(field("date"), "03/04/2026", Conventions(".", day_first=False)) == Parsed("2026-03-04")
    assert parse(field("date"), "03/04/2026") == Parsed("2026-03-04", ambiguous=True)
    assert parse(field("number"), "1.234", Conventions(",")) == Parsed(1234.0, ambiguous=True)


@given(
    st.dates(date(1971, 1, 1), date(2069, 12, 31)),
    st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%d %B %Y", "%B %d, %Y"]),
)
def test_a_written_date_follows_from_its_quote(day: date, form: str) -> None:
    assert follows(field("date"), day.strftime(form), day.isoformat())


def test_a_value_does_not_follow_from_another_quote() -> None:
    assert not follows(field("number"), "12.00", 21.0)
    assert not follows(field("date"), "4 March 2026", "2026-04-03")


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        ("number", 12, 12.0),
        ("integer", 12.0, 12),
        ("date", "4 March 2026", "2026-03-04"),
        ("string", 1001, "1001"),
        ("boolean", False, False),
        ("number", None, None),
    ],
)
def test_what_a_user_types_becomes_of_the_fields_kind(kind: FieldKind, typed: Any, value: Any) -> None:
    assert of_kind(field(kind), typed) == value


@pytest.mark.parametrize(
    ("kind", "typed"),
    [("number", "abc"), ("number", True), ("integer", 1.5), ("date", "soon"), ("boolean", "yes")],
)
def test_what_a_user_types_of_another_kind_is_refused(kind: FieldKind, typed: Any) -> None:
    with pytest.raises(UserError, match="is no value"):
        of_kind(field(kind), typed)
