"""Blocks in reading order -> a page: its text, the places of words in it, lines and blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from asbuilt.documents.structure.sheet import Sheet, TableDraft
from asbuilt.pages import Block, BlockKind, Box, Cell, Figure, Line, PageLayout, PageMarks, Table, Word, union

__all__ = ["BlockDraft", "written"]


@dataclass(slots=True, eq=False)
class BlockDraft:
    """A block before its words have their places. A table's words are in its draft, those of others in
    `lines`. `picture` is a figure's box; `about` the table or figure that a caption is about."""

    kind: BlockKind
    lines: list[list[int]] = field(default_factory=list)
    level: int = 0
    table: TableDraft | None = None
    picture: Box | None = None
    about: BlockDraft | None = None


def written(marks: PageMarks, sheet: Sheet, drafts: Sequence[BlockDraft]) -> PageLayout:
    """The page. Blocks are parted by a blank line, lines by a line break, cells by " | "."""
    writer = _Writer(sheet, (marks.width, marks.height))
    for draft in drafts:
        writer.block(draft)
    captions = {id(d.about): number for number, d in enumerate(drafts) if d.about is not None}
    figures = tuple(
        Figure(block.box, captions.get(id(draft)))
        for draft, block in zip(drafts, writer.blocks, strict=True)
        if draft.picture is not None
    )
    return PageLayout(
        number=marks.number,
        width=marks.width,
        height=marks.height,
        text="".join(writer.text),
        words=tuple(writer.words),
        lines=tuple(writer.lines),
        blocks=tuple(writer.blocks),
        tables=tuple(writer.tables),
        figures=figures,
        rulings=marks.rulings,
        kind=marks.kind,
        rotation=marks.rotation,
        skew=marks.skew,
        flags=marks.flags,
    )


class _Writer:
    def __init__(self, sheet: Sheet, size: tuple[float, float]) -> None:
        self._sheet, (self._width, self._height) = sheet, size
        self.text: list[str] = []
        self.words: list[Word] = []
        self.lines: list[Line] = []
        self.blocks: list[Block] = []
        self.tables: list[Table] = []
        self._figures = self._length = 0

    def block(self, draft: BlockDraft) -> None:
        first = len(self.words)
        item = None
        if draft.table is not None:
            item, box = len(self.tables), self._table(draft.table)
        else:
            for number, line in enumerate(draft.lines):
                self._line(line, "\n" if number else "\n\n")
            boxes = [line.box for line in self.lines if line.first >= first] if draft.lines else []
            if draft.picture is not None:
                item, box = self._figures, self._inside(draft.picture)
                self._figures += 1
            else:
                box = union(boxes)
        self.blocks.append(Block(draft.kind, first, len(self.words), box, draft.level, item))

    def _put(self, text: str) -> None:
        self.text.append(text)
        self._length += len(text)

    def _line(self, numbers: Sequence[int], gap: str) -> None:
        first = len(self.words)
        if self._length:
            self._put(gap)
        for place, n in enumerate(numbers):
            if place:
                self._put(" ")
            self._word(n)
        self._end_line(first)

    def _word(self, n: int) -> None:
        word = self._sheet.words[n]
        self.words.append(replace(word, start=self._length))
        self._put(word.text)

    def _end_line(self, first: int) -> None:
        self.lines.append(
            Line(first, len(self.words), union(word.box for word in self.words[first:]).rounded())
        )

    def _table(self, table: TableDraft) -> Box:
        cells: list[Cell] = []
        gap = "\n\n"
        for _, group in groupby(table.cells, key=lambda cell: cell.row):
            row = list(group)
            filled = max((number for number, cell in enumerate(row, start=1) if cell.lines), default=0)
            if filled and self._length:
                self._put(gap)
            if filled:
                gap = "\n"
            row_first = len(self.lines)
            for number, draft in enumerate(row):
                if 0 < number < filled:
                    self._put(" | ")
                first = len(self.words)
                for place, line in enumerate(draft.lines):
                    if place:
                        self._put(" ")
                    self._cell_line(line, row_first)
                box, spans = self._inside(draft.box), (draft.row_span, draft.column_span)
                cells.append(Cell(draft.row, draft.column, first, len(self.words), box, *spans, draft.header))
        box = self._inside(table.box)
        self.tables.append(Table(box, table.rows, table.columns, tuple(cells), ruled=table.ruled))
        return box

    def _cell_line(self, numbers: Sequence[int], row_first: int) -> None:
        """A line of a cell; it goes on that of the cell before where that ends level with it."""
        first = len(self.words)
        for place, n in enumerate(numbers):
            if place:
                self._put(" ")
            self._word(n)
        self._end_line(first)
        if len(self.lines) - 1 > row_first:
            before, line = self.lines[-2:]
            level = before.box.top + before.box.bottom - line.box.top - line.box.bottom
            if abs(level) < 0.5 * min(before.box.height, line.box.height):
                self.lines[-2:] = [Line(before.first, line.end, union((before.box, line.box)))]

    def _inside(self, box: Box) -> Box:
        """The part of a box that is on the page."""
        left, right = (min(max(edge, 0.0), self._width) for edge in (box.left, box.right))
        top, bottom = (min(max(edge, 0.0), self._height) for edge in (box.top, box.bottom))
        return Box(left, top, right, bottom).rounded()
