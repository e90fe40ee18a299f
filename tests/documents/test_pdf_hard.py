"""PDF files that are damaged, huge or hostile: bounded time and memory, a clear word, the rest goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.documents import hard_files as files
from tests.documents import samples

from asbuilt.documents.pdf import PdfReader
from asbuilt.documents.render import page_picture
from asbuilt.errors import ReadError
from asbuilt.pages import PageLayout


@pytest.fixture(scope="module")
def reader() -> Iterator[PdfReader]:
    reader = PdfReader(ocr_pages="never", memory_gib=2.0, page_timeout_s=30)
    yield reader
    reader.close()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


LINE = b"BT /F1 12 Tf 30 200 Td (page %d) Tj ET"


@pytest.mark.slow
def test_two_thousand_pages(reader: PdfReader) -> None:
    data = files.raw_pdf([LINE % number for number in range(1, 2_001)])
    with within(60):
        pages = list(reader.pages(data, name="long.pdf"))
    assert [page.text for page in pages] == [f"page {number}" for number in range(1, 2_001)]
    assert not any(page.flags for page in pages)


def test_pages_of_a_long_file_come_as_they_are_read(reader: PdfReader) -> None:
    data = files.raw_pdf([LINE % number for number in range(1, 2_001)])
    with within(10):
        assert next(reader.pages(data, name="long.pdf", first=1_999)).text == "page 1999"


def test_a_damaged_page_among_good_ones(reader: PdfReader) -> None:
    broken = _without_second_page(files.raw_pdf([LINE % 1, LINE % 2, LINE % 3]))
    pages = list(reader.pages(broken, name="x.pdf"))
    assert [page.text for page in pages] == ["page 1", "", "page 3"]
    assert pages[1].flags == ("page could not be read: page 2 is damaged: PDFium cannot load it",)
    assert reader.read(broken, name="x.pdf").metadata["pages_without_text"] == 1


@pytest.mark.slow
def test_a_stream_that_unpacks_to_gigabytes(reader: PdfReader) -> None:
    bomb = b"BT /F1 12 Tf 30 200 Td (seen) Tj ET\n" + b" " * 400_000_000
    data = files.raw_pdf([LINE % 1, bomb, LINE % 3], packed=True)
    assert len(data) < 2_000_000
    with within(60):
        pages = list(reader.pages(data, name="bomb.pdf"))
    assert (pages[0].text, pages[2].text) == ("page 1", "page 3")
    assert pages[1].text in ("", "seen")
    assert pages[1].text or pages[1].flags


@pytest.mark.slow
def test_a_page_of_five_megabytes_of_paths(reader: PdfReader) -> None:
    strokes = b"\n".join(b"%d %d m %d %d l S" % (n % 400, n % 149, n % 397, n % 139) for n in range(270_000))
    data = files.raw_pdf([LINE % 1 + b"\n" + strokes, LINE % 2])
    assert len(data) > 5_000_000
    with within(40):
        pages = list(reader.pages(data, name="map.pdf"))
    assert [page.text for page in pages] == ["page 1", "page 2"]
    assert pages[0].flags == ("drawing is too large: rulings are incomplete",)


def test_a_page_larger_than_a_house(reader: PdfReader) -> None:
    data = files.drawn(lambda canvas: canvas.drawString(100, 100, "far"), size=(14_400, 14_400))
    (page,) = reader.pages(data, name="plan.pdf")
    assert (page.text, page.width) == ("far", 14_400)
    with pytest.raises(ReadError, match=r"14,400 x 14,400 points.*megapixels"):
        page_picture(data, name="plan.pdf", page=page, dpi=300)
    assert page_picture(data, name="plan.pdf", page=page, dpi=30).shape == (6_000, 6_000, 3)


def test_a_picture_of_a_page_that_is_not_there(reader: PdfReader) -> None:
    with pytest.raises(ReadError, match=r"page 7 of .x\.pdf. cannot be drawn: page 7 is damaged"):
        page_picture(samples.pdf([["one"]]), name="x.pdf", page=PageLayout(7, 600, 800))


def test_a_drawn_page_has_no_picture() -> None:
    with pytest.raises(ReadError, match="no picture"):
        page_picture(b"", name="x.docx", page=PageLayout(1, 600, 800, kind="drawn"))


def _without_second_page(data: bytes) -> bytes:
    """The object of the second page has become a number."""
    start = data.index(b"<</Type/Page/", data.index(b"(page 2)"))
    end = data.index(b"endobj", start)
    return data[:start] + b"0".ljust(end - start) + data[end:]


@pytest.mark.slow
def test_a_page_of_a_hundred_thousand_words(reader: PdfReader) -> None:
    lines = b"".join(b"BT /F1 1 Tf 5 %d Td (%s) Tj ET\n" % (row % 290, b"a " * 500) for row in range(200))
    with within(60):
        pages = list(reader.pages(files.raw_pdf([lines, LINE % 2]), name="x.pdf"))
    assert pages[1].text == "page 2"
    assert pages[0].flags
