"""PowerPoint presentations (.pptx): a page a slide, its text where the slide has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from io import BytesIO
from itertools import accumulate
from typing import Any, NamedTuple

import pptx
from pptx.enum.shapes import MSO_SHAPE_TYPE, PP_PLACEHOLDER

from asbuilt.documents.canvas import ADVANCE, LEADING, MARGIN, SIZE, Canvas, GridCell, Passage, Row, wrapped
from asbuilt.documents.drawn import DRAWING
from asbuilt.documents.office import OfficeFormat, open_archive
from asbuilt.documents.paged import document_of
from asbuilt.errors import ReadError
from asbuilt.pages import Box, PageLayout
from asbuilt.registry import component
from asbuilt.types import Document

__all__ = ["PptxReader", "reading_order"]

_READING = 1  # raised by whatever changes the pages
_FORM = OfficeFormat("a PowerPoint presentation", ".ppt", ".pptx", "ppt/")
_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_EMU = 12_700  # a point
_MAX_DEPTH = 30  # of groups in groups
_SIZES = (18.0, 14.0, 12.0, 10.0, 8.0, 7.0, 6.0, 5.0, 4.0)  # of type that is tried until it fits
_MAX_CHARS = 100_000  # of one shape
_CLEARANCE = 2.0  # points; shapes that overlap by less stand apart
_TITLES = (PP_PLACEHOLDER.TITLE, PP_PLACEHOLDER.CENTER_TITLE, PP_PLACEHOLDER.VERTICAL_TITLE)
_EDGES = (PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.SLIDE_NUMBER)
_LISTS = (PP_PLACEHOLDER.BODY, PP_PLACEHOLDER.OBJECT, PP_PLACEHOLDER.VERTICAL_BODY)


@component("reader/pptx")
class PptxReader:
    """Titles, text, tables and pictures at their places, in reading order, then the speaker's notes.

    Boxes of shapes are the slide's; of words, a layout within their shape. Notes stand below the slide.
    Hidden slides are empty pages with a flag; charts and diagrams are flagged, not read.
    """

    def __init__(self, *, max_unpacked_bytes: int = 2**30) -> None:
        self._max_unpacked_bytes = max_unpacked_bytes

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".pptx"})

    @property
    def recipe(self) -> str:
        """See the role."""
        return f"pptx {_READING}; python-pptx {version('python-pptx')}; {DRAWING}"

    def read(self, data: bytes, *, name: str, pages: Iterable[PageLayout] | None = None) -> Document:
        """See the role and `documents.paged.document_of`."""
        return document_of(
            self.pages(data, name=name) if pages is None else pages,
            name=name,
            media_type=_MEDIA_TYPE,
            recipe=self.recipe,
        )

    def pages(self, data: bytes, *, name: str, first: int = 1) -> Iterator[PageLayout]:
        """See the role. A page's `name` is the slide's title; words say their slide and shape."""
        open_archive(data, name=name, form=_FORM, max_unpacked_bytes=self._max_unpacked_bytes).close()
        try:
            show = pptx.Presentation(BytesIO(data))
            slides = list(show.slides)
            size = (show.slide_width or 9_144_000) / _EMU, (show.slide_height or 6_858_000) / _EMU
        except Exception as error:  # python-pptx states no errors: a bad part may raise anything
            raise ReadError(
                f"{name!r} is not a PowerPoint presentation or is damaged ({type(error).__name__}).",
                hint="Open it in PowerPoint and save it again.",
            ) from error
        if not slides:
            raise ReadError(f"{name!r} has no slides.")
        return _pages(slides, size, name, first)


def _pages(slides: Sequence[Any], size: tuple[float, float], name: str, first: int) -> Iterator[PageLayout]:
    failures = 0
    for number, slide in enumerate(slides, start=1):
        if number < first:
            continue
        try:
            page = _page(slide, number, size)
        except Exception as error:  # as above; one bad slide must not cost the others
            failures += 1
            if failures == len(slides):
                raise ReadError(
                    f"{name!r} is damaged ({type(error).__name__}).", hint="Get it again."
                ) from error
            flag = f"slide {number} cannot be read: damaged ({type(error).__name__})"
            page = PageLayout(number, *size, kind="drawn", flags=(flag,))
        yield page


@dataclass(frozen=True, slots=True)
class _Text:
    """A shape with text."""

    box: Box
    passage: Passage
    size: float | None


@dataclass(frozen=True, slots=True)
class _Table:
    box: Box
    rows: Sequence[Row]
    widths: Sequence[float]
    heights: Sequence[float]


@dataclass(frozen=True, slots=True)
class _Picture:
    box: Box


_Item = _Text | _Table | _Picture


class _Frame(NamedTuple):
    """From a group's coordinates (EMU) to the slide's (points)."""

    x: float = 0.0
    y: float = 0.0
    x_scale: float = 1 / _EMU
    y_scale: float = 1 / _EMU

    def box(self, shape: Any) -> Box:
        left, top = self.x + (shape.left or 0) * self.x_scale, self.y + (shape.top or 0) * self.y_scale
        width, height = (shape.width or 0) * self.x_scale, (shape.height or 0) * self.y_scale
        return Box(left, top, left + max(width, 1.0), top + max(height, 1.0))

    def inside(self, group: Any) -> _Frame:
        """That of a group's children, whose coordinates `chOff` and `chExt` stretch over its box."""
        box = self.box(group)
        offset = group._element.find(f"{_P}grpSpPr/{_A}xfrm/{_A}chOff")
        extent = group._element.find(f"{_P}grpSpPr/{_A}xfrm/{_A}chExt")
        if offset is None or extent is None:
            return self
        x_scale = box.width / max(1, int(extent.get("cx", 0)))
        y_scale = box.height / max(1, int(extent.get("cy", 0)))
        return _Frame(
            box.left - int(offset.get("x", 0)) * x_scale,
            box.top - int(offset.get("y", 0)) * y_scale,
            x_scale,
            y_scale,
        )


