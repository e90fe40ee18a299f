"""Lines of a table -> its rows: a cell may go on over several lines."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from asbuilt.documents.structure.columns import Column, Columns, Placed
from asbuilt.documents.structure.ruled import Rules
from asbuilt.documents.structure.sheet import Sheet
from asbuilt.documents.structure.values import is_value

__all__ = ["is_bold", "logical_rows", "parted_rows", "row_texts", "usual_count", "wraps"]

_CLEAR = 0.2  # heights of a line by which distances differ if they mean something


def row_texts(sheet: Sheet, columns: Columns, groups: Sequence[Sequence[Placed]]) -> list[list[str]]:
    """Texts by row and column; what spans columns is in the first of them."""
    texts = []
    for group in groups:
        words: dict[Column, list[int]] = {column: [] for column in columns.columns}
        for placed in group:
            for over, own in placed.spans:
                words[over[0]] += own
            for column, own in placed.cells.items():
                words[column] += own
        texts.append([sheet.text(words[column]) for column in columns.columns])
    return texts


def usual_count(rows: Sequence[Placed]) -> int:
    """Cells in a row that starts one: the median, where a row counts as often as it has cells."""
    counts = sorted(len(placed.cells) for placed in rows for _ in placed.cells)
    return counts[len(counts) // 2] if counts else 0


def is_bold(sheet: Sheet, group: Sequence[Placed]) -> bool:
    """Whether all words of these lines are bold."""
    words = [n for placed in group for own in placed.cells.values() for n in own]
    words += [n for placed in group for _, own in placed.spans for n in own]
    return bool(words) and all(sheet.words[n].bold for n in words)


def logical_rows(sheet: Sheet, columns: Columns, rules: Rules | None = None) -> list[list[Placed]]:
    """Lines of each row. Where a line is drawn under each row, those part them; else a line with few
    cells goes on with the row above if it is nearer to it than rows are to one another, or, where
    all distances are alike, if its first words would not have fitted on the line above."""
    rows = columns.rows
    bands = None if rules is None else _bands(columns, rules)
    if bands is not None:
        return bands
    gaps = [below.row.top - above.row.bottom for above, below in pairwise(rows)]
    usual = usual_count(rows)
    anchored = [
        gap for gap, placed in zip(gaps, rows[1:], strict=True) if len(placed.cells) >= max(2, 0.6 * usual)
    ]
    pitch = median(anchored) if anchored else 0.0
    groups = [[rows[0]]]
    filled = set(rows[0].cells)
    for above, placed, gap in zip(rows, rows[1:], gaps, strict=False):
        few = len(placed.cells) <= 0.5 * usual and filled.issuperset(placed.cells)
        if few and _goes_on(sheet, above, placed, gap=gap, pitch=pitch):
            groups[-1].append(placed)
        else:
            groups.append([placed])
            filled = set(placed.cells)
    return _headers_joined(sheet, groups, pitch)


def _goes_on(sheet: Sheet, above: Placed, placed: Placed, *, gap: float, pitch: float) -> bool:
    if placed.spans or above.spans:
        return False
    texts = [sheet.text(words) for words in placed.cells.values()]
    if any(map(is_value, texts)) or is_bold(sheet, [above]) != is_bold(sheet, [placed]):
        return False
    clear = _CLEAR * (placed.row.bottom - placed.row.top)
    if abs(gap - pitch) > clear:
        return gap < pitch
    return wraps(sheet, above, placed)


def wraps(sheet: Sheet, above: Placed, placed: Placed) -> bool:
    """Whether the first word of each cell would not have fitted on the line above."""
    for column, words in placed.cells.items():
        before = above.cells.get(column)
        if before is None:
            return False
        first = words[0]
        needed = max(sheet.right[n] for n in before) + sheet.right[first] - sheet.left[first]
        if needed + 0.15 * sheet.size[first] < column.right:
            return False
    return True


def _headers_joined(sheet: Sheet, groups: list[list[Placed]], pitch: float) -> list[list[Placed]]:
    """Lines of names at the top, of cells that take several lines each, made one row."""
    if len(groups) < 3 or pitch <= 0:
        return groups
    first, second = groups[0], groups[1]
    if first[0].spans or second[0].spans:
        return groups
    below = second[0].row
    near = below.top - first[-1].row.bottom < pitch - _CLEAR * (below.bottom - below.top)
    texts = [sheet.text(words) for placed in (*first, *second) for words in placed.cells.values()]
    if near and not any(map(is_value, texts)):
        return [[*first, *second], *groups[2:]]
    return groups


def _bands(columns: Columns, rules: Rules) -> list[list[Placed]] | None:
    """Lines between rules that are drawn under each row; None where there are no such rules."""
    rows, (left, right) = columns.rows, (columns.columns[0].left, columns.columns[-1].right)
    if len(rows) < 2:
        return None
    places = rules.across(left, right, share=0.8)
    groups = [[rows[0]]]
    at = bisect_right(places, rows[0].row.middle)
    for placed in rows[1:]:
        here = bisect_left(places, placed.row.middle)
        if here > at:
            groups.append([])
            at = here
        groups[-1].append(placed)
    # A rule under the header and one under the body do not part rows.
    full = max(len(columns.columns) * 0.6, 2)
    several = [sum(len(placed.cells) >= full for placed in group) > 1 for group in groups[1:]]
    return None if len(several) < 2 or any(several) else groups


def parted_rows(columns: Columns, groups: Sequence[Sequence[Placed]], rules: Rules) -> list[bool]:
    """Whether a rule stands under each row; never where they stand under most."""
    left, right = columns.columns[0].left, columns.columns[-1].right
    places = rules.across(left, right, share=0.7)
    parted = []
    for group, after in pairwise(groups):
        top, bottom = group[-1].row.middle, after[0].row.middle
        parted.append(bisect_right(places, top) < bisect_left(places, bottom))
    few = sum(parted) <= max(1, 0.5 * len(parted))
    return [few and each for each in parted] + [False]
