"""Rows of tables -> items of a list."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from asbuilt.extraction.labels import label_words
from asbuilt.extraction.values import Conventions, parse
from asbuilt.fields import Candidate, Field, PagedDocument
from asbuilt.pages import Cell, PageLayout, Table

__all__ = ["row_candidates"]

_LEAST = 0.55
_TOTALS = re.compile(
    r"\b(?:sub-?\s?total|total|balance|carried|amount due|net|gross|vat|tax|sum)\b", re.IGNORECASE
)
_HEADER_ROWS = 3  # that a header may have, where the table marks none


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column of a table holds which field, and how sure that is."""

    fields: dict[int, Field]
    quality: float
    header_rows: int


def row_candidates(
    document: PagedDocument, fields: Sequence[Field], conventions: Conventions, *, extractor: str
) -> list[Candidate]:
    """Items of the list that `fields` are of, from the tables whose headers name at least two of them
    (or its one). A table that goes on over a page goes on here."""
    needed = min(2, len(fields))
    found: list[Candidate] = []
    row = 0
    before: _Columns | None = None
    for page in document.pages:
        for number, table in enumerate(page.tables):
            columns = _columns(page, table, fields)
            if columns is None or len(columns.fields) < needed:
                goes_on = table.continues or (number == 0 and before is not None and _alike(table, before))
                columns = (
                    _Columns(before.fields, before.quality, 0) if before is not None and goes_on else None
                )
            if columns is None:
                continue
            before = columns
            for cells in _items(page, table, columns, conventions):
                for column, field in columns.fields.items():
                    candidate = _candidate(
                        page, cells.get(column, ()), field, row, columns, conventions, extractor
                    )
                    if candidate is not None:
                        found.append(candidate)
                row += 1
    return found


def _alike(table: Table, columns: _Columns) -> bool:
    return table.columns > max(columns.fields)


def _columns(page: PageLayout, table: Table, fields: Sequence[Field]) -> _Columns | None:
    """The header that names most fields among the first rows."""
    marked = {cell.row for cell in table.cells if cell.header}
    depths = [max(marked) + 1] if marked else range(1, min(_HEADER_ROWS, table.rows - 1) + 1)
    best: _Columns | None = None
    for depth in depths:
        heads: dict[int, list[str]] = {}
        for cell in table.cells:
            if cell.row < depth:
                for column in range(cell.column, cell.column + cell.column_span):
                    heads.setdefault(column, []).append(_text(page, cell))
        scored = sorted(
            (
                (_likeness(field, " ".join(texts)), column, number)
                for column, texts in heads.items()
                for number, field in enumerate(fields)
            ),
            key=lambda each: (-each[0], each[1], each[2]),
        )
        given: dict[int, Field] = {}
        total = 0.0
        for score, column, number in scored:
            if score >= _LEAST and column not in given and fields[number] not in given.values():
                given[column] = fields[number]
                total += score
        if given and (best is None or total > best.quality * len(best.fields) + 0.01):
            best = _Columns(given, total / len(given), depth)
    return best


def _likeness(field: Field, head: str) -> float:
    words = label_words(re.sub(r"\(.*?\)|\[.*?\]", " ", head))
    if not words:
        return 0.0
    best = 0.0
    for rank, label in enumerate(field.labels):
        wanted = label_words(label)
        if not wanted:
            continue
        shared = sum(
            max((fuzz.ratio(want, have) / 100 for have in words), default=0.0) >= 0.84 for want in wanted
        )
        score = 2 * shared / (len(wanted) + len(words))
        best = max(best, score - 0.01 * min(rank, 5))
    return best


def _items(
    page: PageLayout, table: Table, columns: _Columns, conventions: Conventions
) -> Iterator[dict[int, tuple[int, ...]]]:
    """Words by column of each row that is an item; a row with nothing but text goes on with the
    item before it."""
    numeric = {column for column, field in columns.fields.items() if field.kind in ("number", "integer")}
    pending: dict[int, tuple[int, ...]] | None = None
    for row in range(columns.header_rows, table.rows):
        cells = {
            cell.column: tuple(range(cell.first, cell.end))
            for cell in table.cells
            if cell.row == row and cell.first < cell.end
        }
        texts = {
            column: " ".join(page.words[index].text for index in words) for column, words in cells.items()
        }
        if not texts:
            continue
        parsed = [
            column
            for column, field in columns.fields.items()
            if column in texts and parse(field, texts[column], conventions) is not None
        ]
        with_numbers = [column for column in parsed if column in numeric]
        is_total = _is_total(texts, parsed, numeric, columns)
        text_columns = [column for column in columns.fields if column not in numeric]
        if (is_total and len(with_numbers) < len(numeric)) or (
            is_total and not any(c in texts for c in text_columns[:1])
        ):
            if pending is not None:
                yield pending
            pending = None
            continue
        if numeric and not with_numbers:
            if pending is not None and set(cells) <= set(text_columns):
                for column, words in cells.items():
                    pending[column] = (*pending.get(column, ()), *words)
            continue
        if pending is not None:
            yield pending
        pending = cells
    if pending is not None:
        yield pending


def _is_total(
    texts: Mapping[int, str], parsed: Sequence[int], numeric: Collection[int], columns: _Columns
) -> bool:
    """Whether a row sums up: its words say so, in a cell that is no value or in a row with gaps."""
    gaps = len(texts) < len(columns.fields)
    return any(
        _TOTALS.search(text)
        for column, text in texts.items()
        if column not in parsed or (gaps and column not in numeric)
    )


def _candidate(
    page: PageLayout,
    words: tuple[int, ...],
    field: Field,
    row: int,
    columns: _Columns,
    conventions: Conventions,
    extractor: str,
) -> Candidate | None:
    quote = " ".join(page.words[index].text for index in words)
    parsed = parse(field, quote, conventions)
    if parsed is None:
        return None
    return Candidate(
        path=field.path.replace("[]", f"[{row}]", 1),
        value=parsed.value,
        quote=quote,
        page=page.number,
        words=words,
        extractor=extractor,
        score=round(min(1.0, 0.6 + 0.4 * columns.quality) * (0.9 if parsed.ambiguous else 1.0), 3),
        why=f"column {field.labels[0]!r}, row {row + 1}",
        signals={"label": round(columns.quality, 3), "ambiguous": float(parsed.ambiguous)},
    )


def _text(page: PageLayout, cell: Cell) -> str:
    return " ".join(word.text for word in page.words[cell.first : cell.end])
