"""What is drawn on a PDF page besides text: rulings and pictures."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pypdfium2 import raw

from asbuilt.documents.pdf_file import PdfPage
from asbuilt.pages import Box, Ruling, union

__all__ = ["Drawing", "Placed", "read_drawing"]

_THIN = 3.0  # points: what is thinner is a line, filled or stroked
_SHORT = 6.0  # points: what is shorter is no ruling but part of a letter or a dash
_MAX_OBJECTS, _MAX_SEGMENTS, _MAX_RULINGS, _MAX_PICTURES, _MAX_COVERS = 50_000, 50_000, 5_000, 500, 2_000
_MAX_DEPTH = 6
_OPAQUE = 255


class Placed(NamedTuple):
    """Something on the page, and its place in the drawing order."""

    box: Box
    order: int


@dataclass(slots=True)
class Drawing:
    """`covers` are opaque rectangles: what is drawn before them is not seen. `orders`: place in the
    drawing order of each text object, by its address. `cut`: there is more than was looked at."""

    rulings: list[Ruling] = field(default_factory=list)
    pictures: list[Placed] = field(default_factory=list)
    covers: list[Placed] = field(default_factory=list)
    orders: dict[int, int] = field(default_factory=dict)
    cut: bool = False


class _Matrix(NamedTuple):
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 1.0
    e: float = 0.0
    f: float = 0.0

    def then(self, other: _Matrix) -> _Matrix:
        """This one first, `other` after it."""
        return _Matrix(
            self.a * other.a + self.b * other.c,
            self.a * other.b + self.b * other.d,
            self.c * other.a + self.d * other.c,
            self.c * other.b + self.d * other.d,
            self.e * other.a + self.f * other.c + other.e,
            self.e * other.b + self.f * other.d + other.f,
        )

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f

    @property
    def scale(self) -> float:
        return math.sqrt(abs(self.a * self.d - self.b * self.c))


_IDENTITY = _Matrix()


def read_drawing(page: PdfPage) -> Drawing:
    """Rulings, among them thin filled rectangles, and pictures, those in nested forms too."""
    drawing = Drawing()
    reader = _DrawingReader(page, drawing)
    reader.visit(_page_objects(page.handle), _IDENTITY, 0)
    drawing.pictures = _joined(drawing.pictures)
    return drawing


class _DrawingReader:
    def __init__(self, page: PdfPage, drawing: Drawing) -> None:
        self._page, self._drawing = page, drawing
        self._page_box = Box(0, 0, page.width, page.height)
        self._objects = self._segments = 0

    def visit(self, objects: Iterator[Any], matrix: _Matrix, depth: int) -> None:
        drawing = self._drawing
        for item in objects:
            self._objects += 1
            if self._objects > _MAX_OBJECTS or self._segments > _MAX_SEGMENTS:
                drawing.cut = True
                return
            kind = raw.FPDFPageObj_GetType(item)
            if kind == raw.FPDF_PAGEOBJ_TEXT:
                drawing.orders[ctypes.addressof(item.contents)] = self._objects
            elif kind == raw.FPDF_PAGEOBJ_PATH:
                self._path(item, matrix)
            elif kind in (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_SHADING):
                box = self._bounds(item, matrix)
                if kind == raw.FPDF_PAGEOBJ_IMAGE and min(box.width, box.height) > _THIN:
                    self._picture(box)
                elif kind == raw.FPDF_PAGEOBJ_IMAGE:
                    self._line_of(box)
            elif kind == raw.FPDF_PAGEOBJ_FORM and depth < _MAX_DEPTH:
                self.visit(_form_objects(item), _matrix_of(item).then(matrix), depth + 1)

    def _picture(self, box: Box) -> None:
        left, top = max(box.left, 0.0), max(box.top, 0.0)
        right, bottom = min(box.right, self._page.width), min(box.bottom, self._page.height)
        if right - left > _THIN and bottom - top > _THIN and len(self._drawing.pictures) < _MAX_PICTURES:
            self._drawing.pictures.append(Placed(Box(left, top, right, bottom).rounded(), self._objects))

    def _path(self, item: Any, matrix: _Matrix) -> None:
        fill, stroke = ctypes.c_int(), raw.FPDF_BOOL()
        raw.FPDFPath_GetDrawMode(item, ctypes.byref(fill), ctypes.byref(stroke))
        if not fill.value and not stroke.value:
            return
        box = self._bounds(item, matrix)
        if max(box.width, box.height) < _SHORT or not box.grown(_THIN).overlap(self._page_box):
            return
        if min(box.width, box.height) <= _THIN:
            self._line_of(box)
            return
        if fill.value and len(self._drawing.covers) < _MAX_COVERS and _is_opaque_rectangle(item):
            self._drawing.covers.append(Placed(box, self._objects))
        if stroke.value:
            self._edges(item, _matrix_of(item).then(matrix))

    def _edges(self, item: Any, matrix: _Matrix) -> None:
        """The straight edges along the axes of a stroked path."""
        width = ctypes.c_float(1.0)
        raw.FPDFPageObj_GetStrokeWidth(item, ctypes.byref(width))
        thick = max(0.1, width.value * matrix.scale)
        x, y = ctypes.c_float(), ctypes.c_float()
        start = here = (0.0, 0.0)
        for index in range(raw.FPDFPath_CountSegments(item)):
            self._segments += 1
            if self._segments > _MAX_SEGMENTS:
                return
            segment = raw.FPDFPath_GetPathSegment(item, index)
            raw.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
            point = self._page.shown(*matrix.at(x.value, y.value))
            kind = raw.FPDFPathSegment_GetType(segment)
            if kind == raw.FPDF_SEGMENT_MOVETO:
                start = point
            elif kind == raw.FPDF_SEGMENT_LINETO:
                self._edge(here, point, thick)
            here = point
            if raw.FPDFPathSegment_GetClose(segment):
                self._edge(here, start, thick)
                here = start

    def _edge(self, start: tuple[float, float], end: tuple[float, float], thick: float) -> None:
        across, down = abs(start[0] - end[0]), abs(start[1] - end[1])
        if min(across, down) <= 0.5 and max(across, down) >= _SHORT:
            self._add(min(start[0], end[0]), min(start[1], end[1]), across, down, thick)

    def _line_of(self, box: Box) -> None:
        """The ruling that a thin box is."""
        if box.width >= box.height and box.width >= _SHORT:
            self._add(box.left, (box.top + box.bottom) / 2, box.width, 0.0, box.height)
        elif box.height > box.width and box.height >= _SHORT:
            self._add((box.left + box.right) / 2, box.top, 0.0, box.height, box.width)

    def _add(self, x: float, y: float, across: float, down: float, thick: float) -> None:
        if len(self._drawing.rulings) >= _MAX_RULINGS:
            self._drawing.cut = True
            return
        right, bottom = (x + across, y) if across >= down else (x, y + down)
        page = self._page_box
        on_page = (max(x, 0.0), max(y, 0.0), min(right, page.right), min(bottom, page.bottom))
        x0, y0, x1, y1, width = (round(value, 2) for value in (*on_page, max(thick, 0.1)))
        if x0 <= x1 and y0 <= y1:
            self._drawing.rulings.append(Ruling(x0, y0, x1, y1, width))

    def _bounds(self, item: Any, matrix: _Matrix) -> Box:
        left, bottom, right, top = (ctypes.c_float() for _ in range(4))
        raw.FPDFPageObj_GetBounds(item, *map(ctypes.byref, (left, bottom, right, top)))
        if matrix is _IDENTITY:
            return self._page.shown_box(left.value, bottom.value, right.value, top.value)
        corners = [matrix.at(x, y) for x in (left.value, right.value) for y in (bottom.value, top.value)]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        return self._page.shown_box(min(xs), min(ys), max(xs), max(ys))


def _page_objects(page: Any) -> Iterator[Any]:
    for index in range(raw.FPDFPage_CountObjects(page)):
        yield raw.FPDFPage_GetObject(page, index)


def _form_objects(form: Any) -> Iterator[Any]:
    for index in range(max(0, raw.FPDFFormObj_CountObjects(form))):
        yield raw.FPDFFormObj_GetObject(form, index)


def _is_opaque_rectangle(path: Any) -> bool:
    # Four edges, the last of them drawn or closed: a turned one covers less than its bounds, and few are.
    if not 4 <= raw.FPDFPath_CountSegments(path) <= 6 or raw.FPDFPageObj_HasTransparency(path):
        return False
    colour = [ctypes.c_uint() for _ in range(4)]
    raw.FPDFPageObj_GetFillColor(path, *map(ctypes.byref, colour))
    return colour[3].value == _OPAQUE


def _matrix_of(item: Any) -> _Matrix:
    matrix = raw.FS_MATRIX(1, 0, 0, 1, 0, 0)
    raw.FPDFPageObj_GetMatrix(item, ctypes.byref(matrix))
    return _Matrix(matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)


def _joined(pictures: list[Placed]) -> list[Placed]:
    """Strips and tiles of one picture made one: scanners and printers cut pictures into bands."""
    joined: list[Placed] = []
    for picture in sorted(pictures, key=lambda each: (each.box.top, each.box.left)):
        for place, other in enumerate(joined):
            stacked = _alike(picture.box.left, other.box.left) and _alike(picture.box.right, other.box.right)
            abreast = _alike(picture.box.top, other.box.top) and _alike(picture.box.bottom, other.box.bottom)
            if (stacked or abreast) and picture.box.grown(1.0).overlap(other.box) > 0:
                joined[place] = Placed(union((picture.box, other.box)), max(picture.order, other.order))
                break
        else:
            joined.append(picture)
    return joined


def _alike(a: float, b: float) -> bool:
    return abs(a - b) <= 1.0
