from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import UserError
from asbuilt.retrieval.tags import tags_of, wanted_tags
from asbuilt.types import Scalar

scalars = st.one_of(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans())


def same_kind(left: Scalar, right: Scalar) -> bool:
    """Text, boolean or number."""
    return (isinstance(left, str), isinstance(left, bool)) == (
        isinstance(right, str),
        isinstance(right, bool),
    )


@given(st.text(), scalars, scalars)
def test_tags_are_equal_when_values_of_one_kind_are(key: str, left: Scalar, right: Scalar) -> None:
    equal = same_kind(left, right) and left == right
    assert (tags_of({key: left}) == tags_of({key: right})) == equal


@given(scalars, st.text(), st.text())
def test_tags_of_different_keys_differ(value: Scalar, left: str, right: str) -> None:
    assert (tags_of({left: value}) == tags_of({right: value})) == (left == right)


@given(st.dictionaries(st.text(), scalars))
def test_a_payload_matches_itself_as_a_filter(payload: dict[str, Scalar]) -> None:
    tags = set(tags_of(payload))
    assert all(tags & set(wanted) for wanted in wanted_tags(payload))
    assert len(wanted_tags(payload)) == len(payload)


def test_a_list_of_values_wants_any_of_them() -> None:
    assert wanted_tags({"a": [1, "x"], "b": True}) == [['["a",1]', '["a","x"]'], ['["b",true]']]
    assert wanted_tags({"a": []}) == [[]]
    assert wanted_tags(None) == wanted_tags({}) == []


@pytest.mark.parametrize("value", [None, {"x": 1}, b"bytes", object(), [[1]], [None]])
def test_what_is_no_scalar_is_refused(value: Any) -> None:
    with pytest.raises(UserError, match="'key'"):
        wanted_tags({"key": value})
    with pytest.raises(UserError, match="'key'"):
        tags_of({"key": value})
