"""Rows within the rows of a drawn grid: where lines part the columns, but not each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from asbuilt.documents.structure.columns import Column, Columns, Placed
from asbuilt.documents.structure.rows import logical_rows, row_texts
from asbuilt.documents.structure.sheet import CellDraft, Item, Sheet, TableDraft, rows_of
from asbuilt.documents.structure.values import header_rows, is_value

__all__ = ["mark_headers", "with_inner_rows"]

_MOSTLY = 0.6
_FULL = 0.5  # mean share of the columns that have words in a row


def with_inner_rows(sheet: Sheet, table: TableDraft) -> TableDraft:
    """The table with those of its rows parted that hold several, as a column of values shows."""
    tall = {
        row for cell in table.cells if cell.row_span > 1 for row in range(cell.row, cell.row + cell.row_span)
    }
    cells: list[CellDraft] = []
    added = 0
    for row, group in groupby(table.cells, key=lambda cell: cell.row):
        own = list(group)
        inner = None if row in tall else _inner_rows(sheet, own)
        for number, each in enumerate([own] if inner is None else inner):
            cells += [replace(cell, row=row + added + number) for cell in each]
        added += 0 if inner is None else len(inner) - 1
    return replace(table, rows=table.rows + added, cells=cells) if added else table


def _inner_rows(sheet: Sheet, cells: Sequence[CellDraft]) -> list[list[CellDraft]] | None:
    filled = [cell for cell in cells if cell.lines]
    if len(filled) < 2 or max(len(cell.lines) for cell in filled) < 2:
        return None
    columns = _columns(sheet, cells)
    groups = logical_rows(sheet, columns)
    texts = row_texts(sheet, columns, groups)
    if len(groups) < 2 or sum(bool(text) for row in texts for text in row) < _FULL * len(groups) * len(
        filled
    ):
        return None
    values = 0
    for column in zip(*texts, strict=True):
        own = [text for text in column if text]
        values += len(own) >= max(2, _MOSTLY * len(groups)) and sum(map(is_value, own)) >= _MOSTLY * len(own)
    if values < (1 if len(filled) > 2 else 2):
        return None
    tops = [min(placed.row.top for placed in group) for group in groups]
    bottoms = [max(placed.row.bottom for placed in group) for group in groups]
    ys = [
        cells[0].box.top,
        *((a + b) / 2 for a, b in zip(bottoms, tops[1:], strict=False)),
        cells[0].box.bottom,
    ]
    return [
        [
            replace(
                cell,
                box=cell.box._replace(top=ys[number], bottom=ys[number + 1]),
                lines=[placed.cells[column] for placed in group if column in placed.cells],
            )
            for cell, column in zip(cells, columns.columns, strict=True)
        ]
        for number, group in enumerate(groups)
    ]


def _columns(sheet: Sheet, cells: Sequence[CellDraft]) -> Columns:
    """Columns that are the cells, with a row for each line of words."""
    columns = Columns(sheet)
    columns.columns = [
        Column(
            cell.box.left, max((sheet.right[n] for line in cell.lines for n in line), default=cell.box.right)
        )
        for cell in cells
    ]
    owner: dict[int, Column] = {}
    items: list[Item] = []
    for cell, column in zip(cells, columns.columns, strict=True):
        for line in cell.lines:
            items.append(sheet.item(line))
            owner[id(items[-1])] = column
    for row in rows_of(items):
        placed = Placed(row)
        for item in row.items:
            placed.cells.setdefault(owner[id(item)], []).extend(item.words)
        columns.rows.append(placed)
    return columns


def mark_headers(sheet: Sheet, table: TableDraft) -> None:
    """Mark the cells that name the columns."""
    texts = [[""] * table.columns for _ in range(table.rows)]
    words: list[list[int]] = [[] for _ in range(table.rows)]
    spans = [False] * table.rows
    for cell in table.cells:
        own = [n for line in cell.lines for n in line]
        texts[cell.row][cell.column] = sheet.text(own)
        words[cell.row] += own
        spans[cell.row] |= cell.column_span > 1
    bold = [bool(own) and all(sheet.words[n].bold for n in own) for own in words]
    count = header_rows(texts, bold=bold, spans=spans, parted=[False] * table.rows)
    for cell in table.cells:
        cell.header = cell.row < count
