"""Pages for formats that state their text and have no look of their own: one layout for all of them.

A reader says what there is, in reading order: passages, and grids of cells. Here it gets a place on
A4 pages in a fixed pitch, and the text that `documents.structure` would give it: blocks with a blank
line between them, a row of a table on a line, its cells joined by " | ".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from asbuilt.documents.canvas import (
    ADVANCE,
    HEIGHT,
    LEADING,
    MARGIN,
    WIDTH,
    Canvas,
    GridCell,
    Passage,
    Row,
    wrapped,
)
from asbuilt.documents.header_row import is_header
from asbuilt.pages import BlockKind, PageLayout
from asbuilt.types import Document

__all__ = ["DRAWING", "Grid", "document_parts", "draw_pages", "drawn_pages"]

DRAWING = "drawn 1"
"""For recipes; raised by whatever changes a page that is drawn here."""

_LINE_CHARS = int((WIDTH - 2 * MARGIN) / ADVANCE)
_PAGE_LINES = int((HEIGHT - 2 * MARGIN) / LEADING)
_CELL_CHARS = 40  # of the widest column; longer cells wrap
_COLUMN_GAP = 2  # characters


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. Rows are taken as they are drawn, so there may be any number of them."""

    rows: Iterable[Row]


def draw_pages(
    parts: Iterable[Passage | Grid],
    *,
    number: int = 1,
    name: str = "",
    page_lines: int = _PAGE_LINES,
    flags: Sequence[str] = (),
) -> Iterator[PageLayout]:
    """Pages with `parts` in their order, from page `number` on; at least one.

    A page ends after `page_lines` lines, wherever that is in a passage or table; a table that goes on
    says so. One row of a table is never parted. `flags` are the first page's.
    """
    drawer = _Drawer(number, name, page_lines, flags)
    for part in parts:
        yield from drawer.passage(part) if isinstance(part, Passage) else drawer.grid(part)
    yield drawer.turn()


class _Drawer:
    """Puts parts below one another and turns the page when it is full."""

    def __init__(self, number: int, name: str, page_lines: int, flags: Sequence[str]) -> None:
        self._number, self._name, self._page_lines, self._flags = number, name, page_lines, flags
        self._canvas = Canvas(number, name=name)
        self._row = 0  # lines that are taken

    def turn(self) -> PageLayout:
        """The page as it is; the next one is blank."""
        page = self._canvas.page(flags=self._flags)
        self._number += 1
        self._flags = ()
        self._canvas = Canvas(self._number, name=self._name)
        self._row = 0
        return page

    def passage(self, passage: Passage) -> Iterator[PageLayout]:
        lines = wrapped(passage.text, _LINE_CHARS)
        while True:
            gap = self._gap(passage.kind)
            portion = list(islice(lines, max(1, self._page_lines - self._row - gap)))
            if not portion:
                return
            if self._row + gap + len(portion) > self._page_lines and self._row:
                yield self.turn()
                gap = 0
            self._row += gap
            self._canvas.passage(passage, portion, top=MARGIN + LEADING * self._row, joins=True)
            self._row += len(portion)

    def grid(self, grid: Grid) -> Iterator[PageLayout]:
        rows: list[Row] = []
        heights: list[int] = []
        used = 0
        continues = False
        for row in grid.rows:
            height = max((_height(cell.text) for cell in row if cell is not None), default=1)
            if self._row + self._gap("table") + used + height > self._page_lines and (rows or self._row):
                if rows:
                    self._table(rows, heights, continues)
                    continues = True
                yield self.turn()
                rows, heights, used = [], [], 0
            rows.append(row)
            heights.append(height)
            used += height
        if rows:
            self._table(rows, heights, continues)

    def _gap(self, kind: BlockKind) -> int:
        """Blank lines before a block of this kind."""
        return int(self._row > 0 and not kind == "list" == self._canvas.last_kind)

    def _table(self, rows: list[Row], heights: list[int], continues: bool) -> None:
        self._row += self._gap("table")
        lefts = accumulate((ADVANCE * width for width in _widths(rows)), initial=MARGIN)
        tops = accumulate((LEADING * height for height in heights), initial=MARGIN + LEADING * self._row)
        self._canvas.table(rows, lefts=list(lefts), tops=list(tops), continues=continues)
        self._row += sum(heights)


