"""Tables without lines around their cells: rows whose words keep to the same columns."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from asbuilt.documents.structure.columns import Column, Columns, Placed
from asbuilt.documents.structure.rows import (
    gap_between,
    is_bold,
    logical_rows,
    parted_rows,
    row_texts,
    usual_count,
    wraps,
)
from asbuilt.documents.structure.ruled import Rules
from asbuilt.documents.structure.sheet import CellDraft, Item, Row, Sheet, TableDraft
from asbuilt.documents.structure.values import header_rows, is_value
from asbuilt.pages import Box

__all__ = ["AlignedTables"]

_MAX_ITEMS = 60  # in a row: more are no cells
_FAR = 2.2  # heights of a line: rows further apart are of two tables
_WIDER = 1.6  # times the usual distance of rows
_SINGLES = 12  # rows of one cell that may follow one another within a table
_HEADER_FAR = 1.2  # heights of a line between the header's rows and the body
_FIRST_ROWS = 40  # that tell whether the first belongs to them
_HEADER_LINES = 0.5  # heights of a line between lines of names
_WIDE_TABLE = 5  # columns, of which two rows with values are enough
_LARGER = 1.3  # ratio of sizes of type within a table
_ALIGNED = 0.35  # font sizes by which aligned edges may differ


class AlignedTables:
    """Finds tables among rows; `rules` are the page's drawn lines."""

    def __init__(self, sheet: Sheet, rules: Rules) -> None:
        self._sheet, self._rules = sheet, rules

    def __call__(self, rows: Sequence[Row]) -> list[tuple[int, int, Item]]:
        """First row, end row and item of each table, from top to bottom."""
        found: list[tuple[int, int, Item]] = []
        counts = [len(row.items) if _may_be_row(row) else 0 for row in rows]
        open_parts = [(0, len(rows))]
        while open_parts:
            low, high = open_parts.pop()
            most = max(counts[low:high], default=0)
            if most < 2:
                continue
            columns = Columns(self._sheet)
            first, end = self._grow(columns, rows, low, high, _closest(rows, counts, low, high, most))
            table = self._judged(columns)
            if table is not None:
                found.append((first, end, Item(*table.box, self._sheet.body, [], table)))
            open_parts += [(low, first), (end, high)]
        return sorted(found, key=lambda each: each[0])

    def _grow(self, columns: Columns, rows: Sequence[Row], low: int, high: int, seed: int) -> tuple[int, int]:
        """Add rows below and above the seed while they keep to its columns. Returns the first row and the
        end, with at least the seed between them."""
        columns.add(rows[seed])
        gaps: list[float] = []
        end = self._grow_down(columns, rows, seed, high, gaps)
        first = self._grow_up(columns, rows, seed, low, gaps)
        last = end
        while last - first > 1 and self._ends_loosely(columns, last - first):
            last -= 1
        while last - first > 2 and self._is_sum(columns, columns.rows[last - first - 1]):
            last -= 1
        start = first
        while last - start > 2 and self._starts_loosely(
            columns.rows[start - first : start - first + _FIRST_ROWS]
        ):
            start += 1
        columns.keep(start - first, last - first)
        if not start <= seed < last:
            return min(start, seed), max(last, seed + 1)
        columns.join_symbols()
        columns.part_columns()
        return self._take_headers(columns, rows, start, low), last

    def _grow_down(
        self, columns: Columns, rows: Sequence[Row], seed: int, high: int, gaps: list[float]
    ) -> int:
        end = seed + 1
        singles = 0
        size = _size(rows[seed])
        while end < high and _may_be_row(rows[end]):
            row = rows[end]
            gap = row.top - rows[end - 1].bottom
            singles = singles + 1 if len(row.items) == 1 else 0
            if gap > _farthest(gaps, row) or singles > _SINGLES or not _alike(size, _size(row)):
                break
            if self._stands_off(columns, row, gap, gaps) or not columns.add(row):
                break
            if len(row.items) > 1:
                insort(gaps, gap)
            end += 1
        return end

    def _grow_up(self, columns: Columns, rows: Sequence[Row], seed: int, low: int, gaps: list[float]) -> int:
        first = seed
        headed = self._is_header(columns, 0)
        size = _size(rows[seed])
        while first > low and _may_be_row(rows[first - 1]):
            row = rows[first - 1]
            gap = rows[first].top - row.bottom
            if gap > _farthest(gaps, row) or not _alike(size, _size(row)):
                break
            if headed and (gap > _HEADER_LINES * (row.bottom - row.top) or self._has_values(row)):
                break
            if self._stands_off(columns, row, gap, gaps) or self._is_strange(columns, row):
                break
            if not columns.add(row, above=True):
                break
            if len(row.items) > 1:
                insort(gaps, gap)
            first -= 1
            headed = headed or self._is_header(columns, 0)
        return first

    def _is_strange(self, columns: Columns, row: Row) -> bool:
        """Whether a row above others is none of theirs: few cells, and words over none of the columns."""
        free = [item for item in row.items if not columns.touched(item.left, item.right)]
        return bool(free) and len(row.items) <= 0.6 * len(columns.columns)

    def _is_header(self, columns: Columns, number: int) -> bool:
        """Whether a row names most of the columns, some of them of values."""
        names, below = columns.rows[number], columns.rows[number + 1 :]
        if len(names.cells) < 0.7 * len(columns.columns) or len(below) < 1:
            return False
        if any(is_value(self._sheet.text(words)) for words in names.cells.values()):
            return False
        for column in names.cells:
            own = [
                self._sheet.text(placed.cells[column])
                for placed in below[:_FIRST_ROWS]
                if column in placed.cells
            ]
            if own and sum(map(is_value, own)) >= 0.6 * len(own):
                return True
        return False

    def _has_values(self, row: Row) -> bool:
        return any(is_value(self._sheet.text(item.words)) for item in row.items)

    def _stands_off(self, columns: Columns, row: Row, gap: float, gaps: Sequence[float]) -> bool:
        """Whether a row below others is farther away than they are from one another, and has few cells,
        or words where no column is: sums and notes below a table."""
        if len(gaps) < 2 or gap <= 1.1 * gaps[-1] + 0.15 * (row.bottom - row.top):
            return False
        few = len(row.items) <= 0.67 * len(columns.columns)
        return few or any(not columns.touched(item.left, item.right) for item in row.items)

    def _is_sum(self, columns: Columns, placed: Placed) -> bool:
        """Whether a row is none of the table's but a sum below it: a name and a value at its right end."""
        own = [column for column in columns.columns if column in placed.cells]
        if not 2 <= len(own) <= max(2, 0.5 * len(columns.columns)) or columns.columns[0] in placed.cells:
            return False
        texts = [self._sheet.text(placed.cells[column]) for column in own]
        return not is_value(texts[0]) and is_value(texts[-1]) and columns.columns[-1] is own[-1]

    def _ends_loosely(self, columns: Columns, count: int) -> bool:
        """Whether the last of `count` rows has one cell, and does not go on with the row above it."""
        rows = columns.rows[max(0, count - _FIRST_ROWS) : count]
        if len(rows[-1].cells) > 1:
            return False
        full = [number for number, placed in enumerate(rows) if len(placed.cells) > 1]
        if not full:
            return True
        between = [
            gap_between(above, below)
            for above, below in pairwise(rows)
            if len(above.cells) > 1 and len(below.cells) > 1
        ]
        lines = rows[full[-1] :]
        clear = 0.2 * (lines[0].row.bottom - lines[0].row.top)
        near = bool(between) and all(gap_between(*pair) < min(between) - clear for pair in pairwise(lines))
        return not near and not (
            len(lines) <= 3 and all(wraps(self._sheet, *pair) for pair in pairwise(lines))
        )

    def _starts_loosely(self, rows: Sequence[Placed]) -> bool:
        """Whether the first of these rows stands apart, or has too few cells to name the columns."""
        if len(rows[0].cells) < 0.5 * usual_count(rows):
            return True
        gaps = [below.row.top - above.row.bottom for above, below in pairwise(rows)]
        return len(gaps) > 2 and gaps[0] > _farthest(sorted(gaps[1:]), rows[1].row)

    def _take_headers(self, columns: Columns, rows: Sequence[Row], first: int, low: int) -> int:
        """Put rows of names above the first that span columns, with the titles of sections between."""
        at = first
        waiting: list[Row] = []
        while at > low:
            row, below = rows[at - 1], rows[at]
            near = below.top - row.bottom <= _HEADER_FAR * (row.bottom - row.top)
            if not near or not _may_be_row(row) or not _alike(_size(row), _size(below)):
                break
            names = not self._has_values(row) or _are_years(self._sheet, row)
            if names and columns.may_head(row):
                for each in waiting:
                    columns.add_above(each)
                columns.add_above(row)
                waiting, first = [], at - 1
            elif len(row.items) == 1 and not waiting and columns.is_title(row):
                waiting.append(row)
            else:
                break
            at -= 1
        return first

    def _judged(self, columns: Columns) -> TableDraft | None:
        if len(columns.rows) < 2 or len(columns.columns) < 2:
            return None
        groups = logical_rows(self._sheet, columns, self._rules)
        texts = row_texts(self._sheet, columns, groups)
        header = header_rows(
            texts,
            bold=[is_bold(self._sheet, group) for group in groups],
            spans=[any(placed.spans for placed in group) for group in groups],
            parted=parted_rows(columns, groups, self._rules),
        )
        if not self._is_table(columns, texts, header):
            return None
        return self._draft(columns, groups, header)

    def _is_table(self, columns: Columns, texts: Sequence[Sequence[str]], header: int) -> bool:
        body = texts[header:]
        count = len(columns.columns)
        if count < 2 or not body or len(texts) < 2:
            return False
        by_column = [[row[number] for row in body if row[number]] for number in range(count)]
        filled = sum(map(len, by_column)) / (len(body) * count)
        values = [sum(map(is_value, column)) / len(column) if column else 0.0 for column in by_column]
        numeric = sum(share >= 0.6 for share in values)
        labels = sum(text.endswith(":") for row in texts for text in row)
        wordy = sum(median(len(text.split()) for text in column) >= 6 for column in by_column if column)
        if filled < 0.4 or labels >= 0.3 * len(texts):
            return False
        aligned = sum(self._is_aligned(columns, column) for column in columns.columns)
        if aligned < max(2, 0.6 * count):
            return False
        if count == 2:
            named = header > 0 and numeric >= 1 and len(body) >= 2
            return not wordy and (named or (values[1] >= 0.9 and values[0] < 0.5 and len(body) >= 4))
        if numeric == 0:
            return header > 0 and wordy <= 1 and len(body) >= 2
        return header > 0 or len(body) >= 3 or count >= _WIDE_TABLE

    def _is_aligned(self, columns: Columns, column: Column) -> bool:
        sheet = self._sheet
        own = [placed.cells[column] for placed in columns.rows if column in placed.cells]
        edges = [(min(sheet.left[n] for n in words), max(sheet.right[n] for n in words)) for words in own]
        lefts, rights = sorted(left for left, _ in edges), sorted(right for _, right in edges)
        middles = sorted((left + right) / 2 for left, right in edges)
        near = 2 * _ALIGNED * sheet.body
        return max(_largest_group(places, near) for places in (lefts, rights, middles)) >= 0.6 * len(own)

    def _draft(self, columns: Columns, groups: Sequence[Sequence[Placed]], header: int) -> TableDraft:
        xs = [columns.columns[0].left]
        xs += [(a.right + b.left) / 2 for a, b in pairwise(columns.columns)]
        xs.append(columns.columns[-1].right)
        tops = [min(item.top for placed in group for item in placed.row.items) for group in groups]
        bottoms = [max(item.bottom for placed in group for item in placed.row.items) for group in groups]
        ys = [tops[0], *((a + b) / 2 for a, b in zip(bottoms, tops[1:], strict=False)), bottoms[-1]]
        cells: list[CellDraft] = []
        for row, group in enumerate(groups):
            cells.extend(_cells_of(columns, group, row, xs, (ys[row], ys[row + 1]), header=row < header))
        around = self._sheet.box([n for cell in cells for line in cell.lines for n in line])
        box = Box(around.left, ys[0], around.right, ys[-1])
        return TableDraft(box, len(groups), len(columns.columns), cells)


