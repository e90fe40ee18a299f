"""Tables, with rules and without, drawn with characters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asbuilt.documents.structure import arrange
from asbuilt.pages import PageLayout, PageMarks, Ruling, Table
from asbuilt.testing.reader_contract import check_page
from asbuilt.testing.sketch import sketch_marks

LEFT, TOP, ADVANCE, LEADING = 36.0, 36.0, 6.0, 14.0


def grid(page: PageLayout, table: Table) -> list[list[str]]:
    """Texts by row and column; places that a cell spans have what it has."""
    texts = [[""] * table.columns for _ in range(table.rows)]
    for cell in table.cells:
        text = " ".join(word.text for word in page.words[cell.first : cell.end])
        for row in range(cell.row, cell.row + cell.row_span):
            for column in range(cell.column, cell.column + cell.column_span):
                texts[row][column] = text
    return texts


def read(picture: str, rulings: tuple[Ruling, ...] = (), *, reader: str = "text-layer") -> PageLayout:
    page = arrange(replace(sketch_marks(picture, reader=reader), rulings=rulings))
    check_page(page)
    return page


def flat(row: float, start: int, end: int) -> Ruling:
    """A horizontal rule above a row of the drawing, between two of its characters."""
    y = TOP + LEADING * row - 2
    return Ruling(LEFT + ADVANCE * start, y, LEFT + ADVANCE * end, y)


def upright(column: int, start: float, end: float) -> Ruling:
    x = LEFT + ADVANCE * column - 1
    return Ruling(x, TOP + LEADING * start - 2, x, TOP + LEADING * end - 2)


ITEMS = """
Description                Qty   Unit price    Amount
Widget, blue, with a         2        10.00     20.00
long description
Gadget                       1         5.00      5.00
Bolt M8                    100         0.10     10.00

                                  Subtotal:     35.00
                                  Total:        42.00
"""


@pytest.mark.parametrize("reader", ["text-layer", "rapidocr"])
def test_line_items_are_rows_and_columns_and_sums_below_are_none_of_them(reader: str) -> None:
    page = read(ITEMS, reader=reader)
    (table,) = page.tables
    assert not table.ruled
    assert grid(page, table) == [
        ["Description", "Qty", "Unit price", "Amount"],
        ["Widget, blue, with a long description", "2", "10.00", "20.00"],
        ["Gadget", "1", "5.00", "5.00"],
        ["Bolt M8", "100", "0.10", "10.00"],
    ]
    assert {cell.row for cell in table.cells if cell.header} == {0}
    assert "Gadget | 1 | 5.00 | 5.00\nBolt M8 | 100" in page.text
    assert page.text.endswith("Subtotal: 35.00\nTotal: 42.00")


def test_a_header_over_two_columns_spans_them() -> None:
    page = read(
        """
                   2023               2024
             Sales   Costs      Sales   Costs
North          100      50        120      60
South           90      45        110      55
East                    45        110      55
"""
    )
    (table,) = page.tables
    assert grid(page, table)[0] == ["", "2023", "2023", "2024", "2024"]
    assert grid(page, table)[4] == ["East", "", "45", "110", "55"]
    assert {cell.row for cell in table.cells if cell.header} == {0, 1}


def test_titles_of_sections_are_rows_of_their_own() -> None:
    page = read(
        """
                         2024       2023
Assets
Cash                   82,644     34,481
Inventories            98,227     47,993
Liabilities
Accounts payable       62,481     33,318
Deferred revenue       50,906     72,271
"""
    )
    (table,) = page.tables
    assert [row[0] for row in grid(page, table)] == [
        "",
        "Assets",
        "Cash",
        "Inventories",
        "Liabilities",
        "Accounts payable",
        "Deferred revenue",
    ]


def test_cells_in_the_middle_of_their_rows_are_one_row() -> None:
    page = read(
        """
Code       Text                     Price

           Travel large small
X-1099     compact annual widget    67.40
           insurance panel

X-2000     Blue small               98.21

           Remote assembly red
B-3225     sensor toner sensor       1.19
           panel premium
"""
    )
    (table,) = page.tables
    assert grid(page, table)[1] == [
        "X-1099",
        "Travel large small compact annual widget insurance panel",
        "67.40",
    ]
    assert len(grid(page, table)) == 4


@pytest.mark.parametrize(
    "picture",
    [
        """
Seller Ltd                    Buyer Inc
12 Main Street                7 Dock Road
London E1 6AN                 Hull HU1 2AA
""",
        """
Invoice No:      NW-20391
Date:            2025-03-14
Due date:        2025-04-13
Customer:        C-8841
""",
        """
-b, --benchmark    perform a benchmark on decoding
-s, --strict       use strict decoding
-h, --help         display this help and exit
""",
        """
