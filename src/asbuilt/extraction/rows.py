"""Rows of tables -> items of a list."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from asbuilt.extraction.columns import Column, Columns, columns_of, is_number
from asbuilt.extraction.constraints import Constraint
from asbuilt.extraction.labels import label_words
from asbuilt.extraction.values import Conventions, parse
from asbuilt.fields import Candidate, Field, PagedDocument
from asbuilt.pages import PageLayout, Table

__all__ = ["row_candidates"]

_TOTALS = re.compile(
    r"\b(?:sub-?\s?total|total|balance|carried|amount due|net|gross|vat|tax|sum)\b", re.IGNORECASE
)
_SUMS = frozenset(["total", "subtotal", "tax", "balance", "net", "gross"])
_ABOUT_SUMS = _SUMS | frozenset(
    ["amount", "due", "grand", "invoice", "carried", "forward", "payable", "excluding", "including", "sales"]
)


def row_candidates(
    document: PagedDocument,
    fields: Sequence[Field],
    constraints: Sequence[Constraint],
    conventions: Conventions,
    *,
    extractor: str,
) -> list[Candidate]:
    """Items of the list that `fields` are of, from the tables of which at least two columns are known
    (or its one). A table that goes on over a page goes on here; `constraints` are the schema's."""
    needed = min(2, len(fields))
    found: list[Candidate] = []
    row = 0
    before: Columns | None = None
    for page in document.pages:
        for number, table in enumerate(page.tables):
            columns = columns_of(page, table, fields, constraints, conventions)
            if columns is None or len(columns.known) < needed:
                goes_on = table.continues or (number == 0 and before is not None and _alike(table, before))
                columns = Columns(before.known, 0) if before is not None and goes_on else None
            if columns is None:
                continue
            before = columns
            for cells in _items(page, table, columns, conventions):
                for number_of_column, column in columns.known.items():
                    words = cells.get(number_of_column, ())
                    candidate = _candidate(page, words, column, row, conventions, extractor)
                    if candidate is not None:
                        found.append(candidate)
                row += 1
    return found


def _alike(table: Table, columns: Columns) -> bool:
    return table.columns > max(columns.known)


def _items(
    page: PageLayout, table: Table, columns: Columns, conventions: Conventions
) -> Iterator[dict[int, tuple[int, ...]]]:
    """Words by column of each row that is an item; a row with nothing but text goes on with the
    item before it."""
    fields = {number: column.field for number, column in columns.known.items()}
    numeric = {number for number, field in fields.items() if is_number(field)}
    pending: dict[int, tuple[int, ...]] | None = None
    summed = False
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
            for column, field in fields.items()
            if column in texts and parse(field, texts[column], conventions) is not None
        ]
        with_numbers = [column for column in parsed if column in numeric]
        if any(_names_a_sum(texts[column]) for column in texts if column not in numeric) or (
            summed and len(texts) < len(fields)
        ):
            summed = True
            if pending is not None:
                yield pending
            pending = None
            continue
        is_total = _is_total(texts, parsed, numeric, columns)
        text_columns = [column for column in fields if column not in numeric]
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


def _names_a_sum(text: str) -> bool:
    """Whether a cell says nothing but what a sum is called: "Subtotal", "20.00 % VAT", "Total due"."""
    words = [word for word in label_words(text) if not word.isdigit()]
    return bool(_SUMS.intersection(words)) and _ABOUT_SUMS.issuperset(words)


def _is_total(
    texts: Mapping[int, str], parsed: Sequence[int], numeric: Collection[int], columns: Columns
) -> bool:
    """Whether a row sums up: its words say so, in a cell that is no value or in a row with gaps."""
    gaps = len(texts) < len(columns.known)
    return any(
        _TOTALS.search(text)
        for column, text in texts.items()
        if column not in parsed or (gaps and column not in numeric)
    )


def _candidate(
    page: PageLayout,
    words: tuple[int, ...],
    column: Column,
    row: int,
    conventions: Conventions,
    extractor: str,
) -> Candidate | None:
    quote = " ".join(page.words[index].text for index in words)
    parsed = parse(column.field, quote, conventions)
    if parsed is None:
        return None
    return Candidate(
        path=column.field.path.replace("[]", f"[{row}]", 1),
        value=parsed.value,
        quote=quote,
        page=page.number,
        words=words,
        extractor=extractor,
        score=round(min(1.0, 0.6 + 0.4 * column.quality) * (0.9 if parsed.ambiguous else 1.0), 3),
        why=f"{column.why}, row {row + 1}",
        signals={"label": round(column.quality, 3), "ambiguous": float(parsed.ambiguous)},
    )
