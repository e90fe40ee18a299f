"""Tables of read pages -> grids of text, and questions that a grid can answer by itself.

Everything here is exact: a cell is looked up or numbers are added only where the question's own
words name a column and, unless it asks for all of them, a row; otherwise there is no answer, and
whoever asked goes on without one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from asbuilt.documents.amounts import Amount, decimal_mark, read_amount
from asbuilt.pages import PageLayout, Table

__all__ = ["Grid", "GridAnswer", "GridCell", "answer_from_grid", "grid_of"]

Operation = Literal["look up", "sum", "mean", "largest", "smallest", "count"]


@dataclass(frozen=True, slots=True)
class GridCell:
    """The text of a cell and where it stands: words [first, end) of its page, characters
    [start, stop) of its document's text."""

    text: str
    page: int
    words: range
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with its header's words by column; a row has None where it has no cell of its own."""

    header: tuple[str, ...]
    rows: tuple[tuple[GridCell | None, ...], ...]


@dataclass(frozen=True, slots=True)
class GridAnswer:
    """What the cells say. `cells` are those that the answer stands on, in their order; `considered` is
    how many were added, counted or compared for it."""

    operation: Operation
    text: str
    cells: tuple[GridCell, ...]
    considered: int


def grid_of(parts: Sequence[tuple[PageLayout, int, Table]]) -> Grid:
    """The grid of a table, or of its parts on consecutive pages: (page, offset of the page's text in
    the document's, table). The first part's header is the grid's; a repeated one is left out."""
    header: tuple[str, ...] = ()
    rows: list[tuple[GridCell | None, ...]] = []
    columns = max(table.columns for _, _, table in parts)
    for page, offset, table in parts:
        cells: list[list[GridCell | None]] = [[None] * columns for _ in range(table.rows)]
        for cell in table.cells:
            if cell.first < cell.end:
                found = _cell(page, offset, cell.first, cell.end)
                for row in range(cell.row, min(cell.row + cell.row_span, table.rows)):
                    for column in range(cell.column, min(cell.column + cell.column_span, columns)):
                        cells[row][column] = found
        marked = {cell.row for cell in table.cells if cell.header}
        if not header:
            header = _heads(cells, marked or {0})
            marked = marked or {0}
        elif _heads(cells, {0}) == header:
            marked |= {0}
        rows += [tuple(row) for number, row in enumerate(cells) if number not in marked and any(row)]
    return Grid(header, tuple(rows))


def answer_from_grid(
    question: str, grid: Grid, *, terms: Callable[[str], Iterable[str]]
) -> GridAnswer | None:
    """What `grid` says to `question`; None unless its words leave one reading.

    `terms` turns text into comparable words (stems without stop words).
    """
    asked = set(terms(question))
    operation = _operation(question)
    column = _column(asked, grid, terms, of_numbers=operation not in (None, "count"))
    rows = _rows(asked, grid, column, terms)
    if operation == "count" and rows:
        labels = tuple(cell for row in rows if (cell := _label(row)) is not None)
        return GridAnswer("count", f"{len(rows)}", labels, len(rows))
    if column is None:
        return None
    if len(rows) == 1 and (operation is None or operation == "sum"):
        cell = rows[0][column]
        return None if cell is None else GridAnswer("look up", cell.text, (cell,), 1)
    if operation is None:
        return None
    return _aggregated(operation, [row for row in rows or grid.rows if not _is_total(row)], column)


def _heads(cells: Sequence[Sequence[GridCell | None]], rows: set[int]) -> tuple[str, ...]:
    """The words above each column, those of spanning cells included."""
    columns = zip(*(cells[row] for row in sorted(rows)), strict=True)
    return tuple(
        " ".join(cell.text for cell in dict.fromkeys(column) if cell is not None) for column in columns
    )


def _cell(page: PageLayout, offset: int, first: int, end: int) -> GridCell:
    words = page.words[first:end]
    text = " ".join(word.text for word in words)
    start = offset + (words[0].start if words else 0)
    stop = offset + (words[-1].end if words else 0)
    return GridCell(text, page.number, range(first, end), start, stop)


