"""Which column of a table holds which field of a list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from rapidfuzz import fuzz

from asbuilt.extraction.constraints import Constraint
from asbuilt.extraction.labels import label_words
from asbuilt.extraction.terms import OTHER_WORDS, also_called
from asbuilt.extraction.values import Conventions, parse
from asbuilt.fields import Field
from asbuilt.pages import Cell, PageLayout, Table

__all__ = ["Column", "Columns", "columns_of", "is_number"]

_LEAST = 0.55
_HEADER_ROWS = 3  # that a header may have, where the table marks none
_COMPUTED = 0.8  # of 1, which is a header in the schema's own words
_LEFT_OVER = 0.5
_MOST_COLUMNS = 6
_PAIR = 2
_CENT = 0.011
_MOST_UNKNOWN = 2  # columns that one constraint may find


@dataclass(frozen=True, slots=True)
class Column:
    """A column that holds `field`; `quality` is 0 to 1, and `why` is for a reader."""

    field: Field
    quality: float
    why: str


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table that are known, by their number."""

    known: Mapping[int, Column]
    header_rows: int


def is_number(field: Field) -> bool:
    """Whether its values are numbers."""
    return field.kind in ("number", "integer")


def columns_of(
    page: PageLayout,
    table: Table,
    fields: Sequence[Field],
    constraints: Sequence[Constraint],
    conventions: Conventions,
) -> Columns | None:
    """What the header names, then what the list's `constraints` leave only one column for in every
    row, then the one column of words for the one field of words. Where the header names nothing, two columns
    of which one adds up; else None."""
    named = _named(page, table, fields)
    if named is None:
        return _summed(page, table, fields, constraints, conventions)
    body = _body(page, table, named.header_rows)
    known = {
        number: column
        for number, column in named.known.items()
        if not is_number(column.field) or _numbers(body, number, column.field, conventions)
    }
    for constraint in constraints:
        known |= _computed(body, known, fields, constraint, conventions)
        known |= _proven(page, table, named.header_rows, body, known, fields, constraint, conventions)
    if len(known) < _PAIR and (summed := _summed(page, table, fields, constraints, conventions)):
        return summed
    if len(known) >= _PAIR:
        known |= _left_over(body, known, fields)
    return Columns(known, named.header_rows) if known else None


def _summed(
    page: PageLayout,
    table: Table,
    fields: Sequence[Field],
    constraints: Sequence[Constraint],
    conventions: Conventions,
) -> Columns | None:
    """A column of words and one of numbers, under a header that says nothing known, where the numbers add up
    to another on the page and a constraint sums one field of the list."""
    summed = [
        field for field in fields if any(f"sum({field.path})" in each.expression for each in constraints)
    ]
    words = [field for field in fields if field.kind == "string" and field.pattern is None]
    body = _body(page, table, 1)
    if len(summed) != 1 or len(words) != 1 or len(body) != _PAIR:
        return None
    inside = {index for cell in table.cells for index in range(cell.first, cell.end)}
    elsewhere = [
        parsed.value
        for index, word in enumerate(page.words)
        if index not in inside and (parsed := parse(summed[0], word.text, conventions)) is not None
    ]
    for number in body:
        [other] = [each for each in body if each != number]
        values = _numbers(body, number, summed[0], conventions)
        adds_up = any(abs(sum(values.values()) - each) < _CENT for each in elsewhere)
        if len(values) == len(body[number]) > 1 and adds_up and _is_words(body[other].values()):
            return Columns(
                {
                    number: Column(summed[0], _COMPUTED, "column that adds up"),
                    other: Column(words[0], _LEFT_OVER, "the one column of words"),
                },
                1,
            )
    return None


_Body = Mapping[int, Mapping[int, str]]
"""Texts of cells, by column and row."""


def _body(page: PageLayout, table: Table, header_rows: int) -> _Body:
    found: dict[int, dict[int, str]] = {}
    for cell in table.cells:
        if cell.row >= header_rows and (text := _text(page, cell)):
            found.setdefault(cell.column, {})[cell.row] = text
    return found