def _page(slide: Any, number: int, size: tuple[float, float]) -> PageLayout:
    if slide._element.get("show") in ("0", "false"):
        flag = f"slide {number} is hidden and not read"
        return PageLayout(number, *size, kind="drawn", flags=(flag,))
    flags: list[str] = []
    items = list(_on_slide(_items(slide.shapes, _Frame(), f"slide {number}", flags, 0), size, flags))
    title = next((item for item in items if isinstance(item, _Text) and item.passage.kind == "heading"), None)
    name = " ".join(title.passage.text.split()) if title else ""
    canvas = Canvas(number, name=name, width=size[0], height=size[1], margin=0.0)
    edges = [item for item in items if isinstance(item, _Text) and item.passage.kind == "footer"]
    others = [item for item in items if item is not title and item not in edges]
    ordered = [others[at] for at in reading_order([item.box for item in others])]
    for item in (*([title] if title else []), *ordered, *edges):
        _draw(canvas, item)
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) is not None:
        text = _clean(frame.text)
        if text.strip():
            notes = Passage(text, place=f"slide {number}, notes")
            lines = list(wrapped(text, int((size[0] - 2 * MARGIN) / ADVANCE)))
            canvas.passage(notes, lines, top=canvas.height + MARGIN, right=size[0] - MARGIN)
    return canvas.page(flags=flags)


def _on_slide(items: Iterable[_Item], size: tuple[float, float], flags: list[str]) -> Iterator[_Item]:
    """What is on the slide, with its box cut there; nobody sees what is beside it."""
    for item in items:
        box = item.box
        seen = Box(max(0.0, box.left), max(0.0, box.top), min(size[0], box.right), min(size[1], box.bottom))
        if seen.width > 0 and seen.height > 0:
            yield replace(item, box=seen)
        elif not isinstance(item, _Picture):
            flags.append("text beside the slide is not read")


def _items(shapes: Iterable[Any], frame: _Frame, place: str, flags: list[str], depth: int) -> Iterator[_Item]:
    if depth > _MAX_DEPTH:
        flags.append(f"shapes in groups over {_MAX_DEPTH} deep are not read")
        return
    for shape in shapes:
        where = f"{place}, {shape.name!r}"
        if shape._element.xpath("./*/p:cNvPr[@hidden='1' or @hidden='true']"):
            continue
        if shape.shape_type == MSO_SHAPE_TYPE.GROUP:
            yield from _items(shape.shapes, frame.inside(shape), place, flags, depth + 1)
        elif shape.has_text_frame:
            text = _clean(shape.text_frame.text)
            if len(text) > _MAX_CHARS:
                text = text[:_MAX_CHARS]
                flags.append(f"only the first {_MAX_CHARS:,} characters of {shape.name!r} are read")
            if text.strip():
                yield _text_of(shape, text, frame.box(shape), where)
        elif getattr(shape, "has_table", False):
            yield _table_of(shape.table, frame, shape, where)
        elif shape.shape_type == MSO_SHAPE_TYPE.PICTURE:
            yield _Picture(frame.box(shape))
        elif getattr(shape, "has_chart", False):
            flags.append(f"chart not read: {shape.name!r}")
        elif shape._element.tag.endswith("}graphicFrame"):
            flags.append(f"diagram or object not read: {shape.name!r}")


