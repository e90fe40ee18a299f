"""A page while it is drawn: passages and tables get boxes, lines, blocks and a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from asbuilt.documents.writer import LINE, PARAGRAPH
from asbuilt.pages import Block, BlockKind, Box, Cell, Figure, Line, PageLayout, Table, Word, union

__all__ = [
    "ADVANCE",
    "HEIGHT",
    "LEADING",
    "MARGIN",
    "SIZE",
    "WIDTH",
    "Canvas",
    "GridCell",
    "Passage",
    "Row",
    "Span",
    "wrapped",
]

ADVANCE, LEADING, SIZE, MARGIN = 6.0, 14.0, 10.0, 36.0
"""Points: of a character, from line to line, of the type, around the page."""
WIDTH, HEIGHT = 595.0, 842.0


@dataclass(frozen=True, slots=True)
class Passage:
    """Running text; a line break in it stays one. Items of a list that follow one another are one
    block. `place` says where in the file it stands; with `line`, the number of its first line, words
    say theirs as well."""

    text: str
    kind: BlockKind = "paragraph"
    level: int = 0
    place: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class GridCell:
    """A cell of a table; white space in its text counts as one blank."""

    text: str = ""
    place: str = ""
    row_span: int = 1
    column_span: int = 1
    header: bool = False


Row = Sequence[GridCell | None]
"""An entry for each column: its cell, or None where a cell to the left or above spans."""


class Span(NamedTuple):
    """A word, text[start:end], the character column in which it is drawn, and the number of line
    breaks in the text before it."""

    start: int
    end: int
    column: int
    breaks: int


_WORD = re.compile(r"\S+")


def wrapped(text: str, width: int) -> Iterator[list[Span]]:
    """The words of `text` line by line: broken where it breaks, and before what passes `width` columns.

    Runs of blanks keep their width, so that columns made with blanks stay columns.

    >>> [[span.column for span in line] for line in wrapped("ab   cd\\n  ef", 20)]
    [[0, 5], [2]]
    """
    line: list[Span] = []
    column = end = breaks = 0
    for match in _WORD.finditer(text):
        gap = text[end : match.start()]
        if "\n" in gap:
            if line:
                yield line
                line = []
            column = 0
            breaks += gap.count("\n")
            gap = gap.rpartition("\n")[2]
        column = len((" " * column + gap).expandtabs()) if "\t" in gap else column + len(gap)
        if column + len(match[0]) > width:
            if line:
                yield line
                line = []
            column = 0
        line.append(Span(match.start(), match.end(), column, breaks))
        end = match.end()
        column += end - match.start()
    if line:
        yield line


class Canvas:
    """A page while it is drawn: words, lines and blocks in reading order, and the text they make.

    Lengths are points. The page grows by what is drawn outside of it, and `margin`.
    """

    def __init__(
        self,
        number: int,
        *,
        name: str = "",
        width: float = WIDTH,
        height: float = HEIGHT,
        margin: float = MARGIN,
    ) -> None:
        self._number, self._name = number, name
        self._width, self.height, self._margin = width, height, margin
        self._words: list[Word] = []
        self._lines: list[Line] = []
        self._blocks: list[Block] = []
        self._tables: list[Table] = []
        self._figures: list[Figure] = []
        self._text: list[str] = []
        self._length = 0

    @property
    def last_kind(self) -> BlockKind | None:
        """The kind of the last block."""
        return self._blocks[-1].kind if self._blocks else None

    def passage(
        self,
        passage: Passage,
        lines: Sequence[Sequence[Span]],
        *,
        left: float = MARGIN,
        top: float = MARGIN,
        right: float = WIDTH - MARGIN,
        size: float = SIZE,
        joins: bool = False,
    ) -> None:
        """Lines of a passage (see `wrapped`), at least one, in type of `size`. With `joins`, items of a
        list go on with the list above."""
        goes_on = joins and passage.kind == "list" == self.last_kind
        low = lines[0][0].start
        start = self._write(passage.text[low : lines[-1][-1].end], LINE if goes_on else PARAGRAPH)
        above = self._blocks.pop() if goes_on else None
        first, first_line = above.first if above else len(self._words), len(self._lines)
        leading = size * LEADING / SIZE
        for row, line in enumerate(lines):
            place = passage.place
            if passage.line:
                place += f"{', ' if place else ''}line {passage.line + line[0].breaks}"
            self._put(
                passage.text,
                line,
                start - low,
                left,
                top + row * leading,
                right=right,
                size=size,
                place=place,
            )
            self._end_lines([len(self._words) - len(line)])
        box = union((*([above.box] if above else []), *(line.box for line in self._lines[first_line:])))
        self._blocks.append(Block(passage.kind, first, len(self._words), box, level=passage.level))
        self._reach(box)

    def table(
        self,
        rows: Sequence[Row],
        *,
        lefts: Sequence[float],
        tops: Sequence[float],
        size: float = SIZE,
        continues: bool = False,
    ) -> None:
        """A table; `lefts` and `tops` are the edges of its columns and rows, the last ones included.
        Cells wrap at their width. Texts must have no white space but single blanks."""
        first_word, columns = len(self._words), len(lefts) - 1
        cells: list[Cell] = []
        gap = PARAGRAPH
        for row, slots in enumerate(rows):
            texts = _row_texts(slots)
            filled = max((number for number, (_, text) in enumerate(texts, start=1) if text), default=0)
            if filled:
                start = self._write(" | ".join(text for _, text in texts[:filled]), gap)
                gap = LINE
            else:
                start = self._length
            lines: list[int] = []
            for column, text in texts:
                if (cell := slots[column]) is not None:
                    below, after = (
                        min(row + cell.row_span, len(rows)),
                        min(column + cell.column_span, columns),
                    )
                    box = Box(lefts[column], tops[row], lefts[after], tops[below]).rounded()
                    first = len(self._words)
                    lines += self._cell(text, start, box, size, cell.place)
                    spans = (below - row, after - column)
                    cells.append(Cell(row, column, first, len(self._words), box, *spans, cell.header))
                start += len(text) + len(" | ")
            self._end_lines(lines)
        box = Box(lefts[0], tops[0], lefts[-1], tops[-1]).rounded()
        self._blocks.append(Block("table", first_word, len(self._words), box, item=len(self._tables)))
        self._tables.append(Table(box, len(rows), columns, tuple(cells), continues=continues))
        self._reach(box)

    def figure(self, box: Box) -> None:
        """A picture."""
        box = box.rounded()
        self._blocks.append(Block("figure", len(self._words), len(self._words), box, item=len(self._figures)))
        self._figures.append(Figure(box))
        self._reach(box)

    def page(self, *, flags: Sequence[str] = ()) -> PageLayout:
        """The page as it is now."""
        return PageLayout(
            number=self._number,
            width=round(self._width, 2),
            height=round(self.height, 2),
            text="".join(self._text),
            words=tuple(self._words),
            lines=tuple(self._lines),
            blocks=tuple(self._blocks),
            tables=tuple(self._tables),
            figures=tuple(self._figures),
            kind="drawn",
            flags=tuple(flags),
            name=self._name,
        )

    def _cell(self, text: str, start: int, box: Box, size: float, place: str) -> list[int]:
        """Draw a cell; the first word of each of its lines."""
        firsts = []
        width = max(1, round(box.width / (size * ADVANCE / SIZE)))
        leading = size * LEADING / SIZE
        for count, line in enumerate(wrapped(text, width)):
            firsts.append(len(self._words))
            top = box.top + (leading - size) / 2 + count * leading
            self._put(text, line, start, box.left, top, right=box.right, size=size, place=place)
        return firsts

    def _put(
        self,
        text: str,
        line: Sequence[Span],
        start: int,
        left: float,
        top: float,
        *,
        right: float,
        size: float,
        place: str,
    ) -> None:
        advance = size * ADVANCE / SIZE
        top, bottom = round(top, 2), round(top + size, 2)
        for low, high, column, _ in line:
            # What is too long for its place is drawn up to its edge.
            word_left = round(min(left + advance * column, right - 1), 2)
            word_right = round(min(left + advance * (column + high - low), right), 2)
            box = Box(word_left, top, word_right, bottom)
            self._words.append(Word(text[low:high], box, "file", 1.0, start + low, size, place=place))
        self.height = max(self.height, bottom + self._margin)

    def _end_lines(self, firsts: Sequence[int]) -> None:
        """Lines that begin with these words; those on one height are one."""
        first = -1
        for at in firsts:
            if first >= 0 and self._words[at].box.top != self._words[first].box.top:
                self._end_line(first, at)
                first = at
            first = at if first < 0 else first
        if first >= 0:
            self._end_line(first, len(self._words))

    def _end_line(self, first: int, end: int) -> None:
        left, top, _, bottom = self._words[first].box
        self._lines.append(Line(first, end, Box(left, top, self._words[end - 1].box.right, bottom)))

    def _write(self, text: str, gap: str) -> int:
        if self._length:
            self._text.append(gap)
            self._length += len(gap)
        start = self._length
        self._text.append(text)
        self._length += len(text)
        return start

    def _reach(self, box: Box) -> None:
        self._width = max(self._width, box.right + self._margin)
        self.height = max(self.height, box.bottom + self._margin)


def _row_texts(slots: Row) -> list[tuple[int, str]]:
    """Column and text of what the line of a row has: nothing where a cell to the left spans."""
    texts: list[tuple[int, str]] = []
    covered = 0
    for column, cell in enumerate(slots):
        if cell is not None:
            texts.append((column, " ".join(cell.text.split())))
            covered = column + cell.column_span
        elif column >= covered:
            texts.append((column, ""))
    return texts