def _height(text: str) -> int:
    """Lines that a cell takes."""
    return 1 if len(text) <= _CELL_CHARS else max(1, sum(1 for _ in wrapped(text, _CELL_CHARS)))


def _widths(rows: Sequence[Row]) -> list[int]:
    """Characters of the columns: enough for each cell, up to `_CELL_CHARS`."""
    widths = [1] * max(map(len, rows))
    spanning = []
    for row in rows:
        for column, cell in enumerate(row):
            if cell is not None and cell.column_span > 1:
                spanning.append((column, cell))
            elif cell is not None and cell.text:
                widths[column] = max(widths[column], min(len(cell.text), _CELL_CHARS))
    widths = [width + _COLUMN_GAP for width in widths]
    for column, cell in spanning:
        spanned = widths[column : column + cell.column_span]
        widths[column + len(spanned) - 1] += max(0, min(len(cell.text), _CELL_CHARS) - sum(spanned))
    return widths


def drawn_pages(document: Document) -> Iterator[PageLayout]:
    """Pages for a document whose reader gives none. Headings are its headings; lines that are parted
    by bars are rows of a table; words say the line of the document's text that they stand on."""
    return draw_pages(document_parts(document))


_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"\s*[-+=|:\s]*[-=]{2}[-+=|:\s]*")  # under and between rows, in Markdown and RST
_ITEM = re.compile(r"\s*(?:[-*+\u2022]|\d{1,3}[.)])\s+\S")


def document_parts(document: Document, *, place: str = "") -> Iterator[Passage | Grid]:
    """The parts of a document of plain text, as `drawn_pages` draws them; `place` is that of the whole."""
    headings = iter(document.headings)
    heading = next(headings, None)
    run: list[str] = []  # lines of one kind
    run_kind = ""
    end = 0
    for number, line in enumerate(document.text.split("\n"), start=1):
        end += len(line) + 1
        level = 0
        while heading is not None and heading.start < end:
            level = level or heading.level
            heading = next(headings, None)
        kind = "heading" if level else _line_kind(line, run_kind)
        if run and (kind != run_kind or level):
            yield from _run(run, run_kind, number - len(run), place)
            run = []
        if level:
            yield Passage(line, "heading", level, place, number)
        elif kind:
            run.append(line)
        run_kind = kind
    if run:
        yield from _run(run, run_kind, document.text.count("\n") + 2 - len(run), place)


def _line_kind(line: str, before: str) -> str:
    if not line.strip():
        return ""
    if _BAR.search(line) or (_RULE.fullmatch(line) and (before == "table" or line.lstrip()[0] == "+")):
        return "table"
    return before if before in ("list", "paragraph") else "list" if _ITEM.match(line) else "paragraph"


def _run(lines: Sequence[str], kind: str, number: int, place: str) -> Iterator[Passage | Grid]:
    if kind != "table":
        yield Passage("\n".join(lines), "list" if kind == "list" else "paragraph", 0, place, number)
        return
    rows: list[tuple[int, list[str]]] = []
    stated = 0  # rows above the first rule
    for at, line in enumerate(lines, start=number):
        if _RULE.fullmatch(line):
            stated = stated or len(rows)
        else:
            bare = line.strip().removeprefix("|")
            bare = bare[:-1] if _BAR.search(bare[-1:]) else bare
            rows.append((at, [cell.strip().replace("\\|", "|") for cell in _BAR.split(bare)]))
    if len(rows) < 2:
        yield Passage("\n".join(lines), place=place, line=number)
        return
    header = stated == 1 or is_header(rows[0][1], [cells for _, cells in rows[1:]])
    columns = max(len(cells) for _, cells in rows)
    prefix = f"{place}, " if place else ""
    yield Grid(
        [
            GridCell(text, f"{prefix}line {at}", header=header and at == rows[0][0])
            for text in (*cells, *[""] * (columns - len(cells)))
        ]
        for at, cells in rows
    )
