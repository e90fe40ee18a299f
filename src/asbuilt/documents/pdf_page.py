"""A page of a PDF -> its marks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from asbuilt.documents.pdf_file import PdfPage
from asbuilt.documents.pdf_marks import Drawing, read_drawing
from asbuilt.documents.pdf_text import read_text_layer
from asbuilt.documents.scan import PixelReaders, read_region, read_scan
from asbuilt.documents.triage import Triage, triage
from asbuilt.documents.worker import Setup
from asbuilt.pages import Box, PageMarks, Ruling, Word

__all__ = ["read_pdf_page", "turned_back"]

_GREY_DPI, _GREY_PIXELS = 72.0, 16_000_000  # a pixel a point, on pages up to 55 inches square


def read_pdf_page(
    page: PdfPage, *, number: int, setup: Setup, readers: PixelReaders, may_ocr: bool = True
) -> PageMarks | None:
    """The marks of a page, from its text layer and, where that does not do, its pixels.

    None when it needs OCR and `may_ocr` is False.
    """
    layer = read_text_layer(page)
    drawing = read_drawing(page)
    area = Box(0.0, 0.0, page.width, page.height)
    grey_dpi = page.affordable(_GREY_DPI, pixels=_GREY_PIXELS)
    found = triage(layer, drawing, area, page.grey(dpi=grey_dpi), scale=grey_dpi / 72)
    if setup.ocr_pages == "always":
        found = replace(found, whole=True)
    elif setup.ocr_pages == "never":
        found = _without_pixels(found, "OCR is off (ocr_pages)")
    if found.whole or found.regions or found.compare:
        if not may_ocr:
            return None
        if readers.missing:
            found = _without_pixels(found, readers.missing)
    turn = layer.turn
    dpi = page.affordable(setup.dpi)
    if found.whole:
        return read_scan(page.picture(dpi=dpi), number=number, dpi=dpi, readers=readers, flags=found.flags)
    marks = turned_back(_marks(page, number, found, drawing), turn)
    if found.compare or found.regions:
        shown = page.picture(dpi=dpi)
        picture = np.ascontiguousarray(np.rot90(shown, turn // 90))
        if found.compare and not readers.agree(picture, marks.words, dpi=dpi):
            flags = (*found.flags, "text layer disagrees with the pixels: read from the pixels")
            return read_scan(shown, number=number, dpi=dpi, readers=readers, flags=flags)
        for region in found.regions:
            box = _turned_box(region, page.width, page.height, turn)
            marks = read_region(marks, picture, box, dpi=dpi, readers=readers)
    return marks


def turned_back(marks: PageMarks, turn: int) -> PageMarks:
    """A page that is turned `turn` degrees clockwise, upright."""
    if turn == 0:
        return marks
    width, height = marks.width, marks.height

    def box(each: Box) -> Box:
        return _turned_box(each, width, height, turn).rounded()

    def ruling(each: Ruling) -> Ruling:
        left, top, right, bottom = box(Box(*each[:4]))
        return Ruling(left, top, right, bottom, each.width)

    return replace(
        marks,
        width=height if turn % 180 else width,
        height=width if turn % 180 else height,
        words=tuple(replace(word, box=box(word.box)) for word in marks.words),
        rulings=tuple(map(ruling, marks.rulings)),
        pictures=tuple(map(box, marks.pictures)),
        rotation=(marks.rotation + turn) % 360,
    )


def _turned_box(box: Box, width: float, height: float, turn: int) -> Box:
    if turn == 90:
        return Box(box.top, width - box.right, box.bottom, width - box.left)
    if turn == 180:
        return Box(width - box.right, height - box.bottom, width - box.left, height - box.top)
    if turn == 270:
        return Box(height - box.bottom, box.left, height - box.top, box.right)
    return box


def _without_pixels(found: Triage, why: str) -> Triage:
    """What is left when nothing can read pixels."""
    flags = found.flags
    if found.whole:
        flags = (*flags, f"page has no text that can be used, and was not read from its pixels: {why}")
    elif found.compare:
        flags = (*flags, f"text layer was not compared with the pixels: {why}")
    elif found.regions:
        flags = (*flags, f"pictures on the page were not searched for text: {why}")
    return replace(found, whole=False, regions=(), compare=False, flags=flags)


def _marks(page: PdfPage, number: int, found: Triage, drawing: Drawing) -> PageMarks:
    area = page.width * page.height
    words = tuple(_on_page(word.word, page) for word in found.words)
    flags = (*found.flags, "drawing is too large: rulings are incomplete") if drawing.cut else found.flags
    # A picture of the whole page is its ground and no figure on it.
    pictures = tuple(each.box for each in drawing.pictures if not words or each.box.area < 0.9 * area)
    return PageMarks(
        number,
        round(page.width, 2),
        round(page.height, 2),
        words,
        tuple(drawing.rulings),
        pictures,
        flags=flags,
    )


def _on_page(word: Word, page: PdfPage) -> Word:
    left, top, right, bottom = word.box
    if left >= 0 and top >= 0 and right <= page.width and bottom <= page.height:
        return word
    cut = Box(max(0.0, left), max(0.0, top), min(page.width, right), min(page.height, bottom))
    return replace(word, box=cut.rounded())
