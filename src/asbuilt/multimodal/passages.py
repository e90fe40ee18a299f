"""A page -> its passages, its tables and itself as a picture."""

from __future__ import annotations

from collections.abc import Iterator

from asbuilt.modalities import InputPart
from asbuilt.pages import Box, PageLayout, Table, union

__all__ = ["PASSAGE_WORDS", "parts_of"]

PASSAGE_WORDS = 90
"""Words of a passage or of a piece of a table. Sentence encoders of the size of MiniLM were trained on
texts of 128 tokens; English and numbers take about 1.4 tokens a word."""


def parts_of(page: PageLayout) -> tuple[InputPart, ...]:
    """Passages in reading order, then tables (long ones in pieces, each with the header), then the page.

    A passage is a run of blocks between tables; it ends before a heading and before it is longer than
    `PASSAGE_WORDS`, where its blocks let it. A page without words and without figures has no parts.
    """
    passages = [_passage(page, first, end) for first, end in _runs(page)]
    tables = [piece for table in page.tables for piece in _pieces(page, table)]
    if not passages and not tables and not page.figures:
        return ()
    whole = InputPart("picture", Box(0.0, 0.0, page.width, page.height), page.text)
    return (*passages, *tables, whole)


def _passage(page: PageLayout, first: int, end: int) -> InputPart:
    text = page.text[page.words[first].start : page.words[end - 1].end]
    return InputPart("text", union(word.box for word in page.words[first:end]).rounded(), text)


def _runs(page: PageLayout) -> Iterator[tuple[int, int]]:
    """Ranges of words, one a passage."""
    first = end = 0
    for kind, start, stop in _spans(page):
        if end > first and (start != end or kind == "heading" or stop - first > PASSAGE_WORDS):
            yield first, end
            first = start
        elif end == first:
            first = start
        while stop - first > PASSAGE_WORDS:
            yield first, first + PASSAGE_WORDS
            first += PASSAGE_WORDS
        end = stop
    if end > first:
        yield first, end


def _spans(page: PageLayout) -> Iterator[tuple[str, int, int]]:
    """Kind and words of each block that is no table; all words where a page has no blocks."""
    if not page.blocks and page.words:
        yield "paragraph", 0, len(page.words)
    for block in page.blocks:
        if block.kind != "table" and block.end > block.first:
            yield block.kind, block.first, block.end


def _pieces(page: PageLayout, table: Table) -> Iterator[InputPart]:
    """The table in pieces of whole rows."""
    rows = _rows(page, table)
    if not any(any(row) for row in rows):
        return
    headers = 0
    while headers < table.rows and any(cell.header and cell.row == headers for cell in table.cells):
        headers += 1
    header, body = rows[:headers], list(enumerate(rows[headers:], start=headers))
    while body or header:
        taken: list[tuple[int, tuple[str, ...]]] = []
        count = sum(_words(row) for row in header)
        while body and (not taken or count + _words(body[0][1]) <= PASSAGE_WORDS):
            taken.append(body.pop(0))
            count += _words(taken[-1][1])
        numbers = {*range(headers), *(number for number, _ in taken)}
        boxes = [cell.box for cell in table.cells if cell.row in numbers]
        shown = (*header, *(row for _, row in taken))
        text = "\n".join(" | ".join(row) for row in shown)
        yield InputPart("table", union(boxes).rounded(), text, shown)
        if not body:
            return


def _rows(page: PageLayout, table: Table) -> list[tuple[str, ...]]:
    """The texts of the cells; a cell that spans stands in its first place only."""
    grid = [[""] * table.columns for _ in range(table.rows)]
    for cell in table.cells:
        grid[cell.row][cell.column] = " ".join(word.text for word in page.words[cell.first : cell.end])
    return [tuple(row) for row in grid]


def _words(row: tuple[str, ...]) -> int:
    return sum(len(cell.split()) for cell in row)
