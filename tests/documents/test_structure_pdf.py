"""The structure of real PDF pages, drawn here and read from their text layer."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Frame, Paragraph, Spacer
from reportlab.platypus import Table as DrawnTable

from asbuilt.documents.pdf_file import PdfFile
from asbuilt.documents.pdf_page import read_pdf_page
from asbuilt.documents.scan import PixelReaders
from asbuilt.documents.structure import arrange
from asbuilt.documents.worker import Setup
from asbuilt.pages import PageLayout, Table
from asbuilt.testing.reader_contract import check_page

TEXT = ParagraphStyle(
    "text", fontName="Times-Roman", fontSize=10, leading=12, alignment=4, firstLineIndent=10
)
HEADING = ParagraphStyle(
    "heading", fontName="Times-Bold", fontSize=12, leading=15, spaceBefore=8, spaceAfter=3
)
CELL = ParagraphStyle("cell", fontName="Helvetica", fontSize=9, leading=10.5)
WIDTH, HEIGHT = A4
ROWS = [
    ["#", "Description", "Qty", "Unit price", "Amount"],
    ["1", "Bracket, steel, with four holes and the screws that fit them", "4", "16.00", "64.00"],
    ["2", "Pump", "11", "71.56", "787.16"],
    ["3", "Filter module for the remote valve, compact", "36", "30.07", "1,082.52"],
    ["4", "Gasket", "23", "94.01", "2,162.23"],
]


def read(draw: Callable[[Canvas], None]) -> PageLayout:
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4)
    draw(canvas)
    canvas.save()
    pdf = PdfFile(file.getvalue(), name="drawn.pdf", max_pages=1)
    try:
        with pdf.page(1) as page:
            setup = Setup(ocr_pages="never")
            marks = read_pdf_page(page, number=1, setup=setup, readers=PixelReaders(None, None))
    finally:
        pdf.close()
    assert marks is not None
    structured = arrange(marks)
    check_page(structured)
    return structured


def grid(page: PageLayout, table: Table) -> list[list[str]]:
    texts = [[""] * table.columns for _ in range(table.rows)]
    for cell in table.cells:
        texts[cell.row][cell.column] = " ".join(word.text for word in page.words[cell.first : cell.end])
    return texts


def prose(start: str, sentences: int) -> Paragraph:
    return Paragraph(f"{start} begins here. " + "The text goes on for quite a while then. " * sentences, TEXT)


def test_a_paper_in_two_columns_with_headings() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Times-Bold", 17)
        canvas.drawCentredString(WIDTH / 2, HEIGHT - 60, "A Title That Goes Over Both Columns")
        left: list[Flowable] = [Paragraph("1 Introduction", HEADING)]
        left += [prose(f"Left{n}", 12) for n in range(4)]
        right: list[Flowable] = [prose(f"Right{n}", 9) for n in range(2)]
        right += [Spacer(1, 8), Paragraph("2 Method", HEADING)]
        right += [prose("Right2", 9)]
        Frame(54, 80, 235, HEIGHT - 170, id="left").addFromList(left, canvas)
        Frame(306, 80, 235, HEIGHT - 170, id="right").addFromList(right, canvas)
        canvas.setFont("Times-Roman", 8)
        canvas.drawCentredString(WIDTH / 2, 40, "Page 3")

    page = read(draw)
    starts = [word.text for word in page.words if word.text.startswith(("Left", "Right"))]
    assert starts == ["Left0", "Left1", "Left2", "Left3", "Right0", "Right1", "Right2"]
    headings = [block for block in page.blocks if block.kind == "heading"]
    assert [block.level for block in headings] == [1, 2, 2]
    assert [block.kind for block in page.blocks[-1:]] == ["footer"]


@pytest.mark.parametrize("style", ["grid", "rows", "header", "columns", "none"])
def test_line_items_of_an_invoice(style: str) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 18)
        canvas.drawString(50, HEIGHT - 60, "Northwind Supplies")
        canvas.setFont("Helvetica", 9)
        for number, line in enumerate(["14 Harbour Road", "Bristol BS1 5TY", "United Kingdom"]):
            canvas.drawString(50, HEIGHT - 90 - 12 * number, line)
        for number, (label, value) in enumerate([("Invoice No.", "NW-20391"), ("Date", "14 March 2025")]):
            canvas.drawString(370, HEIGHT - 90 - 12 * number, label)
            canvas.drawRightString(WIDTH - 50, HEIGHT - 90 - 12 * number, value)
        body = [[row[0], Paragraph(row[1], CELL), *row[2:]] for row in ROWS[1:]]
        table = DrawnTable([ROWS[0], *body], colWidths=[25, 180, 50, 80, 90])
        lines: dict[str, list[Any]] = {
            "grid": [("GRID", (0, 0), (-1, -1), 0.5, colors.grey)],
            "rows": [("LINEBELOW", (0, 0), (-1, -1), 0.5, colors.grey)],
            "header": [("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black)],
            "columns": [
                ("BOX", (0, 0), (-1, -1), 0.5, colors.black),
                ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
                ("LINEAFTER", (0, 0), (-2, -1), 0.5, colors.black),
            ],
            "none": [],
        }
        table.setStyle(
            [
                ("FONT", (0, 0), (-1, -1), "Helvetica", 9),
                ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 9),
                ("ALIGN", (2, 0), (-1, -1), "RIGHT"),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                *lines[style],
            ]
        )
        _, height = table.wrap(WIDTH, HEIGHT)
        table.drawOn(canvas, 50, HEIGHT - 160 - height)
        for number, (label, value) in enumerate([("Subtotal", "4,095.91"), ("Total due", "4,095.91")]):
            canvas.drawString(350, HEIGHT - 190 - height - 14 * number, label)
            canvas.drawRightString(470, HEIGHT - 190 - height - 14 * number, value)

    page = read(draw)
    (table,) = page.tables
    assert table.ruled == (style in ("grid", "columns"))
    assert grid(page, table) == ROWS
    assert {cell.row for cell in table.cells if cell.header} == {0}
    assert page.text.startswith(
        "Northwind Supplies\n\n14 Harbour Road\nBristol BS1 5TY\nUnited Kingdom\n\nInvoice No."
    )
    assert page.text.endswith("Subtotal 4,095.91\nTotal due 4,095.91")
