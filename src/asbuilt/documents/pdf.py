"""PDF files that have a text layer."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice

import pypdfium2 as pdfium
from pypdfium2 import raw

from asbuilt.documents.titles import document_title, one_line
from asbuilt.documents.writer import PARAGRAPH
from asbuilt.errors import ReadError
from asbuilt.registry import component
from asbuilt.types import Document, Heading, Page, Scalar

__all__ = ["PdfReader"]

_PDFIUM = threading.Lock()  # the library is not thread-safe, whatever the document
_END_WITHIN = 1024  # as readers of PDF have it since Acrobat 4
_LINE_END_HYPHENS = str.maketrans({"\x02": "-\n", "\ufffe": "-\n", "\r": None, "\0": None})
_MAX_BOOKMARKS = 10_000


@component("reader/pdf")
class PdfReader:
    """Text in the order PDFium gives it, one `Page` a page; what lies off the page is left out.

    Hyphens at line ends stay. Headings are the outline's entries, placed where their words stand
    on the page they lead to, or at its top; without an outline there are none. Scanned pages have
    no text: a document with none at all is refused, and metadata counts blank pages in others.
    """

    def __init__(self, *, max_pages: int = 5000) -> None:
        self._max_pages = max_pages

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".pdf"})

    def read(self, data: bytes, *, name: str) -> Document:
        if b"%PDF-" not in data[:1024]:
            raise ReadError(f"{name!r} is not a PDF: it has no %PDF header.")
        if b"%%EOF" not in data[-_END_WITHIN:]:  # PDFium would guess, and give part of the text
            raise ReadError(f"{name!r} is truncated: its end marker is missing.", hint="Get it again.")
        with _PDFIUM, closing(_open(data, name)) as pdf:
            if len(pdf) > self._max_pages:
                raise ReadError(
                    f"{name!r} has {len(pdf):,} pages, over the limit of {self._max_pages:,} (max_pages)."
                )
            texts = [_page_text(pdf, index, name) for index in range(len(pdf))]
            outline = list(_outline(pdf))
            stated = pdf.get_metadata_value("Title")
        blank = sum(not text for text in texts)
        if blank == len(texts):
            raise ReadError(f"{name!r} has no text layer: its pages are images.", hint="Run OCR on it first.")
        metadata: dict[str, Scalar] = {"pages": len(texts)}
        if blank:
            metadata["pages_without_text"] = blank
        pages = _pages(texts)
        text = PARAGRAPH.join(texts)
        headings = _headings(text, pages, outline)
        return Document(
            text=text,
            media_type="application/pdf",
            title=document_title(headings, name=name, stated="" if stated == "untitled" else stated),
            headings=headings,
            pages=pages,
            metadata=metadata,
        )


def _open(data: bytes, name: str) -> pdfium.PdfDocument:
    """The open document; `data` must outlive it."""
    # Not through PdfDocument(data): it takes a document without pages for a failure to load, and
    # reports whatever error an earlier document left behind.
    handle = raw.FPDF_LoadMemDocument64(data, len(data), None)
    if not handle:
        if raw.FPDF_GetLastError() in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise ReadError(f"{name!r} is encrypted.", hint="Save a copy without a password.")
        raise ReadError(f"{name!r} is damaged: PDFium cannot open it.", hint="Get it again.")
    if raw.FPDF_GetPageCount(handle) < 1:
        raw.FPDF_CloseDocument(handle)
        raise ReadError(f"{name!r} has no pages.")
    return pdfium.PdfDocument(handle)


def _page_text(pdf: pdfium.PdfDocument, index: int, name: str) -> str:
    try:
        with closing(pdf[index]) as page, closing(page.get_textpage()) as textpage:
            text: str = textpage.get_text_bounded()
    except pdfium.PdfiumError as error:
        raise ReadError(f"{name!r} is damaged: page {index + 1} cannot be loaded.") from error
    return text.translate(_LINE_END_HYPHENS).strip()


def _outline(pdf: pdfium.PdfDocument) -> Iterator[tuple[int, int, str]]:
    """(level, page index, title) of the bookmarks that lead to a page."""
    for bookmark in islice(pdf.get_toc(), _MAX_BOOKMARKS):
        target = bookmark.get_dest()
        index = target.get_index() if target else None
        title = one_line(bookmark.get_title())
        if index is not None and 0 <= index < len(pdf) and title:
            yield bookmark.level + 1, index, title


def _pages(texts: Sequence[str]) -> tuple[Page, ...]:
    pages = []
    start = 0
    for number, text in enumerate(texts, start=1):
        pages.append(Page(number, start, start + len(text)))
        start += len(text) + len(PARAGRAPH)
    return tuple(pages)


def _headings(
    text: str, pages: Sequence[Page], outline: Sequence[tuple[int, int, str]]
) -> tuple[Heading, ...]:
    headings: list[Heading] = []
    last = 0
    for level, index, title in outline:
        page = pages[index]
        if page.end < last:
            continue  # an outline that jumps back describes no order of reading
        words = re.compile(r"\s+".join(map(re.escape, title.split())), re.IGNORECASE)
        match = words.search(text, max(page.start, last), page.end)
        last = match.start() if match else max(page.start, last)
        headings.append(Heading(last, level, title))
    return tuple(headings)