_OPERATIONS: tuple[tuple[Operation, str], ...] = (
    ("mean", r"\b(?:average|mean)\b"),
    ("count", r"\bhow many\b|\bnumber of (?:rows|entries|items|lines|positions)\b|\bcount\b"),
    ("largest", r"\b(?:largest|highest|biggest|greatest|most expensive|maximum|max)\b"),
    ("smallest", r"\b(?:smallest|lowest|least|cheapest|minimum|min)\b"),
    ("sum", r"\b(?:sum|total|totals|altogether|add up|added up|in all)\b"),
)
_TOTALS = re.compile(r"\b(?:sub-?total|total|sum|balance|carried forward)\b", re.IGNORECASE)


def _operation(question: str) -> Operation | None:
    lowered = question.casefold()
    return next((name for name, pattern in _OPERATIONS if re.search(pattern, lowered)), None)


def _column(
    asked: set[str], grid: Grid, terms: Callable[[str], Iterable[str]], *, of_numbers: bool
) -> int | None:
    """The column whose header's words all stand in the question; the most words win, a tie is none."""
    scores = []
    for number, head in enumerate(grid.header):
        words = set(terms(re.sub(r"\(.*?\)", " ", head)))
        fits = bool(words) and words <= asked and (not of_numbers or _has_numbers(grid, number))
        scores.append(len(words) if fits else 0)
    best = max(scores, default=0)
    return scores.index(best) if best and scores.count(best) == 1 else None


def _has_numbers(grid: Grid, column: int) -> bool:
    texts = [cell.text for row in grid.rows if (cell := row[column]) is not None]
    mark = decimal_mark(texts)
    return any(read_amount(text, mark) is not None for text in texts)


def _rows(
    asked: set[str], grid: Grid, column: int | None, terms: Callable[[str], Iterable[str]]
) -> list[tuple[GridCell | None, ...]]:
    """The rows that the question names by the words of a cell; those with the most words."""
    scored: list[tuple[int, tuple[GridCell | None, ...]]] = []
    for row in grid.rows:
        best = 0
        for number, cell in enumerate(row):
            if cell is None or number == column:
                continue
            words = set(terms(cell.text))
            if words and words <= asked:
                best = max(best, len(words))
        if best:
            scored.append((best, row))
    most = max((score for score, _ in scored), default=0)
    return [row for score, row in scored if score == most]


def _label(row: Sequence[GridCell | None]) -> GridCell | None:
    return next((cell for cell in row if cell is not None), None)


def _is_total(row: Sequence[GridCell | None]) -> bool:
    return any(cell is not None and _TOTALS.search(cell.text) for cell in row)


def _aggregated(
    operation: Operation, rows: Sequence[tuple[GridCell | None, ...]], column: int
) -> GridAnswer | None:
    by_cell = {cell: row for row in reversed(rows) if (cell := row[column]) is not None}
    filled = [(row, cell) for cell, row in reversed(by_cell.items())]  # a cell over two rows counts once
    mark = decimal_mark(cell.text for _, cell in filled)
    amounts = [(row, cell, read_amount(cell.text, mark)) for row, cell in filled]
    known = [(row, cell, amount) for row, cell, amount in amounts if amount is not None]
    if not known or len(known) < len(amounts):
        return None  # a column with a cell that is no number has no sum
    if operation in ("largest", "smallest"):
        values = [amount.value for _, _, amount in known]
        wanted = max(values) if operation == "largest" else min(values)
        chosen = [(row, cell) for row, cell, amount in known if amount.value == wanted]
        parts = [(_label(row), cell) for row, cell in chosen]
        text = "; ".join(
            cell.text if label is None or label is cell else f"{label.text}: {cell.text}"
            for label, cell in parts
        )
        cells = [each for pair in parts for each in dict.fromkeys(pair) if each is not None]
        return GridAnswer(operation, text, tuple(cells), len(known))
    total = sum((amount.value for _, _, amount in known), Decimal(0))
    if operation == "mean":
        total /= len(known)
    text = _written(total, [amount for _, _, amount in known], mark)
    return GridAnswer(operation, text, tuple(cell for _, cell, _ in known), len(known))


def _written(value: Decimal, amounts: Sequence[Amount], mark: str) -> str:
    """Like the amounts that it was made from: decimals, decimal mark, and their unit if they share one."""
    places = max(amount.places for amount in amounts)
    text = f"{value:,.{places}f}"
    if mark == ",":
        text = text.translate(str.maketrans(",.", ".,"))
    units = {amount.unit for amount in amounts}
    unit = units.pop() if len(units) == 1 else ""
    return f"{text} {unit}".strip()