def _cells_of(
    columns: Columns,
    group: Sequence[Placed],
    row: int,
    xs: Sequence[float],
    edges: tuple[float, float],
    *,
    header: bool,
) -> Iterator[CellDraft]:
    place = {column: number for number, column in enumerate(columns.columns)}
    spans = {place[over[0]]: (over, words) for placed in group for over, words in placed.spans}
    at = 0
    while at < len(columns.columns):
        column = columns.columns[at]
        if at in spans:
            over, words = spans[at]
            width, lines = len(over), [words]
        else:
            width = 1
            lines = [placed.cells[column] for placed in group if column in placed.cells]
        yield CellDraft(row, at, Box(xs[at], edges[0], xs[at + width], edges[1]), lines, 1, width, header)
        at += width


def _closest(rows: Sequence[Row], counts: Sequence[int], low: int, high: int, most: int) -> int:
    """Of the rows with most items, the one that stands closest to a row of several below it."""
    full = [number for number in range(low, high) if counts[number] == most]
    pairs = [
        (round(rows[number + 1].top - rows[number].bottom, 1), number)
        for number in full
        if number + 1 < high and counts[number + 1] > 1
    ]
    return min(pairs)[1] if pairs else full[0]


def _may_be_row(row: Row) -> bool:
    return len(row.items) <= _MAX_ITEMS and all(item.part is None for item in row.items)


def _alike(size: float, other: float) -> bool:
    return max(size, other) <= _LARGER * min(size, other)


def _size(row: Row) -> float:
    return median(item.size for item in row.items)


def _farthest(gaps: Sequence[float], row: Row) -> float:
    """The widest gap above a row of the same table, after rows with these gaps, in order of width."""
    height = row.bottom - row.top
    if len(gaps) < 2:
        return _FAR * height
    return min(_FAR * height, _WIDER * max(gaps[-1], 0.3 * height) + 0.2 * height)


def _are_years(sheet: Sheet, row: Row) -> bool:
    texts = [sheet.text(item.words) for item in row.items]
    return all(len(text) == 4 and text.isdigit() for text in texts if is_value(text))


def _largest_group(sorted_places: Sequence[float], width: float) -> int:
    best = first = 0
    for number, place in enumerate(sorted_places):
        while place - sorted_places[first] > width:
            first += 1
        best = max(best, number - first + 1)
    return best
