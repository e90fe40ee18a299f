"""Columns that grow: rows are added one by one while their words keep to the columns."""

from __future__ import annotations

from dataclasses import dataclass, field

from asbuilt.documents.structure.sheet import Row, Sheet
from asbuilt.documents.structure.values import is_symbol, is_value
from asbuilt.errors import BugError

__all__ = ["Column", "Columns", "Placed"]

_WITHIN = 2.0  # font sizes: a wider blank parts two columns, a narrower one may be within a cell
_PARTED_BLANK, _PARTED_ROWS, _PARTED_SHARE = 0.4, 4, 0.7  # font sizes, rows, and share of the rows
_PIECES_BLANKS = 1.2  # blanks of the page, below which words are of one cell
_PARTED_BLANKS = 1.5  # blanks of the page
_TOUCH = 0.2  # font sizes by which words may reach into the width of another column


@dataclass(slots=True, eq=False)
class Column:
    """From the leftmost to the rightmost edge of its words."""

    left: float
    right: float


@dataclass(slots=True, eq=False)
class Placed:
    """A row of words, each in a column; `spans` are words over several columns, as headers have."""

    row: Row
    cells: dict[Column, list[int]] = field(default_factory=dict)
    spans: list[tuple[list[Column], list[int]]] = field(default_factory=list)


