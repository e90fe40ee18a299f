"""Reading order: a recursive cut along white space.

A region is cut down a gutter where text flows in columns, and across where something spans them. What
stands side by side but is read across (labels and values, a bullet and its text, the lines of a
receipt) is not cut.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median

from asbuilt.documents.structure.ruled import Rules
from asbuilt.documents.structure.sheet import Item, Row, Sheet, rows_of

__all__ = ["Region", "regions"]

_GUTTER = 0.9  # font sizes: the narrowest white space between columns
_MAX_OPEN = 24  # gutters that are followed at a time
_MAX_DEPTH = 24
_PROSE_WORDS = 3.5  # mean words of a line in text that flows
_SECTION = 1.9
"""Line distances of white space across a region that make two sections of what is no prose."""
_LIST_GUTTER = 2.5  # font sizes: rows that are pairs without exception belong together across less
_ACROSS = 0.9  # share of a region's width that a rule between its sections covers
_VALUE = re.compile(r"[^\W\d_]{0,3}[-+(/#]?[$€£¥]?[-+(]?\d[\d.,:/%)-]*[^\W\d_]{0,3}[$€£¥]?")


@dataclass(slots=True)
class Region:
    """Rows that are read from top to bottom, each from left to right."""

    rows: list[Row]


@dataclass(slots=True)
class _Gutter:
    """White space from row `first` to row `last`; `both` of them have text on both sides."""

    left: float
    right: float
    first: int
    last: int
    both: int = 0

    @property
    def width(self) -> float:
        return self.right - self.left


def regions(
    items: Sequence[Item],
    sheet: Sheet,
    rules: Rules,
    *,
    tables: Callable[[list[Row]], list[tuple[int, int, Item]]],
    depth: int = 0,
) -> Iterator[Region]:
    """Regions in reading order. `tables` finds tables without rules among rows: it returns the first
    and the end row of each, and the item that takes their place."""
    rows = rows_of(items)
    if not rows:
        return
    if depth >= _MAX_DEPTH or len(items) < 2:
        yield Region(rows)
        return

    def deeper(part: Sequence[Item]) -> Iterator[Region]:
        return regions(part, sheet, rules, tables=tables, depth=depth + 1)

    gutters = _gutters(rows, sheet)
    gutter = next((each for each in gutters if _flows(rows, each)), None)
    if gutter is None:
        found = tables(rows)
        if found:
            edges = sorted({0, len(rows), *(edge for first, end, _ in found for edge in (first, end))})
            by_row = {first: table for first, _, table in found}
            for first, part in zip(edges, _slices(rows, edges), strict=False):
                if first in by_row:
                    table = by_row[first]
                    yield Region([Row(table.top, table.bottom, [table])])
                else:
                    yield from deeper(part)
            return
    if gutter is None:
        cuts = _sections(rows, sheet, rules)
        if cuts:
            for part in _slices(rows, [0, *cuts, len(rows)]):
                yield from deeper(part)
            return
        gutter = _cut_down(rows, gutters, sheet)
    if gutter is None:
        yield Region(rows)
        return
    middle = (gutter.left + gutter.right) / 2
    above, band, below = _slices(rows, [0, gutter.first, _tail(rows, gutter), len(rows)])
    yield from deeper(above)
    yield from deeper([item for item in band if item.left < middle])
    yield from deeper([item for item in band if item.left >= middle])
    yield from deeper(below)


def _slices(rows: Sequence[Row], edges: Sequence[int]) -> Iterator[list[Item]]:
    """Items of the rows between the edges, each once: a table or figure beside several rows is with
    the first of them."""
    seen: set[int] = set()
    for first, end in pairwise(edges):
        items = [item for item in _items(rows[first:end]) if id(item) not in seen]
        seen.update(map(id, items))
        yield items


def _items(rows: Sequence[Row]) -> list[Item]:
    """Each item once: tables and figures stand in several rows."""
    return list({id(item): item for row in rows for item in row.items}.values())


def _gutters(rows: Sequence[Row], sheet: Sheet) -> list[_Gutter]:
    """Gutters with text on both sides in two rows or more, the longest first.

    One pass down the rows that narrows each open gutter to the white space of the row.
    """
    narrowest = _GUTTER * sheet.body
    left, right = min(row.left for row in rows), max(row.right for row in rows)
    open_gutters: list[_Gutter] = []
    closed: list[_Gutter] = []
    for number, row in enumerate(rows):
        spaces = _spaces(row, left, right)
        narrowed: list[_Gutter] = []
        for gutter in open_gutters:
            parts = [
                (max(gutter.left, start), min(gutter.right, end))
                for start, end in spaces
                if min(gutter.right, end) - max(gutter.left, start) >= narrowest
            ]
            if not parts:
                closed.append(gutter)
                continue
            for start, end in parts:
                both = row.left < start and row.right > end
                last = number if row.left < start or row.right > end else gutter.last
                narrowed.append(_Gutter(start, end, gutter.first, last, gutter.both + both))
        known = {(round(gutter.left, 1), round(gutter.right, 1)) for gutter in narrowed}
        for start, end in spaces:
            fresh = end - start >= narrowest and (round(start, 1), round(end, 1)) not in known
            if fresh and row.left < start and row.right > end:
                narrowed.append(_Gutter(start, end, number, number, 1))
        narrowed.sort(key=lambda gutter: (-gutter.both, gutter.first, -gutter.width, gutter.left))
        closed.extend(narrowed[_MAX_OPEN:])
        open_gutters = narrowed[:_MAX_OPEN]
    found = [gutter for gutter in (*closed, *open_gutters) if gutter.both >= 2]
    found.sort(key=lambda gutter: (-gutter.both, -gutter.width, gutter.first, gutter.left))
    return found[: 2 * _MAX_OPEN]


def _spaces(row: Row, left: float, right: float) -> list[tuple[float, float]]:
    spaces = []
    at = left - 1000.0
    for item in row.items:
        if item.left > at:
            spaces.append((at, item.left))
        at = max(at, item.right)
    spaces.append((at, right + 1000.0))
    return spaces


def _sides(rows: Sequence[Row], gutter: _Gutter) -> tuple[list[Item], list[Item]]:
    items = _items(rows[gutter.first : gutter.last + 1])
    middle = (gutter.left + gutter.right) / 2
    return [item for item in items if item.left < middle], [item for item in items if item.left >= middle]


def _flows(rows: Sequence[Row], gutter: _Gutter) -> bool:
    """Whether text flows in columns on both sides: whole lines of words, most of them full."""
    if gutter.both < 3:
        return False
    return all(_is_prose(side) for side in _sides(rows, gutter))


def _is_prose(items: Sequence[Item]) -> bool:
    lines = [item for item in items if item.part is None]
    if len(lines) < 3:
        return False
    # Half of the lines are long ones, and few rows have more than one of them.
    widths = sorted(item.width for item in lines)
    full = widths[int(0.9 * (len(widths) - 1))]
    long = sum(item.width >= 0.8 * full for item in lines)
    words = sum(len(item.words) for item in lines)
    return words >= _PROSE_WORDS * len(lines) and long >= 0.45 * len(lines)


def _is_read_across(rows: Sequence[Row], gutter: _Gutter, sheet: Sheet) -> bool:
    """Whether rows are pairs: a label and its value, a number or bullet and its text."""
    middle = (gutter.left + gutter.right) / 2
    told = bullets = pairs = lefts = rights = 0
    for row in rows[gutter.first : gutter.last + 1]:
        left = [item for item in row.items if item.left < middle and item.part is None]
        right = [item for item in row.items if item.left >= middle and item.part is None]
        lefts += bool(left)
        rights += bool(right)
        if not left or not right:
            continue
        pairs += 1
        near, first = left[-1], right[0]
        bullets += sum(len(sheet.words[n].text) for n in near.words) <= 3
        told += (
            sheet.words[near.words[-1]].text.endswith(":")
            or (sheet.is_bold(near.words) and not sheet.is_bold(first.words))
            or _is_valued(sheet, first)
        )
    if pairs == lefts == rights and pairs > 2 and gutter.width < _LIST_GUTTER * sheet.body:
        return True
    if pairs < 0.6 * rights and not bullets > 0.6 * pairs:
        return False
    return max(told, bullets) >= 0.5 * pairs


def _cut_down(rows: Sequence[Row], gutters: Sequence[_Gutter], sheet: Sheet) -> _Gutter | None:
    """The first gutter that parts columns; where rows are read across one, they are across its parts."""
    across: list[_Gutter] = []
    for gutter in gutters:
        if any(
            each.first <= gutter.first
            and gutter.last <= each.last
            and min(each.right, gutter.right) > max(each.left, gutter.left)
            for each in across
        ):
            continue
        if not _is_read_across(rows, gutter, sheet):
            return gutter
        across.append(gutter)
    return None


def _is_valued(sheet: Sheet, item: Item) -> bool:
    """Whether an item is a value, or several with few words between."""
    values = sum(_VALUE.fullmatch(sheet.words[n].text) is not None for n in item.words)
    return values > 0 and (len(item.words) <= 3 or values >= 0.5 * len(item.words))


def _sections(rows: Sequence[Row], sheet: Sheet, rules: Rules) -> list[int]:
    """Rows before which white space runs across, much higher than a line, or a rule does."""
    if len(rows) < 2:
        return []
    tops = [min(item.top for item in row.items) for row in rows]
    bottoms = list(accumulate((max(item.bottom for item in row.items) for row in rows), max))
    height = max(median(row.bottom - row.top for row in rows), sheet.body)
    left, right = min(row.left for row in rows), max(row.right for row in rows)
    drawn = rules.across(left, right, share=_ACROSS)
    middles = [row.middle for row in rows]
    return [
        n
        for n in range(1, len(rows))
        if tops[n] - bottoms[n - 1] > (_SECTION - 1) * height
        or (
            bisect_right(drawn, middles[n - 1]) < bisect_left(drawn, middles[n])
            and tops[n] - bottoms[n - 1] > -0.4 * height
        )
    ]


def _tail(rows: Sequence[Row], gutter: _Gutter) -> int:
    """The row after the band of a gutter. Rows with text on its left alone, after the last with both,
    belong to the left column as long as they follow without a gap."""
    middle = (gutter.left + gutter.right) / 2
    sides = [
        (any(item.left < middle for item in row.items), any(item.left >= middle for item in row.items))
        for row in rows[gutter.first : gutter.last + 1]
    ]
    both = max(number for number, side in enumerate(sides) if all(side))
    end = gutter.first + both + 1
    while end <= gutter.last:
        gap = rows[end].top - rows[end - 1].bottom
        if sides[end - gutter.first][0] and gap > 0.9 * (rows[end].bottom - rows[end].top):
            break
        end += 1
    return end
