from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.documents import samples

from asbuilt.documents.canvas import GridCell, Passage, wrapped
from asbuilt.documents.drawn import Grid, draw_pages, drawn_pages
from asbuilt.documents.header_row import is_header
from asbuilt.documents.html import HtmlReader
from asbuilt.documents.markdown import MarkdownReader
from asbuilt.documents.text import TextReader
from asbuilt.pages import PageLayout
from asbuilt.testing.reader_contract import check_page


def cell_texts(page: PageLayout, table: int = 0) -> list[list[str]]:
    grid = page.tables[table]
    rows: list[list[str]] = [[] for _ in range(grid.rows)]
    for cell in grid.cells:
        rows[cell.row].append(" ".join(word.text for word in page.words[cell.first : cell.end]))
    return rows


def test_blocks_stand_below_one_another() -> None:
    grid = Grid([[GridCell("a  b", "A1"), GridCell("", "B1")], [GridCell("c", "A2"), GridCell("d", "B2")]])
    (page,) = draw_pages(
        [
            Passage("Title", "heading", 1, "t"),
            Passage("one\ntwo", place="p"),
            Passage("- x", "list", place="p"),
            Passage("- y", "list", place="p"),
            grid,
        ]
    )
    check_page(page)
    assert page.text == "Title\n\none\ntwo\n\n- x\n- y\n\na b\nc | d"
    assert [block.kind for block in page.blocks] == ["heading", "paragraph", "list", "table"]
    assert [block.box.top for block in page.blocks] == sorted(block.box.top for block in page.blocks)
    assert cell_texts(page) == [["a b", ""], ["c", "d"]]
    assert [word.place for word in page.words][-4:] == ["A1", "A1", "A2", "B2"]


def test_spans_cover_the_cells_that_are_not_there() -> None:
    wide = GridCell("a title over both", "A1", column_span=2)
    tall = GridCell("tall", "A2", row_span=2)
    (page,) = draw_pages([Grid([[wide, None], [tall, GridCell("x", "B2")], [None, GridCell("y", "B3")]])])
    check_page(page)
    assert page.text == "a title over both\ntall | x\n | y"
    title, upright = page.tables[0].cells[:2]
    assert title.box.width == page.tables[0].box.width >= 6 * len("a title over both")
    assert upright.box.bottom == page.tables[0].box.bottom


def test_a_table_goes_on_over_pages() -> None:
    rows = [[GridCell(f"r{number}", "x"), GridCell("v", "x")] for number in range(120)]
    rows[49] = [GridCell("spans more than is left", "x", row_span=9), GridCell("v", "x")]
    for row in rows[50:58]:
        row[0] = None  # type: ignore[call-overload]
    pages = list(draw_pages([Passage("before", place="p"), Grid(rows)], page_lines=52, flags=["remark"]))
    for page in pages:
        check_page(page)
    assert [page.number for page in pages] == [1, 2, 3]
    assert [page.flags for page in pages] == [("remark",), (), ()]
    assert [page.tables[0].continues for page in pages] == [False, True, True]
    assert sum(page.tables[0].rows for page in pages) == 120
    assert [text for page in pages for (*_, text) in cell_texts(page)] == ["v"] * 120


@given(st.lists(st.text(alphabet="ab \t\n\u00a0é🎉", max_size=300), max_size=12), st.integers(1, 9))
def test_no_word_is_lost_or_moved(texts: list[str], page_lines: int) -> None:
    parts = [
        Passage(text, "list" if number % 3 else "paragraph", place="x") for number, text in enumerate(texts)
    ]
    pages = list(draw_pages(parts, page_lines=page_lines))
    for page in pages:
        check_page(page)
        assert len(page.lines) <= page_lines
    assert [word.text for page in pages for word in page.words] == " ".join(texts).split()


@given(
    st.lists(
        st.lists(st.text(alphabet="ab \n", max_size=120), min_size=2, max_size=2), min_size=1, max_size=9
    )
)
def test_no_cell_is_lost(rows: list[list[str]]) -> None:
    pages = list(draw_pages([Grid([[GridCell(text, "x") for text in row] for row in rows])], page_lines=7))
    for page in pages:
        check_page(page)
    found = [row for page in pages for row in cell_texts(page)]
    assert found == [[" ".join(text.split()) for text in row] for row in rows]


def test_columns_made_with_blanks_stay_columns() -> None:
    receipt = TextReader().read(b"SHOP\n\nTea        2.50\nCoffee     3.00\n", name="r.txt")
    (page,) = drawn_pages(receipt)
    check_page(page)
    tea, price, coffee, other = page.words[1:]
    assert (tea.box.left, price.box.left) == (coffee.box.left, other.box.left)
    assert tea.box.top == price.box.top
    assert [word.place for word in page.words] == ["line 1", "line 3", "line 3", "line 4", "line 4"]


@pytest.mark.parametrize(
    ("text", "rows", "header"),
    [
        ("| a | b |\n|---|--:|\n| x \\| y | 2 |", [["a", "b"], ["x | y", "2"]], True),
        ("+---+---+\n| a | b |\n+===+===+\n| c | d |\n+---+---+", [["a", "b"], ["c", "d"]], True),
        ("a | b | c\nd | e", [["a", "b", "c"], ["d", "e", ""]], False),
    ],
)
def test_bars_part_cells(text: str, rows: list[list[str]], header: bool) -> None:
    (page,) = drawn_pages(MarkdownReader().read(f"Before\n\n{text}\n\nAfter".encode(), name="x.md"))
    check_page(page)
    assert cell_texts(page) == rows
    assert {cell.header for cell in page.tables[0].cells if cell.row == 0} == {header}
    assert [block.kind for block in page.blocks] == ["paragraph", "table", "paragraph"]


def test_documents_without_pages_keep_headings_lists_and_tables() -> None:
    (page,) = drawn_pages(HtmlReader().read(samples.HTML.encode(), name="x.html"))
    check_page(page)
    kinds = [(block.kind, block.level) for block in page.blocks]
    assert kinds[:3] == [("heading", 1), ("paragraph", 0), ("list", 0)]
    assert cell_texts(page) == [["Name", "Price in €"], ["Bolt", "1 200"]]


def test_a_line_of_a_million_words_is_many_pages() -> None:
    pages = draw_pages([Passage("word " * 100_000, place="x")])
    assert max(len(page.words) for page in pages) < 1000


def test_wrapping_takes_words_that_are_too_long() -> None:
    assert [len(line) for line in wrapped("a " + "b" * 30 + " c", 10)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("rows", "expected", "header"),
    [
        ([["Item", "Qty", "Price"], ["Bolt", "2", "1.00 EUR"], ["Nut", "3", "$ 2.50"]], False, True),
        ([["Name", "Age"], ["Ann", "31"], ["Bob", "40"]], False, True),
        ([["Customer", "ACME"], ["Date", "2026-11-23"], ["Total", "3.50"], ["Paid", "no"]], False, False),
        ([["Invoice", "17"], ["Date", "2026-11-23"]], False, False),
        ([["name", "city"], ["Ann", "Paris"]], False, False),
        ([["name", "city"], ["Ann", "Paris"]], True, True),
        ([["a", "a"], ["1", "2"]], True, False),
        ([["only"], ["1"]], True, False),
        ([["a", "b"]], True, False),
    ],
)
def test_header_rows(rows: list[list[str]], expected: bool, header: bool) -> None:
    assert is_header(rows[0], rows[1:], expected=expected) is header
