"""Word files (.docx)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from io import BytesIO
from itertools import islice
from typing import Any, Literal

import docx

from asbuilt.documents.canvas import GridCell, Passage, Row
from asbuilt.documents.drawn import DRAWING, Grid, draw_pages
from asbuilt.documents.header_row import is_header
from asbuilt.documents.office import OfficeFormat, open_archive
from asbuilt.documents.paged import document_of
from asbuilt.errors import ReadError
from asbuilt.pages import PageLayout
from asbuilt.registry import component
from asbuilt.types import Document

__all__ = ["DocxReader"]

_READING = 1  # raised by whatever changes the pages
_FORM = OfficeFormat("a Word document", ".doc", ".docx", "word/")
_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


@component("reader/docx")
class DocxReader:
    """Headers, then paragraphs, headings, lists, tables and text boxes in document order, then footers.

    Hidden and deleted text is left out, inserted text is in; notes and comments are not read. Word
    files have no pages until they are laid out; these are a plain layout of asbuilt's own.
    """

    def __init__(self, *, max_unpacked_bytes: int = 200 * 2**20) -> None:
        self._max_unpacked_bytes = max_unpacked_bytes

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".docx"})

    @property
    def recipe(self) -> str:
        """See the role."""
        return f"docx {_READING}; python-docx {version('python-docx')}; {DRAWING}"

    def pages(self, data: bytes, *, name: str, first: int = 1) -> Iterator[PageLayout]:
        """See the role. Words say their paragraph, or their table, row and column."""
        return islice(draw_pages(self._contents(data, name).parts), first - 1, None)

    def read(self, data: bytes, *, name: str, pages: Iterable[PageLayout] | None = None) -> Document:
        """See the role and `documents.paged.document_of`."""
        contents = self._contents(data, name)
        return document_of(
            draw_pages(contents.parts) if pages is None else pages,
            name=name,
            media_type=_MEDIA_TYPE,
            recipe=self.recipe,
            title=contents.title,
        )

    def _contents(self, data: bytes, name: str) -> _Contents:
        open_archive(data, name=name, form=_FORM, max_unpacked_bytes=self._max_unpacked_bytes).close()
        try:
            package = docx.Document(BytesIO(data))
            body = _Body(package)
            parts = [*_edges(package, "header"), *body.parts(), *_edges(package, "footer")]
            return _Contents(parts, body.title or package.core_properties.title or "")
        except Exception as error:  # python-docx states no errors: a bad part may raise anything
            raise ReadError(
                f"{name!r} is not a Word document or is damaged ({type(error).__name__}).",
                hint="Open it in Word and save it again.",
            ) from error


@dataclass(frozen=True, slots=True)
class _Contents:
    parts: Sequence[Passage | Grid]
    title: str


_HEADING_STYLE = re.compile(r"heading ([1-9])", re.IGNORECASE)
_MAX_STYLE_CHAIN = 10
_MAX_COLUMNS = 63  # Word's own limit
# Elements by their local names, whose namespaces differ between text, formulas and drawings.
_TEXT = "t"
_TEXT_BOX = "txbxContent"
_CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_LEFT_OUT = frozenset(
    {"del", "moveFrom", "pPr", "rPr", "sectPr", "tblPr", "trPr", "tcPr", "sdtPr", "Fallback"}
)


def _edges(package: Any, kind: Literal["header", "footer"]) -> Iterator[Passage]:
    """The distinct headers or footers of all sections."""
    seen: set[str] = set()
    of_even = package.settings.odd_and_even_pages_header_footer
    for section in package.sections:
        of_first = section.different_first_page_header_footer
        for edge in (*[f"first_page_{kind}"] * of_first, kind, *[f"even_page_{kind}"] * of_even):
            part = getattr(section, edge)
            if part.is_linked_to_previous:
                continue
            lines = "".join(_inline(part._element, boxes=True)).split("\n")
            text = "\n".join(line.strip() for line in lines if line.strip())
            if text and text not in seen:
                seen.add(text)
                yield Passage(text, kind, place=edge.replace("_", " "))


class _Body:
    """One walk over the body."""

    def __init__(self, package: Any) -> None:
        self.title = ""
        self._styles = {style.style_id: _style_kind(style) for style in package.styles}
        self._body = package.element.body
        self._paragraphs = self._tables = 0

    def parts(self) -> Iterator[Passage | Grid]:
        return self._blocks(self._body)

    def _blocks(self, container: Any, within: str = "") -> Iterator[Passage | Grid]:
        for element in container:
            kind = _local(element)
            if kind == "p":
                if not within:
                    self._paragraphs += 1
                place = within or f"paragraph {self._paragraphs}"
                yield from self._paragraph(element, place)
                for box in _nearest(element, _TEXT_BOX):
                    yield from self._blocks(box, within or f"{place}, text box")
            elif kind == "tbl":
                self._tables += 1
                if rows := _table_rows(element, f"table {self._tables}"):
                    yield Grid(rows)
            elif kind not in _LEFT_OUT:  # content controls and the like wrap blocks
                yield from self._blocks(element, within)

    def _paragraph(self, element: Any, place: str) -> Iterator[Passage]:
        text = "".join(_inline(element)).strip()
        if not text:
            return
        style = element.find(f"{_W}pPr/{_W}pStyle")
        kind = self._styles.get(style.get(f"{_W}val") if style is not None else None, "")
        if kind == "title" and not self.title:
            self.title = text
            yield Passage(text, "heading", 1, place)
        elif kind.isdigit():
            yield Passage(text, "heading", int(kind) + bool(self.title), place)
        elif kind == "list" or element.find(f"{_W}pPr/{_W}numPr") is not None:
            yield Passage(f"- {text}", "list", place=place)
        else:
            yield Passage(text, place=place)


def _table_rows(table: Any, place: str) -> list[Row]:
    """The grid of a table, nothing when it has no text. Cells that go on below (vMerge) span rows."""
    rows: list[list[GridCell | None]] = []
    above: dict[int, tuple[int, GridCell]] = {}  # by column, the last cell and its row
    stated = False
    for count, row in enumerate(_nearest(table, "tr"), start=1):
        slots: list[GridCell | None] = [GridCell()] * _number(row, "trPr", "gridBefore", 0)
        header = row.find(f"{_W}trPr/{_W}tblHeader") is not None and (stated or count == 1)
        stated = stated or header
        for cell in _nearest(row, "tc"):
            column = len(slots)
            span = _number(cell, "tcPr", "gridSpan", 1)
            merge = cell.find(f"{_W}tcPr/{_W}vMerge")
            goes_on = merge is not None and merge.get(f"{_W}val") != "restart"
            at, first = above.get(column, (0, GridCell()))
            if goes_on and at + first.row_span == len(rows) and first.column_span == span:
                above[column] = at, replace(first, row_span=first.row_span + 1)
                rows[at][column] = above[column][1]
                slots += [None] * span
                continue
            text = " ".join("".join(_inline(cell, boxes=True)).split())
            found = GridCell(text, f"{place}, row {count}, column {column + 1}", 1, span, header)
            above[column] = len(rows), found
            slots += [found, *[None] * (span - 1)]
        rows.append(slots)
    if not any(cell and cell.text for slots in rows for cell in slots):
        return []
    width = max(map(len, rows))
    for slots in rows:
        slots += [GridCell()] * (width - len(slots))
    texts = [[cell.text if cell else "" for cell in slots] for slots in rows]
    if not stated and is_header(texts[0], texts[1:]):
        rows[0] = [cell and replace(cell, header=True) for cell in rows[0]]
    return list(rows)


def _number(element: Any, properties: str, kind: str, default: int) -> int:
    """A count that an element's properties state, within what Word allows."""
    stated = element.find(f"{_W}{properties}/{_W}{kind}")
    text = "" if stated is None else stated.get(f"{_W}val") or ""
    return max(default, min(int(text), _MAX_COLUMNS)) if text.isdecimal() else default


