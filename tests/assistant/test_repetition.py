from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.assistant.repetition import repeats_itself


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The command deletes the queue of the account. " * 4, True),
        ("The command deletes the queue of the account. " * 3, False),
        ("aws s3 rm" + " --exclude" * 8, True),
        ("aws s3 rm" + " --exclude" * 7, False),
        ("| --- " * 50, False),
        ("=" * 500, False),
        (" " * 500, False),
        ("ha" * 40, True),
        ("", False),
        ("".join(f"{number}. Another line.\n" for number in range(30)), False),
    ],
)
def test_only_real_circles_are_noticed(text: str, expected: bool) -> None:
    assert repeats_itself(text) is expected


@given(st.text(max_size=50), st.text(alphabet="abc .", min_size=24, max_size=40))
def test_any_long_unit_counts_after_four_times(before: str, unit: str) -> None:
    assert repeats_itself(before + unit * 4) is any(letter in unit for letter in "abc")


@given(st.text(alphabet="ab", max_size=300))
def test_it_never_fails(text: str) -> None:
    repeats_itself(text)
