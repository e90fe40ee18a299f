"""The structure of pages: what holds for every page, whatever stands on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asbuilt.documents.structure import arrange
from asbuilt.pages import Box, PageLayout, PageMarks, Ruling, Word, page_to_json
from asbuilt.testing.reader_contract import check_page
from asbuilt.testing.sketch import sketch_marks

_PLACES = st.integers(0, 60)


@st.composite
def _words(draw: st.DrawFn) -> Word:
    left, top = 10.0 * draw(_PLACES), 12.0 * draw(_PLACES) + draw(st.sampled_from([0.0, 0.5, 3.0]))
    size = draw(st.sampled_from([6.0, 10.0, 10.0, 10.0, 24.0]))
    text = draw(st.sampled_from(["a", "12.50", "Total:", "•", "word", "3", "Figure", "$1,000"]))
    box = Box(left, top, left + draw(st.sampled_from([0.0, 0.6, 1.0])) * size * len(text), top + size)
    return Word(text, box.rounded(), font_size=draw(st.sampled_from([0.0, size])), bold=draw(st.booleans()))


@st.composite
def _rulings(draw: st.DrawFn) -> Ruling:
    x, y, length = 10.0 * draw(_PLACES), 10.0 * draw(_PLACES), 10.0 * draw(st.integers(0, 40))
    return Ruling(x, y, x + length, y) if draw(st.booleans()) else Ruling(x, y, x, y + length)


@st.composite
def _marks(draw: st.DrawFn) -> PageMarks:
    return PageMarks(
        number=1,
        width=1500.0,
        height=1500.0,
        words=tuple(draw(st.lists(_words(), max_size=60))),
        rulings=tuple(draw(st.lists(_rulings(), max_size=16))),
        pictures=tuple(
            Box(left, top, left + 200, top + 100)
            for left, top in draw(st.lists(st.tuples(_PLACES, _PLACES), max_size=3))
        ),
        kind=draw(st.sampled_from(["text", "scan"])),
    )


def _is_whole(page: PageLayout, marks: PageMarks) -> None:
    check_page(page)
    blank = [replace(word, start=0) for word in page.words]
    assert Counter(blank) == Counter(marks.words), "each word comes out exactly once"
    for parts in (page.lines, page.blocks):
        at = 0
        for part in parts:
            assert part.first == at, "lines and blocks follow one another and leave no word out"
            at = part.end
        assert at == len(page.words)
    for block in page.blocks:
        if block.kind == "table":
            assert block.item is not None
            at = block.first
            for cell in page.tables[block.item].cells:
                assert cell.first == at, "cells of a table follow one another"
                at = cell.end
            assert at == block.end
        if block.kind == "figure":
            assert block.item is not None
            assert page.figures[block.item].box == block.box
    for figure in page.figures:
        assert figure.caption is None or page.blocks[figure.caption].kind == "caption"


@given(_marks(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=150)
def test_words_come_out_once_in_whatever_order_they_come_in(marks: PageMarks, chance: object) -> None:
    page = arrange(marks)
    _is_whole(page, marks)
    mixed = list(marks.words)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    rulings = list(marks.rulings)
    chance.shuffle(rulings)  # type: ignore[attr-defined]
    again = arrange(replace(marks, words=tuple(mixed)))
    assert page_to_json(again) == page_to_json(page)
    turned = arrange(replace(marks, words=tuple(mixed), rulings=tuple(rulings)))
    assert turned.text == page.text


def test_an_empty_page_is_one_without_words() -> None:
    page = arrange(PageMarks(3, 595.0, 842.0, ()))
    assert (page.number, page.text, page.words, page.blocks) == (3, "", (), ())


@pytest.mark.parametrize("reader", ["text-layer", "rapidocr"])
def test_columns_of_text_are_read_one_after_the_other(reader: str) -> None:
    page = arrange(
        sketch_marks(
            """
Lorem ipsum dolor sit amet co     consectetur adipisicing eli
sed do eiusmod tempor incidid     ut labore et dolore magna a
ut enim ad minim veniam quis      nostrud exercitation ullamc
laboris nisi ut aliquip ex ea     commodo consequat duis aute
""",
            reader=reader,
        )
    )
    assert page.text.split("\n\n")[1].startswith("consectetur")
    assert [block.kind for block in page.blocks] == ["paragraph", "paragraph"]
