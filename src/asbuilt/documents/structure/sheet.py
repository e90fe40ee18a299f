"""Words of a page as columns of numbers, and the things that are placed as a whole."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import median
from typing import Any

from asbuilt.documents.structure.pitch import fixed_advances
from asbuilt.documents.structure.type_metrics import type_box
from asbuilt.pages import Box, PageMarks, Word

__all__ = ["CellDraft", "FigureDraft", "Item", "Row", "Sheet", "TableDraft", "lines_in", "rows_of"]

_EM_OF_BOX = 0.8
"""Font size over the height of a word's box, where its reader does not say the size."""
_TYPE_BOXES = ("text-layer", "file")  # readers whose boxes are those of the type, not of its ink
_LEVEL = 0.5
"""Share of the smaller height by which middles of one row may differ."""


class Sheet:
    """The words of a page in one canonical order, whatever order they came in.

    `left`, `top`, `right`, `bottom` and `size` (font size) are in points, by number of the word; so is
    `advance`, the width of a character, where the page is in fixed pitch (else None). `body` is the size
    that most characters have, `blank` the usual distance of words (once runs are known). Boxes are
    those of the type (see `type_metrics`). `scan`: most words come from pixels.
    """

    def __init__(self, marks: PageMarks) -> None:
        self.words = tuple(sorted(marks.words, key=_total_key))
        self.left = [word.box.left for word in self.words]
        self.right = [word.box.right for word in self.words]
        self.top = [word.box.top for word in self.words]
        self.bottom = [word.box.bottom for word in self.words]
        self.size = [word.font_size or _EM_OF_BOX * word.box.height or 1.0 for word in self.words]
        self.width, self.height = marks.width, marks.height
        self.scan = self._take_type_for_ink()
        self.body = _usual_size(self.words, self.size)
        widths = [right - left for left, right in zip(self.left, self.right, strict=True)]
        self.advance = fixed_advances([word.text for word in self.words], widths, self.size)
        self.blank = 0.25 * self.body if self.advance is None else median(self.advance)

    def _take_type_for_ink(self) -> bool:
        """Give words of OCR the boxes of their type; whether most words are such."""
        inked = [n for n, word in enumerate(self.words) if word.reader not in _TYPE_BOXES]
        types = {n: type_box(self.words[n].text, self.words[n].box) for n in inked}
        sizes = [(types[n].size, len(self.words[n].text)) for n in inked if types[n].size]
        body = _weighed_median(sizes) if sizes else 10.0
        for n in inked:
            word, own = self.words[n], types[n]
            if not own.size:
                own = type_box(word.text, word.box, size=body)
            self.top[n], self.bottom[n], self.size[n] = own.top, own.bottom, own.size or body
        return 2 * len(inked) > len(self.words)

    def box(self, numbers: Sequence[int]) -> Box:
        """Around these words (at least one)."""
        return Box(
            min(self.left[n] for n in numbers),
            min(self.top[n] for n in numbers),
            max(self.right[n] for n in numbers),
            max(self.bottom[n] for n in numbers),
        )

    def item(self, numbers: list[int]) -> Item:
        """A run of words, from left to right."""
        return Item(*self.box(numbers), max(self.size[n] for n in numbers), numbers)

    def is_bold(self, numbers: Sequence[int]) -> bool:
        """Whether there are words, and all of them are bold."""
        return bool(numbers) and all(self.words[n].bold for n in numbers)

    def text(self, numbers: Iterable[int]) -> str:
        return " ".join(self.words[n].text for n in numbers)


def _total_key(word: Word) -> tuple[Any, ...]:
    return (
        word.box.top,
        word.box.left,
        word.box.bottom,
        word.box.right,
        word.text,
        word.reader,
        word.place,
        word.confidence,
        word.font_size,
        word.bold,
        word.second or "",
        word.alternatives,
        word.start,
    )


def _usual_size(words: Sequence[Word], sizes: Sequence[float]) -> float:
    if not words:
        return 10.0
    return _weighed_median([(size, len(word.text)) for size, word in zip(sizes, words, strict=True)])


def _weighed_median(sizes: list[tuple[float, int]]) -> float:
    """The median of the sizes, each counted once a character."""
    sizes = sorted(sizes)
    passed = list(accumulate(weight for _, weight in sizes))
    return sizes[bisect_left(passed, passed[-1] / 2)][0]


@dataclass(slots=True)
class CellDraft:
    """A cell before its words have their places in the page. `lines` are its words, line by line."""

    row: int
    column: int
    box: Box
    lines: list[list[int]] = field(default_factory=list)
    row_span: int = 1
    column_span: int = 1
    header: bool = False


@dataclass(slots=True)
class TableDraft:
    """`cells` stand in row order and leave no place of the grid out."""

    box: Box
    rows: int
    columns: int
    cells: list[CellDraft]
    ruled: bool = False


@dataclass(slots=True)
class FigureDraft:
    """A picture, and the words in it, line by line."""

    box: Box
    lines: list[list[int]]


@dataclass(slots=True, eq=False)
class Item:
    """What is put in order as a whole: a run of words on one line, a table, or a figure."""

    left: float
    top: float
    right: float
    bottom: float
    size: float
    words: list[int]
    part: TableDraft | FigureDraft | None = None

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def width(self) -> float:
        return self.right - self.left


@dataclass(slots=True, eq=False)
class Row:
    """Items side by side, from left to right. `top` and `bottom` are those of its text."""

    top: float
    bottom: float
    items: list[Item]

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def left(self) -> float:
        return self.items[0].left

    @property
    def right(self) -> float:
        return max(item.right for item in self.items)


def rows_of(items: Iterable[Item]) -> list[Row]:
    """Rows from top to bottom. A table or figure is in each row beside it, or a row of its own."""
    parts: list[Item] = []
    texts: list[Item] = []
    for item in items:
        (texts if item.part is None else parts).append(item)
    texts.sort(key=lambda item: (item.top + item.bottom, item.left))
    rows: list[Row] = []
    run: list[Item] = []
    middle = low = 0.0
    for item in texts:
        here = (item.top + item.bottom) / 2
        near = _LEVEL * min(item.bottom - item.top, run[-1].bottom - run[-1].top) if run else 0.0
        if run and here - middle <= near and here - low <= 1.5 * near:
            run.append(item)
        else:
            if run:
                rows.append(_row(run))
            run, low = [item], here
        middle = here
    if run:
        rows.append(_row(run))
    if parts:
        _put_beside(rows, parts)
    return rows


def _row(items: list[Item]) -> Row:
    items.sort(key=lambda item: (item.left, item.top))
    return Row(median(item.top for item in items), median(item.bottom for item in items), items)


def _put_beside(rows: list[Row], parts: list[Item]) -> None:
    middles = [row.middle for row in rows]
    alone = []
    for part in parts:
        first, end = bisect_left(middles, part.top), bisect_right(middles, part.bottom)
        for row in rows[first:end]:
            row.items.append(part)
        if first == end:
            alone.append(Row(part.top, part.bottom, [part]))
    for row in rows:
        row.items.sort(key=lambda item: (item.left, item.top))
    rows.extend(alone)
    rows.sort(key=lambda row: (row.middle, row.left))


def lines_in(sheet: Sheet, numbers: list[int]) -> list[list[int]]:
    """Words of a cell, line by line."""
    if len(numbers) < 2:
        return [numbers] if numbers else []
    items = [sheet.item([n]) for n in numbers]
    return [[n for item in row.items for n in item.words] for row in rows_of(items)]