def _numbers(body: _Body, column: int, field: Field, conventions: Conventions) -> dict[int, float]:
    """A column's cells that are values of a numeric field, by row."""
    parsed = {row: parse(field, text, conventions) for row, text in body.get(column, {}).items()}
    return {row: each.value for row, each in parsed.items() if each is not None}


def _named(page: PageLayout, table: Table, fields: Sequence[Field]) -> Columns | None:
    """The header that names most fields, among the first rows or else further down."""
    marked = {cell.row for cell in table.cells if cell.header}
    depths = [max(marked) + 1] if marked else range(1, min(_HEADER_ROWS, table.rows - 1) + 1)
    other = also_called(fields)
    best = _likest(_heads(page, table, range(depth), fields, other) for depth in depths)
    if best is None or len(best.known) < min(_PAIR, len(fields)):
        # A sheet may be one table from its head to its sums: the header of its list is further down.
        rows = (range(row, row + 1) for row in range(1, table.rows - 1))
        below = _likest(_heads(page, table, row, fields, other) for row in rows)
        if below is not None and len(below.known) >= _PAIR:
            return below
    return best


def _likest(found: Iterable[Columns | None]) -> Columns | None:
    best: Columns | None = None
    best_total = 0.0
    for columns in found:
        total = sum(each.quality for each in columns.known.values()) if columns else 0.0
        if total > best_total + 0.01:
            best, best_total = columns, total
    return best


def _heads(
    page: PageLayout,
    table: Table,
    rows: range,
    fields: Sequence[Field],
    other: Mapping[str, Sequence[str]],
) -> Columns | None:
    """The columns that `rows` name, taken for the header."""
    heads: dict[int, list[str]] = {}
    for cell in table.cells:
        if cell.row in rows:
            for column in range(cell.column, cell.column + cell.column_span):
                heads.setdefault(column, []).append(_text(page, cell))
    scored = sorted(
        (
            (_likeness(field, other[field.path], " ".join(texts)), column, number)
            for column, texts in heads.items()
            for number, field in enumerate(fields)
        ),
        key=lambda each: (-each[0], each[1], each[2]),
    )
    given: dict[int, Column] = {}
    for score, column, number in scored:
        taken = {each.field.path for each in given.values()}
        if score >= _LEAST and column not in given and fields[number].path not in taken:
            given[column] = Column(fields[number], score, f"column {fields[number].labels[0]!r}")
    return Columns(given, rows.stop) if given else None


def _likeness(field: Field, other: Sequence[str], head: str) -> float:
    words = label_words(re.sub(r"\(.*?\)|\[.*?\]", " ", head))
    if not words:
        return 0.0
    best = 0.0
    for rank, label in enumerate(field.labels):
        best = max(best, _alike(label_words(label), words) - 0.01 * min(rank, 5))
    for phrase in other:
        best = max(best, OTHER_WORDS * _alike(label_words(phrase), words))
    return best


def _alike(wanted: Sequence[str], words: Sequence[str]) -> float:
    """Twice the words that both have, over the words of both (Dice)."""
    if not wanted:
        return 0.0
    shared = sum(max(fuzz.ratio(want, have) / 100 for have in words) >= 0.84 for want in wanted)
    return 2 * shared / (len(wanted) + len(words))


def _computed(
    body: _Body,
    known: Mapping[int, Column],
    fields: Sequence[Field],
    constraint: Constraint,
    conventions: Conventions,
) -> dict[int, Column]:
    """Columns that no header names, and that alone make a constraint between the fields of a row hold
    in every row that has them all."""
    by_path = {field.path: field for field in fields}
    columns = {column.field.path: number for number, column in known.items()}
    unknown = [path for path in constraint.paths if path not in columns]
    if not unknown or len(unknown) > _MOST_UNKNOWN or not set(constraint.paths) <= by_path.keys():
        return {}
    if not all(is_number(by_path[path]) for path in constraint.paths):
        return {}
    fitting = []
    for chosen in permutations(sorted(body.keys() - known.keys()), len(unknown)):
        trial = columns | dict(zip(unknown, chosen, strict=True))
        values = {path: _numbers(body, trial[path], by_path[path], conventions) for path in constraint.paths}
        if _holds(constraint, values):
            fitting.append(chosen)
    if len(fitting) != 1:
        return {}
    why = f"column that makes {constraint.expression!r} hold"
    return {
        number: Column(by_path[path], _COMPUTED, why)
        for path, number in zip(unknown, fitting[0], strict=True)
    }


