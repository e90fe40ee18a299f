"""Words -> runs: words that follow one another on a baseline, with no gap as wide as a column's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from asbuilt.documents.structure.sheet import Item, Sheet
from asbuilt.documents.structure.values import is_value

__all__ = ["NARROW_GAP", "joined_runs", "runs_of", "usual_blank", "values_parted"]

NARROW_GAP = 0.62  # the same between rules, where a table is likely
_GAP = 0.95
"""Font sizes between two words from which they may stand in two columns. A blank is 0.25 wide, and three
times as much where a line is set out to both margins."""
_FIXED_GAP = 1.8
"""The same in fixed pitch, in characters. One blank is up to 1.7 wide from ink to ink, two are 2 or more."""
_CLEAR_GAP, _BLANKS = (
    0.62,
    2.4,
)  # font sizes, and blanks of the same line: a narrower gap that parts all the same
_VALUE_GAP, _VALUE_BLANKS = 0.5, 1.6  # the same beside numbers, and in blanks of the page
_OVERLAP = 0.45
"""Share of the smaller height that neighbours on a line share: enough for super- and subscripts, too
much for letters of lines that touch."""
_MIXED = 1.4  # ratio of font sizes from which the smaller one decides what a gap is
_HIGHER = 2.2  # ratio of heights: what is higher stands beside several lines, as an initial does
_TALL = 40  # bins: taller words are letters at the start of a chapter, or run up the page


def runs_of(sheet: Sheet, numbers: list[int], *, gap: float = _GAP) -> list[Item]:
    """Runs of these words, each from left to right, in no particular order. `gap` (font sizes) parts
    them where the page is not in fixed pitch; there two blanks do.

    One pass from left to right over horizontal bins that remember the last word in them, so that the
    time does not depend on how words lie.
    """
    if not numbers:
        return []
    left, top, right, bottom = sheet.left, sheet.top, sheet.right, sheet.bottom
    size, gap = (sheet.size, gap) if sheet.advance is None else (sheet.advance, _FIXED_GAP)
    heights = sorted(bottom[n] - top[n] for n in numbers)
    step = max(1.0, heights[len(heights) // 2] / 3)
    last: dict[int, int] = {}
    parent = {n: n for n in numbers}

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    for n in sorted(numbers, key=lambda n: (left[n], top[n], n)):
        height = bottom[n] - top[n]
        low = int((top[n] + 0.2 * height) // step)
        bins = range(low, min(int((bottom[n] - 0.2 * height) // step), low + _TALL) + 1)
        for other in sorted({last[b] for b in bins if b in last}):
            small, large = sorted((size[n], size[other]))
            if left[n] - right[other] > gap * (small if large > _MIXED * small else (small + large) / 2):
                continue
            less, more = sorted((height, bottom[other] - top[other]))
            shared = min(bottom[n], bottom[other]) - max(top[n], top[other])
            if shared >= _OVERLAP * less and more <= _HIGHER * less:
                parent[root(n)] = root(other)
        for b in bins:
            if b not in last or right[last[b]] <= right[n]:
                last[b] = n
    runs: dict[int, list[int]] = {}
    for n in sorted(numbers, key=lambda n: (left[n], top[n], n)):
        runs.setdefault(root(n), []).append(n)
    return [sheet.item(part) for run in runs.values() for part in _parted(sheet, run)]


def _parted(sheet: Sheet, run: list[int]) -> Iterator[list[int]]:
    """A run, parted where a gap is far wider than its blanks; in a line that is set out to both margins
    all of them are wide. In fixed pitch no run has two blanks."""
    gaps = [sheet.left[after] - sheet.right[before] for before, after in pairwise(run)]
    if len(gaps) < 2 or sheet.advance is not None:
        yield run
        return
    blank = sorted(gaps)[len(gaps) // 4]
    first = 0
    for number, gap in enumerate(gaps, start=1):
        size = min(sheet.size[run[number - 1]], sheet.size[run[number]])
        if gap > _CLEAR_GAP * size and gap > _BLANKS * blank:
            yield run[first:number]
            first = number
    yield run[first:]


def values_parted(sheet: Sheet, run: Item) -> list[Item]:
    """A run with several values, parted where a gap beside one is wider than the page's blanks: the
    columns of a table stand close there."""
    words = run.words
    values = [is_value(sheet.words[n].text) for n in words]
    if sum(values) < 2:
        return [run]
    wide = _VALUE_BLANKS * sheet.blank
    starts = [
        place
        for place in range(1, len(words))
        if (values[place] or values[place - 1])
        and sheet.left[words[place]] - sheet.right[words[place - 1]] > max(wide, _VALUE_GAP * run.size)
    ]
    return [sheet.item(words[first:end]) for first, end in pairwise([0, *starts, len(words)])]


def usual_blank(sheet: Sheet, runs: list[Item]) -> float:
    """The median distance of words in runs, in points."""
    gaps = [sheet.left[after] - sheet.right[before] for run in runs for before, after in pairwise(run.words)]
    return max(0.0, median(gaps)) if gaps else sheet.blank


def joined_runs(sheet: Sheet, items: list[Item]) -> list[int]:
    """Words of runs on one line, in order."""
    return sorted((n for item in items for n in item.words), key=lambda n: (sheet.left[n], sheet.top[n], n))