Lorem ipsum dolor sit amet co     consectetur adipisicing eli
sed do eiusmod tempor incidid     ut labore et dolore magna a
ut enim ad minim veniam quis      nostrud exercitation ullamc
laboris nisi ut aliquip ex ea     commodo consequat duis aute
""",
    ],
    ids=["addresses", "labels and values", "options", "columns of text"],
)
def test_what_stands_side_by_side_is_not_always_a_table(picture: str) -> None:
    assert read(picture).tables == ()


FORM = """
Family name         Given names

HOLLOWAY            MARTHA JANE

Address

77 Station Approach, Guildford
"""
FORM_RULES = (flat(0, -1, 40), flat(4, -1, 40), flat(8, -1, 40))


def test_a_missing_line_makes_a_cell_span() -> None:
    rulings = (*FORM_RULES, upright(0, 0, 8), upright(20, 0, 4), upright(41, 0, 8))
    page = read(FORM, rulings)
    (table,) = page.tables
    assert table.ruled
    assert [(cell.row, cell.column, cell.column_span) for cell in table.cells] == [
        (0, 0, 1),
        (0, 1, 1),
        (1, 0, 2),
    ]
    assert grid(page, table)[0] == ["Family name HOLLOWAY", "Given names MARTHA JANE"]
    assert not any(cell.header for cell in table.cells), "a form names no columns"


def test_a_cell_spans_rows() -> None:
    rulings = (flat(0, -1, 30), flat(4, -1, 30), upright(0, 0, 4), upright(12, 0, 4), upright(31, 0, 4))
    page = read(
        """
North       100 boxes
            a year
region      200 bags
            a year
""",
        (*rulings, flat(2, 12, 30)),
    )
    (table,) = page.tables
    assert [(cell.row, cell.column, cell.row_span) for cell in table.cells] == [
        (0, 0, 2),
        (0, 1, 1),
        (1, 1, 1),
    ]


@pytest.mark.parametrize("broken", [False, True])
def test_lines_of_scans_are_broken_and_miss_each_other(broken: bool) -> None:
    rows = (0, 1, 2, 3)
    rulings = [flat(row, 0, 30) for row in rows] + [upright(column, 0, 3) for column in (0, 10, 20, 30)]
    if broken:
        parted = []
        for x0, y0, x1, y1, width in rulings:
            x, y = (x0 + x1) / 2, (y0 + y1) / 2
            if x1 > x0:
                parted += [
                    Ruling(x0 + 2, y0, x - 3, y0 + 0.6, width),
                    Ruling(x + 2, y0 + 0.5, x1 - 3, y0 + 0.9),
                ]
            else:
                parted += [Ruling(x0, y0 + 3, x0, y - 2), Ruling(x0 + 0.5, y + 2, x0 + 0.5, y1)]
        rulings = parted
    page = read(
        """
 Item      Qty       Price
 Bolt      100       0.10
 Nut       200       0.05
""",
        tuple(rulings),
        reader="rapidocr" if broken else "text-layer",
    )
    (table,) = page.tables
    assert table.ruled
    assert grid(page, table) == [["Item", "Qty", "Price"], ["Bolt", "100", "0.10"], ["Nut", "200", "0.05"]]
    assert {cell.row for cell in table.cells if cell.header} == {0}


def test_rows_that_no_line_parts_are_told_by_their_values() -> None:
    columns = tuple(upright(column, 0, 5) for column in (0, 24, 34, 44))
    page = read(
        """
 Description            Qty       Price
 Widget, blue, very       2       20.00
 long
 Gadget                   1        5.00
 Bolt                   100       10.00
""",
        (flat(0, 0, 44), flat(1, 0, 44), flat(5, 0, 44), *columns),
    )
    (table,) = page.tables
    assert grid(page, table)[1:] == [
        ["Widget, blue, very long", "2", "20.00"],
        ["Gadget", "1", "5.00"],
        ["Bolt", "100", "10.00"],
    ]


def test_rules_above_and_below_the_header_alone() -> None:
    page = read(
        """
Method            P       R
Baseline       71.2    68.0
Ours (small)   80.1    79.4
""",
        (flat(0, 0, 28), flat(1, 0, 28), flat(3, 0, 28)),
    )
    (table,) = page.tables
    assert grid(page, table)[1] == ["Baseline", "71.2", "68.0"]
    assert {cell.row for cell in table.cells if cell.header} == {0}


def test_a_frame_around_text_is_no_table() -> None:
    frame = (flat(0, -1, 40), flat(3, -1, 40), upright(0, 0, 3), upright(41, 0, 3))
    page = read("Please note that this is a notice\nof two lines in a frame.", frame)
    assert page.tables == ()
    assert page.text == "Please note that this is a notice\nof two lines in a frame."


def test_an_empty_grid_is_no_table() -> None:
    rulings = [flat(row, 0, 30) for row in range(4)] + [upright(column, 0, 3) for column in (0, 10, 20, 30)]
    marks = PageMarks(1, 595.0, 842.0, (), tuple(rulings))
    assert arrange(marks).tables == ()
