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
_WIDER = 1.9  # times the usual distance of rows
_SINGLES = 12  # rows of one cell that may follow one another within a table
_HEADER_FAR = 1.2  # heights of a line between the header's rows and the body
_TRIES = 3  # rows of what is no table from which another start is made
_FIRST_ROWS = 40  # that tell whether the first belongs to them
_ABOVE_HEADER = 8  # rows of something else that may have fallen into the columns below them
_LARGER = 1.3  # ratio of sizes of type within a table
_ALIGNED = 0.35  # font sizes by which aligned edges may differ


class AlignedTables:
    """Finds tables among rows; `rules` are the page's drawn lines."""

    def __init__(self, sheet: Sheet, rules: Rules) -> None:
        self._sheet, self._rules = sheet, rules

    def __call__(self, rows: Sequence[Row]) -> list[tuple[int, int, Item]]:
        """First row, end row and item of each table, from top to bottom."""
        found: list[tuple[int, int, Item]] = []
        at = floor = tries = 0
        while at < len(rows):
            if len(rows[at].items) < 2 or not _may_be_row(rows[at]):
                at, tries = at + 1, 0
                continue
            columns = Columns(self._sheet)
            end = self._grow_down(columns, rows, at)
            first = (
                self._grow_up(columns, rows, end - len(columns.rows), floor) if len(columns.rows) > 1 else at
            )
            table = self._judged(columns)
            if table is not None:
                at = floor = first + len(columns.rows)
                found.append((first, at, Item(*table.box, self._sheet.body, [], table)))
                tries = 0
            else:
                # What makes it no table may be its first rows alone.
                tries += 1
                at, tries = (at + 1, tries) if tries < _TRIES and at + 1 < end else (max(end, at + 1), 0)
        return found

    def _grow_down(self, columns: Columns, rows: Sequence[Row], seed: int) -> int:
        """Add rows from the seed on while they keep to the columns; leave out what stands loosely at the
        start and the end. Returns the row after the last."""
        columns.add(rows[seed])
        end = seed + 1
        gaps: list[float] = []
        singles = 0
        size = _size(rows[seed])
        while end < len(rows) and _may_be_row(rows[end]):
            row = rows[end]
            gap = row.top - rows[end - 1].bottom
            singles = singles + 1 if len(row.items) == 1 else 0
            small, large = sorted((size, _size(row)))
            if gap > _farthest(gaps, row) or singles > _SINGLES or large > _LARGER * small:
                break
            if self._stands_off(columns, row, gap, gaps) or not columns.add(row):
                break
            insort(gaps, gap)
            end += 1
        last = len(columns.rows)
        while last > 1 and len(columns.rows[last - 1].cells) == 1 and not self._ends_wrapped(columns, last):
            last -= 1
        first = self._header_at(columns.rows[: min(last, _FIRST_ROWS)])
        if first:
            end -= len(columns.rows) - last
            columns.keep(first, last)
            first, last = 0, len(columns.rows)
        while last > 2 and self._is_sum(columns, columns.rows[last - 1]):
            last -= 1
        end -= len(columns.rows) - last
        while last - first > 2 and self._starts_loosely(columns.rows[first : min(last, first + _FIRST_ROWS)]):
            first += 1
        columns.keep(first, last)
        columns.join_symbols()
        columns.part_columns()
        return end

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

    def _header_at(self, rows: Sequence[Placed]) -> int:
        """The row that names the columns, where those above it have few cells, or words over no column
        of the rows below: they are none of the table's. 0 where there is none such."""
        for number, placed in enumerate(rows[1 : 1 + _ABOVE_HEADER], start=1):
            if number + 1 == len(rows):
                break
            columns = {column for below in rows[number:] for column in below.cells}
            strange = [
                not columns.issuperset(above.cells) or len(above.cells) <= 0.6 * len(columns)
                for above in rows[:number]
            ]
            if not all(strange):
                break
            names = [self._sheet.text(words) for words in placed.cells.values()]
            if len(names) >= 0.7 * len(columns) and not any(map(is_value, names)):
                return number
        return 0

    def _ends_wrapped(self, columns: Columns, end: int) -> bool:
        """Whether the row before `end` is a cell that goes on below the last row with several."""
        rows = columns.rows[:end]
        full = [number for number, placed in enumerate(rows) if len(placed.cells) > 1]
        if not full:
            return False
        between = [
            gap_between(above, below)
            for above, below in pairwise(rows[: full[-1] + 1])
            if len(above.cells) > 1 and len(below.cells) > 1
        ]
        lines = rows[full[-1] :]
        height = lines[0].row.bottom - lines[0].row.top
        near = bool(between) and all(
            gap_between(above, below) < min(between) - 0.2 * height for above, below in pairwise(lines)
        )
        return near or (len(lines) <= 3 and all(wraps(self._sheet, *pair) for pair in pairwise(lines)))

    def _starts_loosely(self, rows: Sequence[Placed]) -> bool:
        """Whether the first of these rows stands apart, or has too few cells to name the columns."""
        if len(rows[0].cells) < 0.5 * usual_count(rows):
            return True
        gaps = [below.row.top - above.row.bottom for above, below in pairwise(rows)]
        return len(gaps) > 2 and gaps[0] > _farthest(sorted(gaps[1:]), rows[1].row)

    def _grow_up(self, columns: Columns, rows: Sequence[Row], first: int, floor: int) -> int:
        """Take in rows of names above, which may span columns, with the titles of sections between."""
        at = first
        waiting: list[Row] = []
        while at > floor:
            row, below = rows[at - 1], rows[at]
            near = below.top - row.bottom <= _HEADER_FAR * (row.bottom - row.top)
            if not near or not _may_be_row(row) or _size(row) > _LARGER * _size(below):
                break
            names = not any(is_value(self._sheet.text(item.words)) for item in row.items) or _are_years(
                self._sheet, row
            )
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
        return header > 0 or len(body) >= 3

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


def _may_be_row(row: Row) -> bool:
    return len(row.items) <= _MAX_ITEMS and all(item.part is None for item in row.items)


def _size(row: Row) -> float:
    return median(item.size for item in row.items)


def _farthest(gaps: Sequence[float], row: Row) -> float:
    """The widest gap above a row of the same table, after rows with these gaps, in order of width."""
    height = row.bottom - row.top
    if len(gaps) < 2:
        return _FAR * height
    return min(_FAR * height, _WIDER * max(gaps[-1], 0.35 * height) + 0.2 * height)


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