def _text_of(shape: Any, text: str, box: Box, place: str) -> _Text:
    kind = shape.placeholder_format.type if shape.is_placeholder else None
    sizes = [
        run.font.size.pt
        for paragraph in shape.text_frame.paragraphs
        for run in paragraph.runs
        if run.font.size is not None
    ]
    if kind in _TITLES:
        passage = Passage(" ".join(text.split()), "heading", 1, place)
    elif kind in _EDGES:
        passage = Passage(text, "footer", place=place)
    else:
        is_list = kind in _LISTS and sum(bool(line.strip()) for line in text.split("\n")) > 1
        passage = Passage(text, "list" if is_list else "paragraph", place=place)
    return _Text(box, passage, max(sizes, default=None))


def _table_of(table: Any, frame: _Frame, shape: Any, place: str) -> _Table:
    rows: list[Row] = []
    for row, line in enumerate(table.rows):
        slots: list[GridCell | None] = []
        for column, cell in enumerate(line.cells):
            if cell.is_spanned:
                slots.append(None)
                continue
            slots.append(
                GridCell(
                    _clean(cell.text_frame.text),
                    f"{place}, row {row + 1}, column {column + 1}",
                    row_span=cell.span_height if cell.is_merge_origin else 1,
                    column_span=cell.span_width if cell.is_merge_origin else 1,
                    header=bool(table.first_row) and row == 0,
                )
            )
        rows.append(slots)
    widths = [max(1.0, column.width * frame.x_scale) for column in table.columns]
    heights = [max(1.0, row.height * frame.y_scale) for row in table.rows]
    box = frame.box(shape)
    return _Table(
        Box(box.left, box.top, box.left + sum(widths), box.top + sum(heights)), rows, widths, heights
    )


def _clean(text: str) -> str:
    """Text of a shape, whose line breaks python-pptx gives as vertical tabs."""
    return text.replace("\v", "\n").replace("\r", "\n").replace("\0", "")


def _draw(canvas: Canvas, item: _Item) -> None:
    box = item.box
    if isinstance(item, _Picture):
        canvas.figure(box)
    elif isinstance(item, _Table):
        lefts = list(accumulate(item.widths, initial=box.left))
        tops = list(accumulate(item.heights, initial=box.top))
        size = _SIZES[0]
        for row, slots in enumerate(item.rows):
            for at, cell in enumerate(slots):
                if cell is not None:
                    width = sum(item.widths[at : at + cell.column_span])
                    size = _fitting(cell.text, width, sum(item.heights[row : row + cell.row_span]), most=size)
        canvas.table(item.rows, lefts=lefts, tops=tops, size=size)
    else:
        text = item.passage.text
        size = _fitting(text, box.width, box.height, most=item.size)
        lines = list(wrapped(text, _characters(box.width, size)))
        canvas.passage(item.passage, lines, left=box.left, top=box.top, right=box.right, size=size)


def _characters(width: float, size: float) -> int:
    return max(1, int(width / (ADVANCE * size / SIZE)))


def _fitting(text: str, width: float, height: float, *, most: float | None) -> float:
    """The largest size of type, up to `most`, in which a text stays within a box; else the smallest."""
    sizes = [size for size in _SIZES if most is None or size <= most] or list(_SIZES[-1:])
    for size in sizes:
        lines = sum(1 for _ in wrapped(text, _characters(width, size)))
        if lines * size * LEADING / SIZE <= height:
            return size
    return sizes[-1]


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Numbers of the boxes as one reads them: parted by blank bands from top to bottom, then by blank
    bands from left to right, and so on (a recursive X-Y cut); what no band parts, by its top left corner."""
    return _cut(list(range(len(boxes))), boxes)


def _cut(numbers: list[int], boxes: Sequence[Box]) -> list[int]:
    if len(numbers) < 2:
        return numbers
    for low, high in ((1, 3), (0, 2)):  # top and bottom, left and right
        groups: list[list[int]] = []
        reached = float("-inf")
        for number in sorted(numbers, key=lambda each: boxes[each][low]):
            if boxes[number][low] >= reached - _CLEARANCE:
                groups.append([])
            groups[-1].append(number)
            reached = max(reached, boxes[number][high])
        if len(groups) > 1:
            return [number for group in groups for number in _cut(group, boxes)]
    return sorted(numbers, key=lambda each: (boxes[each].top, boxes[each].left))
