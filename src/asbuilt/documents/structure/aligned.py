"""Tables without lines around their cells: rows whose words keep to the same columns."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from asbuilt.documents.structure.columns import Column, Columns, Placed
from asbuilt.documents.structure.ruled import Rules
from asbuilt.documents.structure.sheet import CellDraft, Item, Row, Sheet, TableDraft
from asbuilt.pages import Box

__all__ = ["AlignedTables"]

_MAX_ITEMS = 60  # in a row: more are no cells
_FAR = 2.2  # heights of a line: rows further apart are of two tables
_WIDER = 1.9  # times the usual distance of rows
_SINGLES = 4  # rows of one cell that may follow one another within a table
_VALUE = re.compile(
    r"[^\W\d_]{0,3}\s?[-+(]?\s?[$€£¥%]?\s?[-+(]?(?:\d[\d.,:/%)'-]*|[-–—])\s?(?:[^\W\d_]{1,3}|[$€£¥%)])?"
)
_ALIGNED = 0.35  # font sizes by which aligned edges may differ


class AlignedTables:
    """Finds tables among rows; `rules` are the page's drawn lines."""

    def __init__(self, sheet: Sheet, rules: Rules) -> None:
        self._sheet, self._rules = sheet, rules

    def __call__(self, rows: Sequence[Row]) -> list[tuple[int, int, Item]]:
        """First row, end row and item of each table, from top to bottom."""
        found: list[tuple[int, int, Item]] = []
        at = 0
        while at < len(rows):
            if not _may_be_row(rows[at]) or len(rows[at].items) < 2:
                at += 1
                continue
            grown = self._grown(rows, at, floor=found[-1][1] if found else 0)
            if grown is None:
                at += 1
                continue
            first, end, table = grown
            found.append((first, end, Item(*table.box, self._sheet.body, [], table)))
            at = end
        return found

    def _grown(self, rows: Sequence[Row], seed: int, *, floor: int) -> tuple[int, int, TableDraft] | None:
        columns = Columns(self._sheet)
        columns.add(rows[seed])
        gaps: list[float] = []
        end = seed + 1
        singles = 0
        while end < len(rows) and _may_be_row(rows[end]):
            row = rows[end]
            gap = row.top - rows[end - 1].bottom
            height = row.bottom - row.top
            limit = _FAR * height
            if len(gaps) >= 2:
                limit = min(
                    limit,
                    _WIDER * max(sorted(gaps)[int(0.8 * (len(gaps) - 1))], 0.35 * height) + 0.2 * height,
                )
            singles = singles + 1 if len(row.items) == 1 else 0
            if gap > limit or singles > _SINGLES or not columns.add(row):
                break
            gaps.append(gap)
            end += 1
        self._trim(columns)
        if len(columns.rows) < 2 or len(columns.columns) < 2:
            return None
        first = seed
        while len(columns.rows) > 2 and self._is_loose_start(columns):
            columns.drop_first()
            first += 1
        while first > floor:
            row = rows[first - 1]
            near = rows[first].top - row.bottom <= 1.2 * (row.bottom - row.top)
            if not (near and _may_be_row(row) and not self._has_values(row) and columns.add_header(row)):
                break
            first -= 1
        return self._judged(columns, first)

    def _trim(self, columns: Columns) -> None:
        """Rows of one cell at the end are no part of it, unless a cell of the last row wraps."""
        while columns.rows and len(columns.rows[-1].cells) == 1:
            last = columns.rows[-1]
            if len(columns.rows) > 1 and self._wraps(columns, columns.rows[-2], last):
                above = [r for r in columns.rows[:-1] if len(r.cells) > 1]
                if above and len(columns.rows) - 1 - columns.rows.index(above[-1]) <= 2:
                    break
            columns.drop_last()

    def _is_loose_start(self, columns: Columns) -> bool:
        first = columns.rows[0]
        if first.spans:
            return False
        return len(first.cells) < 0.5 * len(columns.columns)

    def _has_values(self, row: Row) -> bool:
        texts = [self._sheet.text(item.words) for item in row.items]
        return sum(_is_value(text) and not _is_year(text) for text in texts) > 0

    def _judged(self, columns: Columns, first: int) -> tuple[int, int, TableDraft] | None:
        sheet = self._sheet
        groups = self._logical(columns)
        texts = [
            [
                sheet.text(n for placed in group for n in placed.cells.get(column, ()))
                for column in columns.columns
            ]
            for group in groups
        ]
        header = self._header_rows(columns, groups, texts)
        if not self._is_table(columns, groups, texts, header):
            return None
        return first, first + len(columns.rows), self._draft(columns, groups, header)

    def _is_table(
        self,
        columns: Columns,
        groups: Sequence[Sequence[Placed]],
        texts: Sequence[Sequence[str]],
        header: int,
    ) -> bool:
        body = texts[header:]
        count = len(columns.columns)
        if not body or len(texts) < 2:
            return False
        by_column = [[row[c] for row in body if row[c]] for c in range(count)]
        filled = sum(map(len, by_column)) / (len(body) * count)
        values = [sum(map(_is_value, column)) / len(column) if column else 0.0 for column in by_column]
        numeric = sum(share >= 0.6 for share in values)
        labels = sum(text.endswith(":") for row in texts for text in row)
        starts = sum(bool(row[0]) for row in texts)
        if filled < 0.45 or labels >= 0.3 * max(starts, 1):
            return False
        wordy = sum(median(len(text.split()) for text in column) >= 6 for column in by_column if column)
        aligned = sum(self._is_aligned(columns, column) for column in columns.columns)
        if aligned < max(2, 0.6 * count):
            return False
        if count == 2:
            if wordy or len(texts) < 3:
                return False
            return (header > 0 and numeric == 1 and len(body) >= 2) or (values[1] >= 0.9 and len(body) >= 4)
        if numeric == 0:
            return wordy <= 1 and len(body) >= 3 and (header > 0 or (filled >= 0.8 and len(body) >= 4))
        return header > 0 or len(body) >= 3

    def _is_aligned(self, columns: Columns, column: Column) -> bool:
        sheet = self._sheet
        own = [placed.cells[column] for placed in columns.rows if column in placed.cells]
        if len(own) < 2:
            return True
        near = _ALIGNED * sheet.body
        lefts = sorted(min(sheet.left[n] for n in words) for words in own)
        rights = sorted(max(sheet.right[n] for n in words) for words in own)
        middles = sorted(
            (min(sheet.left[n] for n in words) + max(sheet.right[n] for n in words)) / 2 for words in own
        )
        return max(_largest_group(edges, 2 * near) for edges in (lefts, rights, middles)) >= 0.6 * len(own)

    def _logical(self, columns: Columns) -> list[list[Placed]]:
        """Rows of the table: lines that a cell wraps to belong to the row that they go on."""
        rows = columns.rows
        bands = self._bands(columns)
        if bands is not None:
            return bands
        gaps = [below.row.top - above.row.bottom for above, below in pairwise(rows)]
        counts = [len(placed.cells) for placed in rows]
        usual = median(counts)
        anchored = [gap for gap, count in zip(gaps, counts[1:], strict=True) if count >= max(2, 0.6 * usual)]
        pitch = median(anchored) if anchored else 0.0
        groups = [[rows[0]]]
        for above, placed, gap in zip(rows, rows[1:], gaps, strict=False):
            if self._goes_on(columns, groups[-1], above, placed, gap, pitch=pitch, usual=usual):
                groups[-1].append(placed)
            else:
                groups.append([placed])
        return groups

    def _goes_on(
        self,
        columns: Columns,
        group: Sequence[Placed],
        above: Placed,
        placed: Placed,
        gap: float,
        *,
        pitch: float,
        usual: float,
    ) -> bool:
        if placed.spans or above.spans or len(placed.cells) > 0.5 * usual:
            return False
        filled = {column for each in group for column in each.cells}
        if not set(placed.cells) <= filled:
            return False
        texts = [self._sheet.text(words) for words in placed.cells.values()]
        if any(map(_is_value, texts)) and len(texts) > 1:
            return False
        if self._bold(above) != self._bold(placed):
            return False
        height = placed.row.bottom - placed.row.top
        if pitch - gap > 0.2 * height:
            return True
        if gap - pitch > 0.2 * height:
            return False
        return self._wraps(columns, above, placed)

    def _wraps(self, columns: Columns, above: Placed, placed: Placed) -> bool:
        """Whether the first word of each cell would not have fitted on the line above."""
        sheet = self._sheet
        for column, words in placed.cells.items():
            before = above.cells.get(column)
            if before is None:
                return False
            wide = max(
                max(sheet.right[n] for n in r.cells[column]) for r in columns.rows if column in r.cells
            )
            first = words[0]
            needed = max(sheet.right[n] for n in before) + sheet.right[first] - sheet.left[first]
            if needed + 0.1 * sheet.body < wide:
                return False
        return True

    def _bold(self, placed: Placed) -> bool:
        words = [n for own in placed.cells.values() for n in own]
        return bool(words) and all(self._sheet.words[n].bold for n in words)

    def _bands(self, columns: Columns) -> list[list[Placed]] | None:
        """Rows between lines that are drawn under each of them; None where there are none."""
        rows, (left, right) = columns.rows, (columns.columns[0].left, columns.columns[-1].right)
        flat = self._rules.flat
        if len(rows) < 2 or not len(flat):
            return None
        covers = (flat[:, 1] <= left + 0.1 * (right - left)) & (flat[:, 2] >= right - 0.1 * (right - left))
        places = sorted(flat[covers, 0].tolist())
        middles = [placed.row.middle for placed in rows]
        groups: list[list[Placed]] = []
        at = bisect_right(places, middles[0])
        groups.append([rows[0]])
        for placed, middle in zip(rows[1:], middles[1:], strict=True):
            here = bisect_left(places, middle)
            if here > at:
                groups.append([])
                at = here
            groups[-1].append(placed)
        # A rule under the header and one under the body are no rules between rows.
        inner = groups[1:]
        full = max(len(columns.columns) * 0.6, 2)
        if len(inner) < 2 or any(sum(len(placed.cells) >= full for placed in group) > 1 for group in inner):
            return None
        return groups

    def _header_rows(
        self, columns: Columns, groups: Sequence[Sequence[Placed]], texts: Sequence[Sequence[str]]
    ) -> int:
        """How many rows at the top name the columns."""
        count = 0
        while count < len(groups) and groups[count][0].spans:
            count += 1
        if count < len(groups) and self._names_columns(columns, groups, texts, count):
            count += 1
        return min(count, len(groups) - 1)

    def _names_columns(
        self, columns: Columns, groups: Sequence[Sequence[Placed]], texts: Sequence[Sequence[str]], row: int
    ) -> bool:
        names = texts[row]
        filled = [name for name in names if name]
        if len(filled) < 2 or any(_is_value(name) and not _is_year(name) for name in filled):
            return False
        below = texts[row + 1 :]
        if not below:
            return False
        if self._bold(groups[row][0]) and not all(self._bold(group[0]) for group in groups[row + 1 :]):
            return True
        if self._ruled_below(columns, groups, row):
            return True
        for column in range(len(names)):
            cells = [cells[column] for cells in below if cells[column]]
            if cells and names[column] and sum(map(_is_value, cells)) >= 0.6 * len(cells):
                return True
        return False

    def _ruled_below(self, columns: Columns, groups: Sequence[Sequence[Placed]], row: int) -> bool:
        flat = self._rules.flat
        if not len(flat) or row + 1 >= len(groups):
            return False
        left, right = columns.columns[0].left, columns.columns[-1].right
        top, bottom = groups[row][-1].row.middle, groups[row + 1][0].row.middle
        wide = (flat[:, 2].clip(max=right) - flat[:, 1].clip(min=left)) >= 0.7 * (right - left)
        return bool(((flat[:, 0] > top) & (flat[:, 0] < bottom) & wide).any())

    def _draft(self, columns: Columns, groups: Sequence[Sequence[Placed]], header: int) -> TableDraft:
        sheet = self._sheet
        xs = [columns.columns[0].left]
        xs += [(a.right + b.left) / 2 for a, b in pairwise(columns.columns)]
        xs.append(columns.columns[-1].right)
        tops = [min(item.top for placed in group for item in placed.row.items) for group in groups]
        bottoms = [max(item.bottom for placed in group for item in placed.row.items) for group in groups]
        ys = [tops[0], *((a + b) / 2 for a, b in zip(bottoms, tops[1:], strict=False)), bottoms[-1]]
        cells: list[CellDraft] = []
        for row, group in enumerate(groups):
            cells.extend(_cells_of(columns, group, row, xs, (ys[row], ys[row + 1]), header=row < header))
        left = min(sheet.left[n] for cell in cells for line in cell.lines for n in line)
        right = max(sheet.right[n] for cell in cells for line in cell.lines for n in line)
        return TableDraft(Box(left, ys[0], right, ys[-1]), len(groups), len(columns.columns), cells)


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


def _is_value(text: str) -> bool:
    return _VALUE.fullmatch(text) is not None


def _is_year(text: str) -> bool:
    return len(text) == 4 and text.isdigit() and text[:2] in ("19", "20")


def _largest_group(sorted_places: Sequence[float], width: float) -> int:
    best = first = 0
    for number, place in enumerate(sorted_places):
        while place - sorted_places[first] > width:
            first += 1
        best = max(best, number - first + 1)
    return best
