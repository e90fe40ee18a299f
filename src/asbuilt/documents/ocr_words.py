"""A line's picture and its characters -> words with tight boxes.

The recogniser says what the characters are and roughly where; the ink says exactly where they end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from asbuilt.documents.ocr_decode import Glyph
from asbuilt.pages import Box

__all__ = ["LineWord", "line_ink", "line_words"]

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_APART = 1.4
_OF_BLANKS = 0.75
_OF_HEIGHT = 0.5
_FAR, _FAR_WITH = 0.95, 0.8
"""The recogniser hardly ever misses a blank. Where it read none, words are divided at a gap in the ink
that is as wide as `_OF_BLANKS` of the line's blanks (`_OF_HEIGHT` of its ink's height when it has none),
between characters whose middles are `_APART` times as far apart as usual and `_FAR_WITH` (or `_FAR`) of
that height: a 1 has wide gaps, and in a fixed pitch so has each narrow character. Where the middles
are, is known to half a step."""


@dataclass(frozen=True, slots=True)
class LineWord:
    """Characters [first, end) of a line, and their box in the line's picture."""

    first: int
    end: int
    box: Box


def line_ink(grey: Grey) -> Mask:
    """Which pixels of a line's picture are its text: not rulings, not parts of the lines above or below."""
    import cv2

    _, dark = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
    if dark.mean() > 0.5:
        dark = 1 - dark
    height, width = grey.shape
    count, labels, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    keep = np.zeros(count, np.bool_)
    if count > 1:
        left, top, wide, high, area = stats[1:].T
        bottom = top + high
        touches = (top == 0) | (bottom == height)
        outside = touches & ((bottom < 0.3 * height) | (top > 0.7 * height))
        ruling = ((wide > 4 * height) & (high < 0.25 * height)) | (
            (high >= height - 1) & (wide < 0.2 * height)
        )
        at_edge = ((left == 0) | (left + wide == width)) & (high > 0.9 * height)
        keep[1:] = ~outside & ~ruling & ~at_edge & (area >= 3)
    return np.asarray(keep[labels])


def line_words(glyphs: Sequence[Glyph], ink: Mask, *, step: float) -> list[LineWord]:
    """Words of a line. `step` is the width of a time step in pixels of `ink`.

    Characters are divided where a blank was read and where the ink has a clear gap. A word without
    any ink of its own has the box that its time steps give.
    """
    columns, rows = _present(ink)
    height = _extent(rows)
    size = height[1] - height[0] if height else ink.shape[0]
    groups = _divided(glyphs, columns, step=step, size=size)
    edges = [0]
    for before, after in pairwise(groups):
        low, high = glyphs[before[1] - 1].middle * step, glyphs[after[0]].middle * step
        start, end = _widest_gap(columns, low, high) or ((low + high) / 2, (low + high) / 2)
        edges.append(round((start + end) / 2))
    edges.append(len(columns))
    return [
        LineWord(first, end, _box(ink, edges[at], edges[at + 1], glyphs[first:end], step))
        for at, (first, end) in enumerate(groups)
    ]


def _divided(glyphs: Sequence[Glyph], columns: Mask, *, step: float, size: int) -> list[tuple[int, int]]:
    """Ranges of characters between blanks, read or seen."""
    solid = [at for at, glyph in enumerate(glyphs) if not glyph.text.isspace()]
    if not solid:
        return []
    pairs = list(pairwise(solid))
    read = [there > here + 1 for here, there in pairs]
    apart = [(glyphs[there].middle - glyphs[here].middle) * step for here, there in pairs]
    gaps = [
        _widest_gap(columns, glyphs[here].middle * step, glyphs[there].middle * step) for here, there in pairs
    ]
    widths = [gap[1] - gap[0] if gap else 0 for gap in gaps]
    blanks = [width for width, blank in zip(widths, read, strict=True) if blank]
    usual = [distance for distance, blank in zip(apart, read, strict=True) if not blank]
    clear = _OF_BLANKS * float(np.median(blanks)) if blanks else _OF_HEIGHT * size
    far = max(_APART * float(np.median(usual)) if usual else 0.0, (_FAR_WITH if blanks else _FAR) * size)
    groups: list[tuple[int, int]] = []
    first = solid[0]
    for (here, there), blank, width, distance in zip(pairs, read, widths, apart, strict=True):
        if blank or (width >= clear and distance >= far + step / 2):
            groups.append((first, here + 1))
            first = there
    return [*groups, (first, solid[-1] + 1)]


def _widest_gap(columns: Mask, low: float, high: float) -> tuple[int, int] | None:
    """The widest run of columns without ink between two places."""
    start = max(0, int(low))
    part = columns[start : max(start, int(np.ceil(high)))]
    if part.all():
        return None
    edges = np.flatnonzero(np.diff(np.concatenate(([True], part, [True])).astype(np.int8)))
    runs = edges.reshape(-1, 2)
    first, end = runs[np.argmax(runs[:, 1] - runs[:, 0])].tolist()
    return start + first, start + end


def _present(ink: Mask) -> tuple[Mask, Mask]:
    """Columns and rows with ink."""
    return np.asarray(ink.any(axis=0)), np.asarray(ink.any(axis=1))


def _extent(present: Mask) -> tuple[int, int] | None:
    """From the first to after the last."""
    found = np.flatnonzero(present)
    return (int(found[0]), int(found[-1]) + 1) if len(found) else None


def _box(ink: Mask, start: int, end: int, word: Sequence[Glyph], step: float) -> Box:
    part = ink[:, start:end]
    columns, rows = _present(part)
    across, down = _extent(columns), _extent(rows)
    if across is None or down is None:
        return Box(word[0].first * step, 0.0, word[-1].end * step, float(ink.shape[0]))
    return Box(float(start + across[0]), float(down[0]), float(start + across[1]), float(down[1]))
