from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.documents import hard_files as files

from asbuilt.documents.scan import PixelReaders, with_second
from asbuilt.errors import MissingError, WorldError
from asbuilt.pages import Box, Word
from asbuilt.roles import Image
from asbuilt.testing.sketch import sketch_marks


def line(text: str, *, at: float = 0.0, top: float = 0.0) -> list[Word]:
    """Words in a pitch of 10 pixels."""
    words, left = [], at
    for part in text.split(" "):
        words.append(Word(part, Box(left, top, left + 10 * len(part), top + 12)))
        left += 10 * (len(part) + 1)
    return words


def seconds(first: str, second: str, *, at: float = 0.0) -> list[str | None]:
    return [word.second for word in with_second(line(first), line(second, at=at))]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("Total 12.00 EUR", "Total 12.00 EUR", [None, None, None]),
        ("Total 12.00 EUR", "Total 12.08 EUR", [None, "12.08", None]),
        ("Total 12.00EUR", "Total 12.00 EUR", [None, None]),
        ("Total 12.00 EUR", "Total 12.00_EUR", [None, "12.00_", None]),
        ("4 832 pieces", "48832 pieces", ["48", None, None]),
        ("Rn 7", "RII7", ["RII", None]),
    ],
)
def test_a_second_reading_is_shown_where_it_differs(
    first: str, second: str, expected: list[str | None]
) -> None:
    assert seconds(first, second) == expected


def test_what_the_second_reader_did_not_see_is_shown_as_nothing() -> None:
    words = with_second([*line("seen"), *line("unseen", top=40)], line("seen"))
    assert [word.second for word in words] == [None, ""]


def test_readings_that_lie_a_little_apart_are_compared() -> None:
    assert seconds("Total 12.00", "Total 12.00", at=3.0) == [None, None]


@given(st.text(st.sampled_from("abc 1"), min_size=1).map(str.split).filter(bool).map(" ".join))
def test_a_reading_agrees_with_itself(text: str) -> None:
    assert all(word.second is None for word in with_second(line(text), line(text)))


@given(
    st.lists(st.sampled_from(("a", "bc", "d4")), min_size=1),
    st.lists(st.sampled_from(("a", "bc", "e")), max_size=9),
)
def test_a_second_reading_changes_nothing_else(first: list[str], second: list[str]) -> None:
    words = line(" ".join(first))
    result = with_second(words, line(" ".join(second)) if second else [])
    assert [(word.text, word.box) for word in result] == [(word.text, word.box) for word in words]


def test_agreement_is_of_letters_and_digits() -> None:
    marks = sketch_marks("The read from pixels line\n\nread from pixels")
    image = np.full((900, 1700, 3), 255, np.uint8)
    readers = PixelReaders(files.FixedOcr(text="read from pixels"), None)
    assert not readers.agree(image, sketch_marks("nothing like that at all").words, dpi=144)
    assert readers.agree(image, sketch_marks("read from pixels").words, dpi=144)
    assert readers.agree(image, marks.words, dpi=144)
    digits = PixelReaders(files.FixedOcr(text="amount 250.00"), None)
    assert digits.agree(image, sketch_marks("Amount: 250.00").words, dpi=144)
    assert not digits.agree(image, sketch_marks("Amount: 950.00").words, dpi=144)


def test_without_ocr_the_command_is_named() -> None:
    readers = PixelReaders(None, None)
    assert "pip install asbuilt[ocr]" in readers.missing
    with pytest.raises(MissingError, match=r"pip install asbuilt\[ocr\]"):
        readers.read(np.zeros((5, 5, 3), np.uint8), dpi=72)


class UnreachableOcr(files.FixedOcr):
    def recognize(self, image: Image, *, dpi: float) -> list[Word]:
        raise WorldError("its program took too long.")


def test_a_second_reader_that_fails_loses_nothing() -> None:
    image = np.full((600, 800, 3), 255, np.uint8)
    first = files.FixedOcr()
    words, flags = PixelReaders(first, UnreachableOcr()).read(image, dpi=72)
    assert words == first.recognize(image, dpi=72)
    assert flags == ("second reader failed: its program took too long.",)
