"""Words, rulings and pictures of a PDF page, in this process."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pypdfium2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reportlab.pdfgen.canvas import Canvas
from tests.documents import hard_files as files

from asbuilt.documents.pdf_file import PdfFile
from asbuilt.documents.pdf_page import read_pdf_page, turned_back
from asbuilt.documents.pdf_text import LayerWord
from asbuilt.documents.scan import PixelReaders
from asbuilt.documents.triage import garbled, has_ink, looks_like_text
from asbuilt.documents.worker import Setup
from asbuilt.errors import ReadError
from asbuilt.pages import Box, PageMarks, Ruling, Word
from asbuilt.testing.sketch import sketch_marks


def marks_of(data: bytes, number: int = 1) -> PageMarks:
    file = PdfFile(data, name="x.pdf", max_pages=10)
    try:
        with file.page(number) as page:
            setup, readers = Setup(ocr_pages="never"), PixelReaders(None, None)
            marks = read_pdf_page(page, number=number, setup=setup, readers=readers)
        assert marks is not None
        return marks
    finally:
        file.close()


def changed(data: bytes, change: Callable[[Any], None]) -> bytes:
    """The file with its first page changed through PDFium."""
    document = pypdfium2.PdfDocument(data)
    change(document[0])
    buffer = io.BytesIO()
    document.save(buffer)
    document.close()
    return buffer.getvalue()


def texts(marks: PageMarks) -> list[str]:
    return [word.text for word in marks.words]


def line(canvas: Canvas) -> None:
    canvas.setFont("Helvetica", 12)
    canvas.drawString(30, 250, "Maple Works 4832")


UPRIGHT = marks_of(files.drawn(line))


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_page_that_is_shown_turned_is_brought_upright(turn: int) -> None:
    # The file itself says that its page is shown turned: as shown, its words run along other axes.
    marks = marks_of(changed(files.drawn(line), lambda page: page.set_rotation(turn)))
    assert marks.rotation == turn
    assert (marks.width, marks.height) == files.SIZE
    for word, upright in zip(marks.words, UPRIGHT.words, strict=True):
        assert word.text == upright.text
        assert word.box == pytest.approx(upright.box, abs=0.02)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_text_that_is_drawn_turned_and_shown_upright(turn: int) -> None:
    def turned(canvas: Canvas) -> None:
        canvas.translate(200, 150)
        canvas.rotate(turn)  # counter-clockwise
        canvas.drawString(-60, 20, "Maple Works 4832")

    marks = marks_of(changed(files.drawn(turned), lambda page: page.set_rotation(turn)))
    assert marks.rotation == 0
    assert texts(marks) == ["Maple", "Works", "4832"]
    assert marks.words[0].box.right < marks.words[1].box.left
    assert marks.words[0].box.top == pytest.approx(marks.words[1].box.top, abs=0.1)


def test_boxes_count_from_the_crop_box() -> None:
    marks = marks_of(changed(files.drawn(line), lambda page: page.set_cropbox(20, 100, 300, 280)))
    assert (marks.width, marks.height) == (280, 180)
    for word, whole in zip(marks.words, UPRIGHT.words, strict=True):
        left, top, right, bottom = whole.box
        assert word.box == pytest.approx((left - 20, top - 20, right - 20, bottom - 20), abs=0.02)


def test_a_word_outside_of_the_crop_box_is_off_the_page() -> None:
    marks = marks_of(changed(files.drawn(line), lambda page: page.set_cropbox(20, 100, 70, 280)))
    assert texts(marks) == ["Maple"]
    assert marks.flags == ("hidden text left out: 2 words off the page",)


def test_ink_lies_where_the_boxes_say() -> None:
    file = PdfFile(files.drawn(files.printed), name="x.pdf", max_pages=1)
    with file.page(1) as page:
        grey = page.grey(dpi=72)
    file.close()
    marks = marks_of(files.drawn(files.printed))
    assert all(has_ink(grey, word.box) for word in marks.words)
    for word in marks.words:
        left, top, right, bottom = map(int, word.box.grown(1.5))  # what stands in for Helvetica leans out
        grey[top : bottom + 1, left : right + 1] = 255
    assert grey.min() > 200, "ink outside of all boxes"


def test_sizes_follow_the_matrix_and_fonts_tell_their_weight() -> None:
    def scaled(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 1)
        canvas.scale(14, 14)
        canvas.drawString(2, 10, "Heading")

    (word,) = marks_of(files.drawn(scaled)).words
    assert (word.font_size, word.bold) == (14, True)
    assert 12 < word.box.height < 20


@pytest.mark.parametrize(
    ("operators", "words"),
    [
        (b"(co-) Tj T* (operate) Tj", ["co-", "operate"]),
        (b"[(Amount) -4000 (due)] TJ", ["Amount", "due"]),
        (b"[(T) 20 (otal)] TJ", ["Total"]),
        (
            b"[(I) -500 (N) -500 (V) -500 (O) -500 (I) -500 (C) -500 (E) -1500 (N) -500 (O)] TJ",
            ["INVOICE", "N", "O"],
        ),
        (b"(A B C 1 2 3 4 5) Tj", ["A", "B", "C", "1", "2", "3", "4", "5"]),
        (b"(one  two\\tthree) Tj", ["one", "two", "three"]),
    ],
)
def test_words_of_show_operators(operators: bytes, words: list[str]) -> None:
    data = files.raw_pdf([b"BT /F1 12 Tf 14 TL 30 200 Td %s ET" % operators])
    assert texts(marks_of(data)) == words


def test_columns_that_touch_no_blank_are_two_words() -> None:
    data = files.raw_pdf([b"BT /F1 12 Tf 30 200 Td (left) Tj 200 0 Td (right) Tj ET"])
    left, right = marks_of(data).words
    assert (left.text, right.text) == ("left", "right")
    assert right.box.left == pytest.approx(230, abs=1)


def test_what_is_written_into_a_form_is_read() -> None:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=files.SIZE)
    canvas.drawString(30, 250, "Name:")
    canvas.acroForm.textfield(name="name", value="Ada Lovelace", x=80, y=245, width=150, height=20)
    canvas.save()
    marks = marks_of(buffer.getvalue())
    assert texts(marks) == ["Name:", "Ada", "Lovelace"]
    assert marks.words[1].box.left > 80


def test_rulings_of_lines_rectangles_and_thin_fills() -> None:
    def grid(canvas: Canvas) -> None:
        canvas.setLineWidth(0.5)
        canvas.rect(50, 50, 200, 100)
        canvas.line(50, 100, 250, 100)
        canvas.rect(150, 50, 0.8, 100, stroke=0, fill=1)
        canvas.rect(20, 20, 300, 200, stroke=0, fill=0)
        canvas.circle(300, 250, 20)

    rulings = marks_of(files.drawn(grid)).rulings
    across = sorted(round(each.y0) for each in rulings if each.horizontal)
    down = sorted(round(each.x0) for each in rulings if not each.horizontal)
    assert (across, down) == ([150, 200, 250], [50, 150, 250])
    assert {(round(each.x0), round(each.x1)) for each in rulings if each.horizontal} == {(50, 250)}
    assert all(0.3 <= each.width <= 1 for each in rulings)


def test_rulings_in_a_form_are_where_the_form_is() -> None:
    def form(canvas: Canvas) -> None:
        canvas.beginForm("box")
        canvas.line(0, 0, 50, 0)
        canvas.endForm()
        canvas.translate(100, 100)
        canvas.scale(2, 2)
        canvas.doForm("box")

    (ruling,) = marks_of(files.drawn(form)).rulings
    assert ruling == Ruling(100, 200, 200, 200, 2)


def test_pictures_have_boxes_and_bands_are_one() -> None:
    image = files.photographed()

    def figures(canvas: Canvas) -> None:
        canvas.drawString(30, 280, "Two pictures")
        files.placed(canvas, image, (20, 20, 100, 60))
        for band in range(4):
            files.placed(canvas, image, (200, 20 + 15 * band, 100, 15))

    assert sorted(marks_of(files.drawn(figures)).pictures) == [(20, 220, 120, 280), (200, 220, 300, 280)]


def test_a_page_that_cannot_be_drawn_in_the_limits_is_refused() -> None:
    file = PdfFile(files.drawn(line, size=(14_000, 14_000)), name="x.pdf", max_pages=1)
    with file.page(1) as page, pytest.raises(ReadError, match=r"14,000 x 14,000 points.*megapixels"):
        page.picture(dpi=200)
    file.close()


@given(st.sampled_from((90, 180, 270)), st.sampled_from((90, 180, 270)))
def test_turns_add_up(first: int, second: int) -> None:
    marks = sketch_marks("Total:   12.00\n\n  Page 2")
    both = turned_back(turned_back(marks, first), second)
    once = turned_back(marks, (first + second) % 360)
    assert (both.width, both.height, both.rotation) == (once.width, once.height, once.rotation)
    for a, b in zip(both.words, once.words, strict=True):
        assert a.box == pytest.approx(b.box, abs=0.02)


def layer(text: str, *, mapped: bool = True) -> list[LayerWord]:
    return [LayerWord(Word(word, Box(0, 0, 10, 10)), 0.0, False, mapped, 0) for word in text.split()]


ENGLISH = "Payment of the amount above is due within thirty days of receipt " * 5
POLISH = "Zgłoszenie wpłynęło szczególnie przez Wrocław, czyli również źródło wszystkich krzeseł " * 5


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (layer(ENGLISH), False),
        (layer(POLISH), False),
        (layer("請求書 番号 4832 合計 金額"), False),
        (layer("KG-4711 MXN QTY PCS LTD VAT HRB 998877 GmbH NR STR TEL FAX"), False),
        ([], False),
        (layer(ENGLISH, mapped=False), True),
        (layer(ENGLISH.translate({code: code + 0xE000 for code in range(97, 110)})), True),
        (layer(ENGLISH.replace("a", "\ufffd").replace("e", "\ufffd").replace("t", "\x03")), True),
        # Numbers of glyphs taken for codes: in fonts that begin with the blank they lie 29 lower.
        (layer(ENGLISH.translate({code: code - 29 for code in range(65, 123)})), True),
    ],
)
def test_garbled_layers_are_told_from_languages_and_codes(words: list[LayerWord], expected: bool) -> None:
    assert garbled(words) is expected


def test_pictures_of_text_are_told_from_photographs_and_logos() -> None:
    page = np.asarray(files.photographed(dpi=72).convert("L"))
    chance = np.random.default_rng(1)
    noise = chance.integers(0, 256, (200, 300)).astype(np.uint8)
    slope = np.tile(np.linspace(0, 255, 300).astype(np.uint8), (200, 1))
    logo = np.full((100, 100), 255, np.uint8)
    logo[20:80, 20:80] = 30
    assert looks_like_text(page)
    assert looks_like_text(255 - page)
    assert not any(map(looks_like_text, (noise, slope, logo, np.full((50, 50), 255, np.uint8))))