class Columns:
    """Columns of some rows, from left to right."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._parting_blank = _PIECES_BLANKS * sheet.blank
        self._wide_blank = max(_PARTED_BLANK * sheet.body, _PARTED_BLANKS * sheet.blank)
        self.columns: list[Column] = []
        self.rows: list[Placed] = []

    def add(self, row: Row, *, above: bool = False) -> bool:
        """Whether the words of `row` keep to the columns; if they do, it is in."""
        placed = self._placed(row)
        if placed is None:
            self._settle()
            return False
        self.rows.insert(0 if above else len(self.rows), placed)
        return True

    def _placed(self, row: Row) -> Placed | None:
        pieces = [piece for item in row.items for piece in self._pieces(item.words)]
        placed = Placed(row)
        for words in pieces:
            left, right = self._edges(words)
            touched = self.touched(left, right)
            if len(touched) > 1:
                return None
            column = touched[0] if touched else None
            if column is not None and column in placed.cells:
                if not self._part(column, self._edges(placed.cells[column])[1], left):
                    if left - self._edges(placed.cells[column])[1] > _WITHIN * self._sheet.body:
                        return None
                    placed.cells[column].extend(words)
                    column.right = max(column.right, right)
                    continue
                column = self.touched(left, right)[0]
            if column is None:
                column = Column(left, right)
                self.columns.append(column)
                self.columns.sort(key=lambda each: each.left)
            column.left, column.right = min(column.left, left), max(column.right, right)
            placed.cells[column] = words
        return placed

    def may_head(self, row: Row) -> bool:
        """Whether the words of `row` can name columns below it: each stands over some of its own. A
        single name has to span columns, the first one not among them."""
        placed = self._headed(row)
        if placed is None:
            return False
        if len(row.items) > 1:
            return True
        return any(over[0] is not self.columns[0] for over, _ in placed.spans)

    def is_title(self, row: Row) -> bool:
        """Whether `row` is the title of a section: over the first column, and no other."""
        first = self.columns[0]
        return all(self.touched(item.left, item.right) == [first] for item in row.items)

    def add_above(self, row: Row) -> None:
        """Put a row that `may_head` or `is_title` before the first."""
        placed = self._headed(row)
        if placed is None:
            raise BugError("a row was put above columns that it does not name.")
        self.rows.insert(0, placed)

    def _headed(self, row: Row) -> Placed | None:
        placed = Placed(row)
        taken: set[Column] = set()
        pieces = [piece for item in row.items for piece in self._pieces(item.words)]
        edges = [self._edges(words) for words in pieces]
        for number, (words, (left, right)) in enumerate(zip(pieces, edges, strict=True)):
            others = [edge for place, edge in enumerate(edges) if place != number]
            over = self._under(left, right, others)
            if not over or taken & set(over):
                return None
            taken.update(over)
            if len(over) == 1:
                placed.cells[over[0]] = words
            else:
                placed.spans.append((over, words))
        return placed

    def _under(self, left: float, right: float, others: list[tuple[float, float]]) -> list[Column]:
        """Columns that words of a header from `left` to `right` are about: those that they touch, or
        more of them with the words in their middle."""
        touched = self.touched(left, right)
        if not touched:
            return []
        near = 0.5 * self._sheet.body
        if len(touched) == 1:
            column = touched[0]
            if min(abs(column.left - left), abs(column.right - right)) < near:
                return touched
        best, off = touched, abs(touched[0].left + touched[-1].right - left - right) / 2
        first, last = self.columns.index(touched[0]), self.columns.index(touched[-1])
        for low in range(max(0, first - 4), first + 1):
            for high in range(last, min(len(self.columns), last + 5)):
                span = self.columns[low : high + 1]
                if any(a < span[-1].right and span[0].left < b for a, b in others):
                    continue
                away = abs(span[0].left + span[-1].right - left - right) / 2
                if away < off - 0.3 * self._sheet.body:
                    best, off = span, away
        edges = min(abs(best[0].left - left), abs(best[-1].right - right))
        return best if min(off, edges) < 3 * near else []

    def join_symbols(self) -> None:
        """Make one of a column of currency signs, or of signs after numbers, and that of the numbers."""
        for column in list(self.columns):
            texts = [self._sheet.text(placed.cells[column]) for placed in self.rows if column in placed.cells]
            place = self.columns.index(column)
            if len(self.columns) < 3 or not texts or not all(map(is_symbol, texts)):
                continue
            after = texts[0] in (")", "%") or place + 1 == len(self.columns)
            if after and place == 0:
                continue
            other = self.columns[place - 1 if after else place + 1]
            if any(column in over or other in over for placed in self.rows for over, _ in placed.spans):
                continue
            for placed in self.rows:
                words = placed.cells.pop(column, [])
                if words:
                    own = placed.cells.get(other, [])
                    placed.cells[other] = [*own, *words] if after else [*words, *own]
            self._settle()

    def part_columns(self) -> None:
        """Part columns along a blank that is free in all rows, where words are aligned at one side of
        it: two columns that stand close to one another."""
        for column in list(self.columns):
            while (blank := self._blank(column)) is not None:
                left, right = blank
                if not self._part(column, left, right):
                    break
                column = self.columns[self.columns.index(column) + 1]

    def _blank(self, column: Column) -> tuple[float, float] | None:
        """The first free blank in a column with words on both sides of it in most rows."""
        sheet = self._sheet
        own = [placed.cells[column] for placed in self.rows if column in placed.cells]
        if len(own) < _PARTED_ROWS or sum(len(words) > 1 for words in own) < _PARTED_SHARE * len(own):
            return None
        edges = sorted((sheet.left[n], sheet.right[n]) for words in own for n in words)
        reach = edges[0][1]
        for left, right in edges[1:]:
            if left - reach >= self._wide_blank and self._is_edge(own, reach, left):
                return reach, left
            reach = max(reach, right)
        return None

    def _is_edge(self, own: list[list[int]], left: float, right: float) -> bool:
        """Whether words end or begin in line at a blank, or are values on one side of it alone."""
        sheet = self._sheet
        near, middle = 0.35 * sheet.body, (left + right) / 2
        before = [[n for n in words if sheet.right[n] <= middle] for words in own]
        after = [[n for n in words if sheet.left[n] > middle] for words in own]
        both = [pair for pair in zip(before, after, strict=True) if all(pair)]
        if len(both) < _PARTED_SHARE * len(own):
            return False
        ends = sum(left - max(sheet.right[n] for n in words) <= near for words, _ in both)
        starts = sum(min(sheet.left[n] for n in words) - right <= near for _, words in both)
        kinds = [[is_value(sheet.text(words)) for words in pair] for pair in both]
        values = sum(first != second for first, second in kinds)
        return max(ends, starts, values) >= _PARTED_SHARE * len(both)

    def keep(self, first: int, end: int) -> None:
        """Only the rows from `first` to before `end`."""
        if end - first < len(self.rows):
            self.rows = self.rows[first:end]
            self._settle()

    def touched(self, left: float, right: float) -> list[Column]:
        """Columns over or under something from `left` to `right`."""
        slack = _TOUCH * self._sheet.body
        found = [each for each in self.columns if each.left + slack < right and left + slack < each.right]
        return found or [each for each in self.columns if each.left < right and left < each.right][:1]

    def _settle(self) -> None:
        """Columns as the rows have them."""
        words: dict[Column, list[int]] = {}
        for placed in self.rows:
            for column, own in placed.cells.items():
                words.setdefault(column, []).extend(own)
        for column, own in words.items():
            column.left, column.right = self._edges(own)
        self.columns = sorted(words, key=lambda column: column.left)

    def _edges(self, words: list[int]) -> tuple[float, float]:
        sheet = self._sheet
        return min(sheet.left[n] for n in words), max(sheet.right[n] for n in words)

    def _pieces(self, words: list[int]) -> list[list[int]]:
        """A run, parted where it goes from one column into the next at a blank."""
        if len(self.touched(*self._edges(words))) < 2:
            return [list(words)]
        pieces: list[list[int]] = []
        before: list[Column] = []
        for place, n in enumerate(words):
            here = self.touched(self._sheet.left[n], self._sheet.right[n])
            other = here and before and not set(map(id, here)) & set(map(id, before))
            wide = place and self._sheet.left[n] - self._sheet.right[words[place - 1]] > self._parting_blank
            if not pieces or (other and wide):
                pieces.append([])
            pieces[-1].append(n)
            before = here or before
        return pieces

    def _part(self, column: Column, left: float, right: float) -> bool:
        """Make two of a column that has a blank from `left` to `right` in all of its rows; False where
        a word stands across it, or where the left or right side would be empty."""
        sheet = self._sheet
        parts: list[tuple[Placed, list[int], list[int]]] = []
        middle = (left + right) / 2
        for placed in self.rows:
            words = placed.cells.get(column, [])
            if any(sheet.left[n] < middle < sheet.right[n] for n in words):
                return False
            before = [n for n in words if sheet.right[n] <= middle]
            parts.append((placed, before, words[len(before) :]))
        lefts = [n for _, before, _ in parts for n in before]
        rights = [n for _, _, after in parts for n in after]
        if not lefts or not rights:
            return False
        second = Column(*self._edges(rights))
        column.left, column.right = self._edges(lefts)
        self.columns.insert(self.columns.index(column) + 1, second)
        for placed, before, after in parts:
            placed.cells.pop(column, None)
            if before:
                placed.cells[column] = before
            if after:
                placed.cells[second] = after
        return True
