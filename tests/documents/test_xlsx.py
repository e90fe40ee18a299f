from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import openpyxl
import pytest
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet
from tests.documents.test_drawn import cell_texts
from tests.documents.test_pdf_and_docx import encrypted_office_file, old_office_file

from asbuilt.documents.number_format import Value, shown
from asbuilt.documents.xlsx import XlsxReader
from asbuilt.errors import ReadError
from asbuilt.pages import PageLayout
from asbuilt.roles import Reader
from asbuilt.testing.reader_contract import PagedReaderContract


def workbook(fill: Callable[[Worksheet], object], *, title: str = "Sheet1") -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = title
    fill(sheet)
    return saved(book)


def rows(*values: Sequence[Any]) -> Callable[[Worksheet], None]:
    def fill(sheet: Worksheet) -> None:
        for row in values:
            sheet.append(list(row))

    return fill


def saved(book: openpyxl.Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def invoice(sheet: Worksheet) -> None:
    sheet["A1"] = "Invoice"
    sheet["A1"].font = Font(bold=True, size=16)
    rows((), ("Number", "", "R-17"), ("Date", "", dt.date(2026, 11, 23)))(sheet)
    rows((), ("Item", "Qty", "Price"), ("Bolt", 2, 1234.5), ("Nut", 3, -0.5))(sheet)
    for place in ("C7", "C8"):
        sheet[place].number_format = '#,##0.00 "EUR"'


def pages_of(data: bytes, **settings: int) -> list[PageLayout]:
    return list(XlsxReader(**settings).pages(data, name="book.xlsx"))


def altered(data: bytes, part: str, change: Callable[[str], str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            new.writestr(entry.filename, change(content.decode()) if entry.filename == part else content)
    return buffer.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


class TestXlsxReaderContract(PagedReaderContract):
    @pytest.fixture
    def reader(self) -> Reader:
        return XlsxReader()

    @pytest.fixture
    def samples(self) -> Mapping[str, bytes]:
        return {
            "invoice.xlsx": workbook(invoice, title="Invoice 1"),
            "long.xlsx": workbook(rows(*[(row, "x") for row in range(450)])),
        }

    @pytest.fixture
    def broken(self) -> Mapping[str, bytes]:
        good = workbook(invoice)
        return {
            "notes.xlsx": b"not a ZIP",
            "cut.xlsx": good[: len(good) // 2],
            "locked.xlsx": encrypted_office_file(),
            "old.xlsx": old_office_file(),
            "empty.xlsx": workbook(lambda sheet: None),
            "cut-xml.xlsx": altered(good, SHEET, lambda xml: xml[: len(xml) // 2]),
            "entities.xlsx": altered(good, SHEET, lambda xml: f'<!DOCTYPE w [<!ENTITY a "ha">]>{xml}'),
            "styles.xlsx": altered(good, "xl/styles.xml", lambda xml: f"<!DOCTYPE w []>{xml}"),
        }


def test_values_are_as_the_sheet_shows_them() -> None:
    (page,) = pages_of(workbook(invoice, title="Invoice 1"))
    assert page.text == (
        "Invoice\n\nNumber |  | R-17\nDate |  | 2026-11-23\n\n"
        "Item | Qty | Price\nBolt | 2 | 1,234.50 EUR\nNut | 3 | -0.50 EUR"
    )
    assert [(block.kind, block.level) for block in page.blocks] == [
        ("heading", 2),
        ("table", 0),
        ("table", 0),
    ]
    assert [{cell.header for cell in table.cells[:3]} for table in page.tables] == [{False}, {True}]
    places = {word.text: word.place for word in page.words}
    assert (places["R-17"], places["1,234.50"]) == ("'Invoice 1'!C3", "'Invoice 1'!C7")
    assert (page.name, page.kind, page.flags) == ("Invoice 1", "drawn", ())


def test_merged_cells_span() -> None:
    def fill(sheet: Worksheet) -> None:
        rows(("both", None, "c"), ("tall", "x", 1), (None, "y", 2))(sheet)
        sheet.merge_cells("A1:B1")
        sheet.merge_cells("A2:A3")

    (page,) = pages_of(workbook(fill))
    cells = {(cell.row, cell.column): (cell.row_span, cell.column_span) for cell in page.tables[0].cells}
    assert cells == {(0, 0): (1, 2), (0, 2): (1, 1), (1, 0): (2, 1), (1, 1): (1, 1), (1, 2): (1, 1)} | {
        (2, 1): (1, 1),
        (2, 2): (1, 1),
    }
    assert page.text == "both | c\ntall | x | 1\n | y | 2"


def test_what_is_hidden_is_left_out_and_flagged() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    rows(("a", "secret-column", "b"), ("secret-row", "x", "y"), ("c", "x", "=1+1"))(sheet)
    sheet.row_dimensions[2].hidden = True
    sheet.column_dimensions["B"].hidden = True
    other = book.create_sheet("Secrets")
    other.sheet_state = "veryHidden"
    other["A1"] = "secret"
    (page,) = pages_of(saved(book))
    assert page.text == "a | b\nc"
    assert page.flags == (
        "hidden sheets not read: 'Secrets'",
        "1 hidden rows not read",
        "1 hidden columns not read",
        "1 formulas without a stored result: C3",
    )


def test_long_sheets_go_on_over_pages_and_end_with_a_flag() -> None:
    data = workbook(rows(("name", "n"), *[("r", n) for n in range(500)]))
    pages = pages_of(data)
    assert [page.tables[0].continues for page in pages] == [False, True, True]
    assert [text for page in pages for *_, text in cell_texts(page)] == ["n", *map(str, range(500))]
    cut = pages_of(data, max_cells=600)
    assert sum(page.tables[0].rows for page in cut) == 300
    assert cut[-1].flags == ("reading ended before row 301 of sheet 'Sheet1' (max_cells)",)


def test_sheets_are_named_and_a_broken_one_costs_no_other() -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = "first"  # type: ignore[index]
    book.create_sheet("It's")["B2"] = "second"
    data = saved(book)
    assert [page.text for page in pages_of(data)] == ["Sheet\n\nfirst", "It's\n\nsecond"]
    assert pages_of(data)[1].words[-1].place == "'It''s'!B2"
    half = pages_of(altered(data, SHEET, lambda xml: xml[: len(xml) // 2]))
    assert half[0].flags[0].startswith("sheet 'Sheet' cannot be read: its XML is broken")
    assert [page.text for page in half] == ["", "It's\n\nsecond"]


def test_a_size_that_lies_costs_nothing() -> None:
    def lie(xml: str) -> str:
        return xml.replace('ref="A1:C8"', 'ref="A1:XFD1048576"').replace(
            "</sheetData>", '</sheetData><mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>'
        )

    data = altered(workbook(invoice), SHEET, lie)
    assert pages_of(data)[0].text.startswith("Invoice")


def test_unpacked_bytes_are_limited() -> None:
    with pytest.raises(ReadError, match=r"over the limit of 1,000 \(max_unpacked_bytes\)"):
        pages_of(workbook(invoice), max_unpacked_bytes=1000)


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (0.1 + 0.2, "General", "0.3"),
        (2.675, "0.00", "2.68"),
        (-5, "#,##0;(#,##0)", "(5)"),
        (-5.5, '_-* #,##0.00\\ "€"_-;-* #,##0.00\\ "€"_-', "-5.50 €"),
        (7, "00000", "00007"),
        (1234567, "[$€-407] #,##0", "€ 1,234,567"),
        (3.14159, "0.##", "3.14"),
        (3, "0.##", "3"),
        (0.125, "0.0%", "12.5%"),
        (1.5, "# ?/?", "1.5"),
        (1234, "#,##0,", "1234"),
        (7, "[>5]0;0.0", "7"),
        (1e300, "0.00", "1e+300"),
        (12345678901234567, "General", "12345678901234567"),
        (True, "General", "TRUE"),
        (dt.datetime(2026, 11, 23), "yyyy-mm-dd", "2026-11-23"),
        (dt.datetime(2026, 11, 23), "yyyy-mm-dd hh:mm", "2026-11-23 00:00:00"),
        (dt.time(9, 5), "hh:mm", "09:05:00"),
        (dt.timedelta(hours=30), "[h]:mm", "30:00:00"),
        (None, "General", ""),
    ],
)
def test_numbers_are_shown_as_formatted(value: Value, number_format: str, text: str) -> None:
    assert shown(value, number_format) == text
