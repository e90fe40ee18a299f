"""A PDF file as PDFium opens it: contents, page geometry, pixels.

Runs in the page worker only: PDFium is not thread-safe, and a file may bring the process down.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray
from pypdfium2 import raw

from asbuilt.documents.paged import Contents, OutlineEntry
from asbuilt.documents.titles import one_line
from asbuilt.errors import ReadError
from asbuilt.pages import Box
from asbuilt.roles import Image

__all__ = ["PdfFile", "PdfPage"]

_END_WITHIN = 1024  # as readers of PDF have it since Acrobat 4
_MAX_BOOKMARKS = 10_000
_MAX_PIXELS = 64_000_000  # of one rendering: A0 at 200 dpi
_DRAWN_ANNOTATIONS = frozenset({raw.FPDF_ANNOT_WIDGET, raw.FPDF_ANNOT_FREETEXT, raw.FPDF_ANNOT_STAMP})


class PdfFile:
    """An open PDF; `data` is kept as long as it is open. Raises ReadError for what is no readable PDF."""

    def __init__(self, data: bytes, *, name: str, max_pages: int) -> None:
        if b"%PDF-" not in data[:1024]:
            raise ReadError(f"{name!r} is not a PDF: it has no %PDF header.")
        if b"%%EOF" not in data[-_END_WITHIN:]:  # PDFium would guess, and give part of the text
            raise ReadError(f"{name!r} is truncated: its end marker is missing.", hint="Get it again.")
        # Not through PdfDocument(data): it takes a document without pages for a failure to load, and
        # reports whatever error an earlier document left behind.
        handle = raw.FPDF_LoadMemDocument64(data, len(data), None)
        if not handle:
            if raw.FPDF_GetLastError() in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
                raise ReadError(f"{name!r} is encrypted.", hint="Save a copy without a password.")
            raise ReadError(f"{name!r} is damaged: PDFium cannot open it.", hint="Get it again.")
        self._data, self._handle = data, handle
        self._document = pdfium.PdfDocument(handle)
        self.pages: int = raw.FPDF_GetPageCount(handle)
        problem = ""
        if self.pages < 1:
            problem = "has no pages"
        elif self.pages > max_pages:
            problem = f"has {self.pages:,} pages, over the limit of {max_pages:,} (max_pages)"
        if problem:
            self.close()
            raise ReadError(f"{name!r} {problem}.")

    def close(self) -> None:
        self._document.close()

    def contents(self) -> Contents:
        size = raw.FS_SIZEF()
        sizes = []
        for index in range(self.pages):
            known = raw.FPDF_GetPageSizeByIndexF(self._handle, index, ctypes.byref(size))
            sizes.append((round(size.width, 2), round(size.height, 2)) if known else (612.0, 792.0))
        title = one_line(self._document.get_metadata_value("Title"))
        return Contents(
            self.pages,
            "" if title == "untitled" else title,
            tuple(self._outline()),
            tuple(sizes),
        )

    def _outline(self) -> Iterator[OutlineEntry]:
        for bookmark in islice(self._document.get_toc(), _MAX_BOOKMARKS):
            target = bookmark.get_dest()
            index = target.get_index() if target else None
            title = one_line(bookmark.get_title())
            if index is not None and 0 <= index < self.pages and title:
                yield OutlineEntry(bookmark.level + 1, index + 1, title)

    @contextmanager
    def page(self, number: int) -> Iterator[PdfPage]:
        """Page `number` (from 1), with what annotations and form fields draw as part of it.

        Raises ReadError when it cannot be loaded.
        """
        handle = self._load(number)
        if _has_drawn_annotations(handle):
            flattened = raw.FPDFPage_Flatten(handle, raw.FLAT_NORMALDISPLAY)
            if flattened == raw.FLATTEN_SUCCESS:
                raw.FPDF_ClosePage(handle)
                handle = self._load(number)
        try:
            yield PdfPage(handle)
        finally:
            raw.FPDF_ClosePage(handle)

    def _load(self, number: int) -> Any:
        handle = raw.FPDF_LoadPage(self._handle, number - 1)
        if not handle:
            raise ReadError(f"page {number} is damaged: PDFium cannot load it")
        return handle


class PdfPage:
    """A loaded page. Lengths are points from the top left of the page as viewers show it, that is
    within its crop box and turned by its own /Rotate."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.width: float = raw.FPDF_GetPageWidthF(handle)
        self.height: float = raw.FPDF_GetPageHeightF(handle)
        rectangle = raw.FS_RECTF()
        raw.FPDF_GetPageBoundingBox(handle, ctypes.byref(rectangle))
        self._left, self._top = rectangle.left, rectangle.top
        self._right, self._bottom = rectangle.right, rectangle.bottom
        self._turns: int = raw.FPDFPage_GetRotation(handle)

    def shown(self, x: float, y: float) -> tuple[float, float]:
        """A point of the page's own coordinates (from the bottom left, unturned) as it is shown."""
        if self._turns == 0:
            return x - self._left, self._top - y
        if self._turns == 1:
            return y - self._bottom, x - self._left
        if self._turns == 2:
            return self._right - x, y - self._bottom
        return self._top - y, self._right - x

    def shown_box(self, left: float, bottom: float, right: float, top: float) -> Box:
        if self._turns == 0:  # nearly all pages, and this is called a thousand times on each
            return Box(left - self._left, self._top - top, right - self._left, self._top - bottom)
        x0, y0 = self.shown(left, bottom)
        x1, y1 = self.shown(right, top)
        return Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))

    @property
    def own_turn(self) -> int:
        """The page's /Rotate: degrees clockwise by which it is shown turned."""
        return 90 * self._turns

    def affordable(self, dpi: float, *, pixels: int = _MAX_PIXELS) -> float:
        """`dpi`, or the most at which the page has no more than `pixels`."""
        return min(dpi, 72 * math.sqrt(pixels / max(1.0, (self.width + 1) * (self.height + 1))))

    def grey(self, *, dpi: float) -> NDArray[np.uint8]:
        """The shown page in grey, shape (height, width)."""
        return self._render(dpi, raw.FPDFBitmap_Gray, 1, raw.FPDF_GRAYSCALE)[:, :, 0]

    def picture(self, *, dpi: float) -> Image:
        """The shown page in colour on white. Raises ReadError where that would be over 64 megapixels."""
        return self._render(dpi, raw.FPDFBitmap_BGR, 3, raw.FPDF_REVERSE_BYTE_ORDER)

    def _render(self, dpi: float, layout: int, channels: int, flags: int) -> NDArray[np.uint8]:
        width, height = (max(1, round(length * dpi / 72)) for length in (self.width, self.height))
        if width * height > _MAX_PIXELS:
            raise ReadError(
                f"the page is {self.width:,.0f} x {self.height:,.0f} points: at {dpi:g} dpi over the limit "
                f"of {_MAX_PIXELS // 1_000_000} megapixels"
            )
        stride = (width * channels + 3) & ~3
        pixels = np.full((height, stride), 255, np.uint8)
        bitmap = raw.FPDFBitmap_CreateEx(width, height, layout, ctypes.c_void_p(pixels.ctypes.data), stride)
        raw.FPDF_RenderPageBitmap(bitmap, self.handle, 0, 0, width, height, 0, flags)
        raw.FPDFBitmap_Destroy(bitmap)
        return np.ascontiguousarray(pixels[:, : width * channels].reshape(height, width, channels))


def _has_drawn_annotations(page: Any) -> bool:
    for index in range(min(raw.FPDFPage_GetAnnotCount(page), 2000)):
        annotation = raw.FPDFPage_GetAnnot(page, index)
        kind = raw.FPDFAnnot_GetSubtype(annotation)
        raw.FPDFPage_CloseAnnot(annotation)
        if kind in _DRAWN_ANNOTATIONS:
            return True
    return False
