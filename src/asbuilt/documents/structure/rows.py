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

__all__ = ["gap_between", "is_bold", "logical_rows", "parted_rows", "row_texts", "usual_count", "wraps"]

_FULL_LINE = 0.85  # share of a column's width
_JUMPS = 3  # distances that may part rows
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


def gap_between(above: Placed, below: Placed) -> float:
    """Points between the lowest word of a line and the highest of the next; lines overlap where a cell
    of several lines stands beside one with a single line."""
    return min(item.top for item in below.row.items) - max(item.bottom for item in above.row.items)


def usual_count(rows: Sequence[Placed]) -> int:
    """Cells in a row that is no mere line of one: more have few rows only, if each row counts as often as
    it has cells."""
    counts = sorted(len(placed.cells) for placed in rows for _ in placed.cells)
    return counts[int(0.7 * (len(counts) - 1))] if counts else 0


def is_bold(sheet: Sheet, group: Sequence[Placed]) -> bool:
    """Whether all words of these lines are bold."""
    words = [n for placed in group for own in placed.cells.values() for n in own]
    words += [n for placed in group for _, own in placed.spans for n in own]
    return bool(words) and all(sheet.words[n].bold for n in words)


def logical_rows(sheet: Sheet, columns: Columns, rules: Rules | None = None) -> list[list[Placed]]:
    """Lines of each row. Where a line is drawn under each row, those part them. Else a row has one line
    with most of its cells; lines with few of them go on with it if they are nearer to it than rows are
    to one another, or, where all distances are alike, if their first words would not have fitted on
    the line above."""
    rows = columns.rows
    bands = None if rules is None else _bands(columns, rules)
    if bands is not None:
        return bands
    apart = _by_distance(sheet, columns)
    if apart is not None:
        return apart
    usual = usual_count(rows)
    full = [n for n, placed in enumerate(rows) if len(placed.cells) > 0.5 * usual or placed.spans] or [0]
    gaps = [gap_between(above, below) for above, below in pairwise(rows)]
    between = [max(gaps[above:below]) for above, below in pairwise(full)]
    pitch = median(between) if between else 0.0
    start = _cut(sheet, rows, gaps, 0, full[0]) if full[0] else 0
    groups = [[placed] for placed in rows[:start]]
    for above, below in pairwise([*full, len(rows)]):
        cut = _cut(sheet, rows, gaps, above + 1, below) if below < len(rows) else below
        group = list(rows[start : above + 1])
        filled = {column for placed in group for column in placed.cells}
        for number in range(above + 1, cut):
            placed, gap = rows[number], gaps[number - 1]
            if filled.issuperset(placed.cells) and _goes_on(sheet, rows[number - 1], placed, gap, pitch):
                group.append(placed)
            else:
                groups.append(group)
                group, filled = [placed], set(placed.cells)
        groups.append(group)
        start = cut
    return _headers_joined(sheet, groups, pitch)


def _by_distance(sheet: Sheet, columns: Columns) -> list[list[Placed]] | None:
    """Lines grouped where distances are of two kinds, within rows and between them; None where they are
    not, or where a group would have two values below one another."""
    rows = columns.rows
    gaps = [gap_between(above, below) for above, below in pairwise(rows)]
    if len(gaps) < 2:
        return None
    kinds = sorted(gaps)
    jumps = sorted(((after - before, before) for before, after in pairwise(kinds)), reverse=True)
    clear = _CLEAR * median(placed.row.bottom - placed.row.top for placed in rows)
    best: tuple[float, list[list[Placed]]] | None = None
    for jump, within in jumps[:_JUMPS]:
        if jump < clear:
            break
        ends = [n + 1 for n, gap in enumerate(gaps) if gap > within]
        groups = [rows[first:end] for first, end in pairwise([0, *ends, len(rows)])]
        full = _share_of_full(columns, groups)
        if (
            full >= 0.5
            and (best is None or full > best[0])
            and all(_is_one_row(sheet, group) for group in groups)
        ):
            best = full, groups
    return None if best is None else best[1]


def _is_one_row(sheet: Sheet, group: Sequence[Placed]) -> bool:
    """Whether no cell has two values, or is one below a name."""
    if len(group) == 1:
        return True
    if any(placed.spans for placed in group):
        return False
    seen: set[Column] = set()
    valued: set[Column] = set()
    for placed in group:
        for column, words in placed.cells.items():
            if is_value(sheet.text(words)):
                if column in seen:
                    return False
                valued.add(column)
            elif column in valued:
                return False
            seen.add(column)
    return len(seen) > 1


def _share_of_full(columns: Columns, groups: Sequence[Sequence[Placed]]) -> float:
    """Share of the groups that have words in most columns."""
    full = sum(
        len({column for placed in group for column in placed.cells}) >= 0.6 * len(columns.columns)
        for group in groups
    )
    return full / len(groups)


def _cut(sheet: Sheet, rows: Sequence[Placed], gaps: Sequence[float], first: int, full: int) -> int:
    """The first of the lines from `first` on that belong to the row whose main line is `full`: cells
    that are set in the middle of their row begin above it, and go on below."""
    start = full
    few = len(rows[full].cells) / 2
    below = rows[full + 1].cells if full + 1 < len(rows) and len(rows[full + 1].cells) <= few else {}
    while start > first:
        placed = rows[start - 1]
        if placed.spans or any(is_value(sheet.text(words)) for words in placed.cells.values()):
            break
        if not all(column in below for column in placed.cells):
            break
        start -= 1
    lines = full - start
    after = rows[full + 1 : full + 1 + lines]
    even = len(after) == lines and all(
        len(placed.cells) <= few and not rows[start].cells.keys().isdisjoint(placed.cells) for placed in after
    )
    if not lines or not even:
        return full
    # As many lines above as below, and the widest distance of all is above the first of them.
    widest = max(gaps[max(0, first - 1) : full])
    if start == 0:
        return start
    return start if gaps[start - 1] >= widest - 0.01 else full


def _goes_on(sheet: Sheet, above: Placed, placed: Placed, gap: float, pitch: float) -> bool:
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
    """Whether the first word of each cell would not have fitted on the line above. One in capitals may
    as well begin a row, unless that line is as good as full."""
    for column, words in placed.cells.items():
        before = above.cells.get(column)
        if before is None:
            return False
        first, end = words[0], max(sheet.right[n] for n in before)
        if end + sheet.right[first] - sheet.left[first] + 0.15 * sheet.size[first] < column.right:
            return False
        full = end - column.left >= _FULL_LINE * (column.right - column.left)
        if sheet.words[first].text[0].isupper() and not full:
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
    near = gap_between(first[-1], second[0]) < pitch - _CLEAR * (below.bottom - below.top)
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
