"""What only the neighbours of a page tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from asbuilt.documents.structure import arrange, stitch
from asbuilt.errors import ReadError
from asbuilt.pages import PageLayout
from asbuilt.testing.reader_contract import check_page
from asbuilt.testing.sketch import sketch_marks

HEAD = "Item          Qty     Price"
ROWS = [f"part{n:03d}       {n:3d}     {n}.50" for n in range(100, 130)]


def page(number: int, *lines: str) -> PageLayout:
    return arrange(sketch_marks("\n".join(lines), number=number))


def tables(pages: list[PageLayout]) -> list[list[bool]]:
    return [[table.continues for table in each.tables] for each in pages]


def test_a_table_goes_on_without_a_header_or_with_the_same_one() -> None:
    pages = [page(1, HEAD, *ROWS[:8]), page(2, HEAD, *ROWS[8:16]), page(3, *ROWS[16:20])]
    stitched = list(stitch(pages))
    assert tables(stitched) == [[False], [True], [True]]
    assert [each.text for each in stitched] == [each.text for each in pages]
    for each in stitched:
        check_page(each)


def test_a_table_with_other_columns_or_another_header_is_a_new_one() -> None:
    moved = [" " * 30 + line for line in ROWS[8:12]]
    other = "Part          Qty     Weight"
    pages = [page(1, HEAD, *ROWS[:8]), page(2, *moved), page(3, HEAD, *ROWS[:8]), page(4, other, *ROWS[8:12])]
    assert tables(list(stitch(pages))) == [[False]] * 4


def test_text_between_ends_a_table() -> None:
    text = ["", "This is a paragraph that goes on for a line.", "", ""]
    pages = [page(1, HEAD, *ROWS[:8], *text), page(2, *ROWS[8:16])]
    assert tables(list(stitch(pages))) == [[False], [False]]


def test_lines_that_come_again_are_running_lines() -> None:
    body = ["", "", *["plain text of the page that goes on"] * 10]
    lines = [page(number, f"The Annual Report, part {number}", *body) for number in (1, 2, 3)]
    high = [arrange(replace(sketch_marks(each.text, number=each.number), height=2000.0)) for each in lines]
    assert [each.blocks[0].kind for each in high] == ["paragraph"] * 3
    assert [each.blocks[0].kind for each in stitch(high)] == ["header"] * 3


def test_no_more_than_one_page_is_held() -> None:
    taken = 0

    def pages() -> Iterator[PageLayout]:
        nonlocal taken
        for number in range(1, 6):
            taken += 1
            yield page(number, HEAD, *ROWS[:4])

    for count, each in enumerate(stitch(pages()), start=1):
        assert each.number == count
        assert taken <= count + 1
    assert taken == 5


def test_a_page_is_there_though_the_next_one_fails() -> None:
    def pages() -> Iterator[PageLayout]:
        yield page(1, HEAD, *ROWS[:4])
        raise ReadError("page 2 is lost")

    stitched = stitch(pages())
    assert next(stitched).number == 1
    with pytest.raises(ReadError, match="page 2"):
        next(stitched)


def test_reading_may_begin_at_any_page_after_its_neighbour() -> None:
    pages = [page(number, HEAD, *ROWS[:8]) for number in range(1, 5)]
    assert list(stitch(pages[1:]))[1:] == list(stitch(pages))[2:]


def test_no_pages_give_none() -> None:
    assert list(stitch([])) == []
