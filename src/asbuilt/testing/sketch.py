"""Pages sketched with characters, for tests of whatever works on words and boxes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from asbuilt.pages import Block, Box, Cell, Line, PageKind, PageLayout, PageMarks, Table, Word, union

__all__ = ["sketch_marks", "sketch_page", "sketch_table"]

_ADVANCE, _LEADING, _SIZE, _MARGIN = 6.0, 14.0, 10.0, 36.0


def sketch_marks(picture: str, *, number: int = 1, reader: str = "text-layer") -> PageMarks:
    """Words of a drawing in a fixed pitch: a character is 6 points wide, a row 14 points high.

    >>> sketch_marks("Total:   12.00").words[1].box
    Box(left=90.0, top=36.0, right=120.0, bottom=46.0)
    """
    words = []
    rows = picture.strip("\n").split("\n")
    for row, line in enumerate(rows):
        for match in re.finditer(r"\S+", line):
            left, top = _MARGIN + _ADVANCE * match.start(), _MARGIN + _LEADING * row
            box = Box(left, top, left + _ADVANCE * len(match[0]), top + _SIZE)
            words.append(Word(match[0], box, reader=reader, font_size=_SIZE))
    width = 2 * _MARGIN + _ADVANCE * max(map(len, rows))
    height = 2 * _MARGIN + _LEADING * len(rows)
    kind: PageKind = "text" if reader == "text-layer" else "scan"
    return PageMarks(number, max(595.0, width), max(842.0, height), tuple(words), kind=kind)


def sketch_page(picture: str, *, number: int = 1, reader: str = "text-layer") -> PageLayout:
    """The same with the simplest structure: rows are lines, blank rows part paragraphs, no tables."""
    marks = sketch_marks(picture, number=number, reader=reader)
    words: list[Word] = []
    lines: list[Line] = []
    blocks: list[Block] = []
    text = ""
    previous: Word | None = None
    line_first = block_first = 0

    def end_line() -> None:
        if len(words) > line_first:
            lines.append(Line(line_first, len(words), union(word.box for word in words[line_first:])))

    def end_block() -> None:
        if len(words) > block_first:
            box = union(word.box for word in words[block_first:])
            blocks.append(Block("paragraph", block_first, len(words), box))

    for word in marks.words:
        if previous is not None:
            drop = word.box.top - previous.box.top
            if drop > _LEADING:
                end_line()
                end_block()
                line_first = block_first = len(words)
                text += "\n\n"
            elif drop:
                end_line()
                line_first = len(words)
                text += "\n"
            else:
                text += " "
        words.append(replace(word, start=len(text)))
        text += word.text
        previous = word
    end_line()
    end_block()
    return PageLayout(
        number, marks.width, marks.height, text, tuple(words), tuple(lines), tuple(blocks), kind=marks.kind
    )


def sketch_table(rows: Sequence[Sequence[str]], *, number: int = 1, continues: bool = False) -> PageLayout:
    """A page that holds nothing but a table, whose first row is its header; empty cells have no words."""
    words: list[Word] = []
    cells: list[Cell] = []
    lines: list[Line] = []
    texts: list[str] = []
    start = 0
    for row, cell_texts in enumerate(rows):
        line_first = len(words)
        row_texts: list[str] = []
        for column, cell_text in enumerate(cell_texts):
            first = len(words)
            left, top = _MARGIN + 20 * _ADVANCE * column, _MARGIN + _LEADING * row
            at = start + sum(len(text) + 3 for text in row_texts)
            for match in re.finditer(r"\S+", cell_text):
                x = left + _ADVANCE * match.start()
                box = Box(x, top, x + _ADVANCE * len(match[0]), top + _SIZE)
                words.append(Word(match[0], box, start=at + match.start(), font_size=_SIZE))
            row_texts.append(cell_text)
            box = Box(left, top, left + 20 * _ADVANCE, top + _LEADING)
            cells.append(Cell(row, column, first, len(words), box, header=row == 0 and not continues))
        if len(words) > line_first:
            lines.append(Line(line_first, len(words), union(word.box for word in words[line_first:])))
        texts.append(" | ".join(row_texts))
        start += len(texts[-1]) + 1
    box = union(cell.box for cell in cells)
    table = Table(box, len(rows), max(map(len, rows)), tuple(cells), continues=continues)
    block = Block("table", 0, len(words), box, item=0)
    return PageLayout(number, 595.0, 842.0, "\n".join(texts), tuple(words), tuple(lines), (block,), (table,))