def _proven(
    page: PageLayout,
    table: Table,
    header_rows: int,
    body: _Body,
    known: Mapping[int, Column],
    fields: Sequence[Field],
    constraint: Constraint,
    conventions: Conventions,
) -> dict[int, Column]:
    """Columns for the fields of a constraint that holds in every row, of two at least, where those that
    the header seemed to name do not make it hold: "Price" may be that of the line. Of several ways the
    one that the headers speak for more."""
    by_path = {field.path: field for field in fields}
    if not set(constraint.paths) <= by_path.keys():
        return {}
    asked = [by_path[path] for path in dict.fromkeys(constraint.paths)]
    numeric = sorted(
        column for column in body if len(_numbers(body, column, asked[0], conventions)) == len(body[column])
    )
    if not all(map(is_number, asked)) or len(numeric) > _MOST_COLUMNS:
        return {}
    held = {column.field.path: number for number, column in known.items()}
    if all(field.path in held for field in asked) and _holds(
        constraint,
        {field.path: _numbers(body, held[field.path], field, conventions) for field in asked},
    ):
        return {}
    other = also_called(fields)
    heads = {column: _head(page, table, header_rows, column) for column in numeric}
    ways = []
    for chosen in permutations(numeric, len(asked)):
        values = {
            field.path: _numbers(body, column, field, conventions)
            for field, column in zip(asked, chosen, strict=True)
        }
        if len(set.intersection(*(set(each) for each in values.values()))) > 1 and _holds(constraint, values):
            named = sum(
                _likeness(field, other[field.path], heads[column])
                for field, column in zip(asked, chosen, strict=True)
            )
            ways.append((named, chosen))
    ways.sort(reverse=True)
    if not ways or (len(ways) > 1 and ways[0][0] <= ways[1][0] + 0.01):
        return {}
    why = f"columns that make {constraint.expression!r} hold"
    found = {column: Column(field, _COMPUTED, why) for field, column in zip(asked, ways[0][1], strict=True)}
    moved = {column.field.path for column in found.values()}
    if any(column.field.path in moved and number not in found for number, column in known.items()):
        return {}  # another column has that name, and no reason to lose it
    return found


def _head(page: PageLayout, table: Table, header_rows: int, column: int) -> str:
    cells = (cell for cell in table.cells if cell.row < header_rows)
    return " ".join(
        _text(page, cell) for cell in cells if cell.column <= column < cell.column + cell.column_span
    )


def _holds(constraint: Constraint, values: Mapping[str, Mapping[int, float]]) -> bool:
    rows = set.intersection(*(set(each) for each in values.values()))
    flat = {path.replace("[]", f"[{row}]", 1): each[row] for path, each in values.items() for row in rows}
    results = [holds for _, holds in constraint.holds(flat)] if rows else []
    return bool(results) and all(results)


def _left_over(body: _Body, known: Mapping[int, Column], fields: Sequence[Field]) -> dict[int, Column]:
    """The one column of words that is left for the one field of words that is left."""
    have = {column.field.path for column in known.values()}
    missing = [field for field in fields if field.path not in have and field.kind == "string"]
    free = [number for number in body if number not in known and _is_words(body[number].values())]
    if len(missing) != 1 or len(free) != 1 or missing[0].pattern is not None:
        return {}
    return {free[0]: Column(missing[0], _LEFT_OVER, "the one column of words")}


def _is_words(texts: Iterable[str]) -> bool:
    """Whether most cells have a word of three letters that is no part of a number."""
    words = [bool(re.search(r"[^\W\d_]{3}", text)) for text in texts]
    return sum(words) > len(words) / 2


def _text(page: PageLayout, cell: Cell) -> str:
    return " ".join(word.text for word in page.words[cell.first : cell.end])