def _local(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _nearest(element: Any, kind: str) -> Iterator[Any]:
    """Elements of a kind below `element`, but not those inside of one another."""
    for child in element:
        if _local(child) == kind:
            yield child
        elif _local(child) not in _LEFT_OUT and not _is_hidden(child):
            yield from _nearest(child, kind)


def _inline(element: Any, *, boxes: bool = False) -> Iterator[str]:
    """The visible text in an element, that in text boxes too with `boxes`; paragraphs inside are lines."""
    for child in element:
        kind = _local(child)
        if kind == _TEXT:
            yield child.text or ""
        elif kind in _CHARACTERS:
            yield _CHARACTERS[kind]
        elif kind in _LEFT_OUT or _is_hidden(child) or (kind == _TEXT_BOX and not boxes):
            continue
        else:
            yield from _inline(child, boxes=boxes)
            if kind in ("p", "tc"):
                yield "\n"


def _is_hidden(element: Any) -> bool:
    mark = element.find(f"{_W}rPr/{_W}vanish") if _local(element) == "r" else None
    return mark is not None and mark.get(f"{_W}val") not in ("0", "false", "off")


def _style_kind(style: Any) -> str:
    """What a style makes of a paragraph: "title", the level of a heading, "list" or ""."""
    for _ in range(_MAX_STYLE_CHAIN):
        name = style.name or ""
        if name.lower() == "title":
            return "title"
        if match := _HEADING_STYLE.fullmatch(name):
            return match[1]
        if name.lower().startswith("list "):
            return "list"
        style = getattr(style, "base_style", None)
        if style is None:
            break
    return ""
