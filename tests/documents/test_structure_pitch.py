"""Gaps of words and gaps of columns, in type of fixed pitch and in proportional type, as OCR sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reportlab.pdfbase.pdfmetrics import stringWidth

from asbuilt.documents.structure import arrange
from asbuilt.documents.structure.pitch import fixed_advances
from asbuilt.pages import Box, PageLayout, PageMarks, Ruling, Table, Word
from asbuilt.testing.reader_contract import check_page

Row = Sequence[tuple[float, str]]
"""Where each cell starts, in points, and its text."""

SIZE, LEADING, TOP = 9.0, 16.0, 60.0
SCAN_JITTER = 0.35  # points: an OCR box is off by a pixel of a page at 200 dpi

ADDRESS: tuple[Row, ...] = (
    ((54, "Meridian Supplies"), (400, "Invoice")),
    ((54, "Harrow Trading Limited"),),
    ((54, "Church Hill Street"),),
    ((54, "Turin Northern District"),),
    (),
)
ITEMS: tuple[Row, ...] = (
    ((54, "Article"), (330, "Qty"), (404, "Each"), (508, "Amount")),
    ((54, "Copper pipe"), (330, "9"), (404, "159.79"), (498, "1,438.11")),
    ((54, "Desk lamp"), (330, "5"), (404, "251.30"), (498, "1,256.50")),
    ((54, "Paint, matt grey"), (330, "8"), (404, "95.77"), (509, "766.16")),
    ((54, "Ladder 3 m"), (330, "3"), (404, "433.81"), (498, "1,301.43")),
    ((54, "Oak shelf"), (330, "5"), (404, "129.66"), (509, "648.30")),
)


def scan(rows: Sequence[Row], *, font: str, chance: Random, jitter: float = SCAN_JITTER) -> PageMarks:
    """A page as OCR gives it: boxes of ink, off by `jitter` points, and no font sizes. Rules run below
    the sixth row and below the last, so that a table between them is likely."""
    words = []
    for number, row in enumerate(rows):
        baseline = TOP + LEADING * number
        for start, text in row:
            x = start
            for part in text.split():
                width = stringWidth(part, font, SIZE)
                bearing = 0.12 * width / len(part)
                high = 0.5 if set(part) <= set("acemnorsuvwxz") else 0.7
                deep = 0.2 if set(part) & set("gpqy") else 0.0
                edges = (x + bearing, baseline - high * SIZE, x + width - bearing, baseline + deep * SIZE)
                box = Box(*(edge + chance.uniform(-jitter, jitter) for edge in edges))
                words.append(Word(part, box.rounded(), reader="rapidocr", confidence=0.99))
                x += width + stringWidth(" ", font, SIZE)
    below = [TOP + LEADING * (len(ADDRESS) + 0.4), TOP + LEADING * (len(rows) + 2)]
    rulings = tuple(Ruling(50, y, 560, y) for y in below)
    return PageMarks(1, 595.0, 842.0, tuple(words), rulings, kind="scan")


def read(marks: PageMarks) -> PageLayout:
    page = arrange(marks)
    check_page(page)
    return page


def grid(page: PageLayout, table: Table) -> list[list[str]]:
    texts = [[""] * table.columns for _ in range(table.rows)]
    for cell in table.cells:
        texts[cell.row][cell.column] = " ".join(word.text for word in page.words[cell.first : cell.end])
    return texts


def cells(rows: Sequence[Row]) -> list[list[str]]:
    return [[text for _, text in row] for row in rows]


@settings(max_examples=30, deadline=None)
@given(chance=st.randoms(use_true_random=False))
def test_a_blank_of_fixed_pitch_parts_no_cell(chance: Random) -> None:
    page = read(scan((*ADDRESS, *ITEMS), font="Courier", chance=chance))
    (table,) = page.tables
    assert grid(page, table) == cells(ITEMS)


def test_a_page_of_fixed_pitch_may_be_nothing_but_a_table() -> None:
    marks = scan((*ADDRESS, *ITEMS), font="Courier", chance=Random(1))
    items = tuple(word for word in marks.words if word.box.top > marks.rulings[0].y0 - LEADING)
    page = read(replace(marks, words=items))
    (table,) = page.tables
    assert grid(page, table) == cells(ITEMS)


def close_columns(font: str, gap: float) -> list[Row]:
    """A table whose first column ends in line `gap` points before the second begins, in each row."""
    names = ["Article", "Paint", "Ladder"]
    colours = ["Colour", "white", "green"]
    amounts = ["Amount", "38.11", "56.50"]
    return [
        ((200 - stringWidth(name, font, SIZE), name), (200 + gap, colour), (400, amount))
        for name, colour, amount in zip(names, colours, amounts, strict=True)
    ]


@settings(max_examples=30, deadline=None)
@given(chance=st.randoms(use_true_random=False))
def test_two_blanks_of_fixed_pitch_part_columns(chance: Random) -> None:
    rows = close_columns("Courier", 2 * stringWidth(" ", "Courier", SIZE))
    page = read(scan((*ADDRESS, *rows), font="Courier", chance=chance))
    (table,) = page.tables
    assert grid(page, table) == cells(rows)


@pytest.mark.parametrize("font", ["Helvetica", "Times-Roman"])
def test_narrow_gaps_of_columns_in_proportional_type_stay_gaps(font: str) -> None:
    rows = close_columns(font, 0.75 * SIZE)
    for seed in range(20):
        page = read(scan((*ADDRESS, *rows), font=font, chance=Random(seed)))
        (table,) = page.tables
        assert grid(page, table) == cells(rows)


TEXT = ["Ladies", "desire", "quiet", "libraries", "where", "mighty", "willows", "shimmer", "till", "midnight"]


def advances(font: str, size: float = 10.0) -> list[float] | None:
    return fixed_advances(TEXT, [stringWidth(word, font, size) for word in TEXT], [size] * len(TEXT))


def test_a_page_is_in_fixed_pitch_or_it_is_not() -> None:
    assert advances("Courier") == pytest.approx([6.0] * len(TEXT))
    assert advances("Helvetica") is None
    assert advances("Times-Roman") is None


def test_the_size_may_change_within_fixed_pitch() -> None:
    large, small = ([stringWidth(word, "Courier", size) for word in TEXT] for size in (14.0, 8.0))
    found = fixed_advances(TEXT * 2, large + small, [14.0] * len(TEXT) + [8.0] * len(TEXT))
    assert found == pytest.approx([8.4] * len(TEXT) + [4.8] * len(TEXT))


def test_a_short_word_takes_the_advance_of_its_size() -> None:
    texts = [*TEXT, "1"]
    widths = [stringWidth(word, "Courier", 10.0) for word in TEXT]
    found = fixed_advances(texts, [*widths, 2.0], [10.0] * len(texts))
    assert found is not None
    assert found[-1] == pytest.approx(6.0)


def test_neither_digits_nor_letters_of_full_width_nor_few_words_tell() -> None:
    assert fixed_advances(["12345"] * 20, [25.0] * 20, [10.0] * 20) is None
    assert fixed_advances(["東京都内"] * 20, [40.0] * 20, [10.0] * 20) is None
    assert fixed_advances(["word"] * 8, [24.0] * 8, [10.0] * 8) is None
    assert fixed_advances([], [], []) is None
