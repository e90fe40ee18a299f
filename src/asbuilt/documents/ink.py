"""What is drawn on a page besides its words: lines and pictures, found in its pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from asbuilt.pages import Box, Ruling, Word
from asbuilt.roles import Image

__all__ = ["has_ink", "pictures", "rulings"]

Grey = NDArray[np.uint8]
Mask = NDArray[np.uint8]
"""1 where something is, 0 elsewhere."""

# Lengths on paper, in inches.
_SHORTEST_LINE = 0.22
_THICKEST_LINE = 0.045
_BREAK = 0.1
_FLAW = 0.035
_SHORT_LINE = 0.5
_LONG_LINE = 2.0
_WHOLE = 0.95
"""Share of its length on which a line without gaps has ink."""
_SMALLEST_PICTURE = 0.3
_LOOK_DPI = 75.0
_LINE_DPI = 250.0
_SHADE = 14
"""Levels of grey by which a line differs from the paper beside it."""
_CONTRAST = 40


def rulings(image: Image, *, dpi: float) -> tuple[Ruling, ...]:
    """Horizontal and vertical lines that were drawn, broken, thin and grey ones too, top to bottom.

    Of an upright picture; a line may be tilted by a degree. Not the strokes of letters.
    """
    import cv2

    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    if dpi > _LINE_DPI:
        scale = _LINE_DPI / dpi
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
        return tuple(Ruling(*(edge / scale for edge in line)) for line in _rulings(grey, _LINE_DPI))
    return _rulings(grey, dpi)


def pictures(
    image: Image, words: Sequence[Word], *, dpi: float, lines: Sequence[Ruling] | None = None
) -> tuple[Box, ...]:
    """Photographs, logos, stamps, drawings: regions with ink that `words` do not account for.

    Words inside of a picture, a logo's or a chart's, do not hide it. `lines` are what `rulings` found,
    where that is known already.
    """
    import cv2

    scale = min(1.0, _LOOK_DPI / dpi)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    # Paper is the lightest around, over more than a letter and less than a page.
    reach = np.ones((round(0.5 * dpi * scale) | 1,) * 2, np.uint8)
    paper = cv2.blur(cv2.morphologyEx(small, cv2.MORPH_CLOSE, reach), reach.shape)
    ink = (cv2.subtract(paper, small).max(axis=2) > _CONTRAST).astype(np.uint8)
    margin = 0.02 * dpi
    for word in words:
        _fill(ink, word.box.grown(margin), scale, 0)
    for line in rulings(image, dpi=dpi) if lines is None else lines:
        around = Box(line.x0, line.y0, line.x1, line.y1).grown(line.width / 2 + 2 / scale)
        _fill(ink, around, scale, 0)
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((round(0.12 * dpi * scale) | 1,) * 2, np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    least = _SMALLEST_PICTURE * dpi * scale
    found: list[Box] = []
    for number in range(1, count):
        left, top, width, height, _ = stats[number].tolist()
        part = labels[top : top + height, left : left + width] == number
        share = float(ink[top : top + height, left : left + width][part].mean())
        if min(width, height) >= least and part.mean() >= 0.06 and share >= 0.12:
            found.append(Box(*(edge / scale for edge in (left, top, left + width, top + height))))
    return tuple(sorted(_outermost(found), key=lambda box: (box.top, box.left)))


def has_ink(image: Image, box: Box) -> bool:
    """Whether anything can be seen in `box`, given in pixels."""
    left, top = max(0, int(box.left)), max(0, int(box.top))
    part = image[top : max(top, int(np.ceil(box.bottom))), left : max(left, int(np.ceil(box.right)))]
    if part.size == 0:
        return False
    levels = part.reshape(-1, 3).astype(np.int16)
    away = np.abs(levels - np.median(levels, axis=0)).max(axis=1)
    return int(np.count_nonzero(away > _CONTRAST)) >= max(3, 0.005 * len(levels))


def _rulings(grey: Grey, dpi: float) -> tuple[Ruling, ...]:
    import cv2

    block = max(3, round(0.12 * dpi)) | 1
    dark = cv2.adaptiveThreshold(grey, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, block, _SHADE)
    mask = np.asarray(dark, np.uint8)
    across = [Ruling(x0, y0, x1, y1, width) for x0, y0, x1, y1, width in _lines(mask, grey, dpi)]
    turned = np.ascontiguousarray(mask.T), np.ascontiguousarray(grey.T)
    down = [Ruling(y0, x0, y1, x1, width) for x0, y0, x1, y1, width in _lines(*turned, dpi)]
    return tuple(sorted((*across, *down), key=lambda line: (line.y0, line.x0, line.y1, line.x1)))


def _lines(dark: Mask, grey: Grey, dpi: float) -> list[tuple[float, float, float, float, float]]:
    """Horizontal lines as x0, y0, x1, y1, thickness; breaks joined."""
    import cv2

    thickest = max(2, round(_THICKEST_LINE * dpi))
    shortest = max(8, round(_SHORTEST_LINE * dpi))
    thick = cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((thickest + 1, thickest + 1), np.uint8))
    thin = cv2.subtract(dark, cv2.dilate(thick, np.ones((3, 3), np.uint8)))
    # One pixel more in height bridges the steps of a tilted line, a few in width its flaws.
    solid = cv2.dilate(thin, np.ones((3, 1), np.uint8))
    solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((1, max(3, round(_FLAW * dpi))), np.uint8))
    runs = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((1, shortest), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(runs, connectivity=8)
    found: list[tuple[float, float, float, float, float]] = []
    for number in range(1, count):
        left, top, width, height, _ = stats[number].tolist()
        rows = slice(top, top + height)
        own = labels[rows, left : left + width] == number
        fit = _fitted(own & (thin[rows, left : left + width] > 0), left, top)
        if fit is None:
            continue
        line = (*fit, _thickness(grey[max(0, top - 2) : top + height + 2, left : left + width]))
        if width >= 5 * line[4] <= 5 * thickest and _stands_free(dark, line, dpi):
            found.append(line)
    return _joined(found, dpi)


def _fitted(ink: NDArray[np.bool_], left: int, top: int) -> tuple[float, float, float, float] | None:
    """The straight line through the ink of a run, as x0, y0, x1, y1. None when it bends or has gaps."""
    y, x = np.nonzero(ink)
    if len(x) < 4:
        return None
    filled = np.count_nonzero(ink.any(axis=0))
    if filled < 0.5 * ink.shape[1]:
        return None
    slope, height = (float(each) for each in np.polyfit(x, y, 1)) if ink.shape[0] > 1 else (0.0, 0.0)
    thickness = len(x) / float(filled)
    off = np.abs(y - (slope * x + height))
    if abs(slope) > 0.03 or np.percentile(off, 90) > thickness / 2 + 1.0:
        return None
    first, last = float(x.min()), float(x.max())
    return (
        left + first,
        top + 0.5 + slope * first + height,
        left + last + 1,
        top + 0.5 + slope * last + height,
    )


def _thickness(strip: Grey) -> float:
    """Of a line along `strip`, which holds its blur and some paper too: all its darkness at full strength."""
    levels = strip.astype(np.float64)
    paper, full = np.percentile(levels, 90), np.percentile(levels.min(axis=0), 25)
    return float(max(1.0, (paper - levels).clip(0).sum(axis=0).mean() / max(1.0, paper - full)))


def _stands_free(dark: Mask, line: tuple[float, float, float, float, float], dpi: float) -> bool:
    """Not a row of letters: these have gaps, and stems beside them. A long line without gaps may have
    anything beside it; a broken or short one hardly any ink."""
    x0, y0, x1, y1, thickness = line
    columns = np.arange(int(x0), int(x1))
    middle = y0 - 0.5 + (y1 - y0) * (columns - x0) / (x1 - x0)

    def along(low: float, high: float) -> Mask:
        """Rows of the picture from `low` to `high` below the line, following its tilt."""
        rows = np.arange(low, high + 0.5)[:, None] + middle
        inside = rows.round().clip(0, dark.shape[0] - 1).astype(np.int64)
        return np.asarray(dark[inside, columns])

    half = thickness / 2
    whole = float(along(-half, half).any(axis=0).mean()) >= _WHOLE
    if whole and x1 - x0 >= _LONG_LINE * dpi:
        return True
    near, far = half + 1.5, half + 0.5 + max(2.0, 0.015 * dpi)
    beside = max(float(along(-far, -near).mean()), float(along(near, far).mean()))
    return beside < (0.2 if whole and x1 - x0 >= _SHORT_LINE * dpi else 0.06)


def _joined(
    lines: list[tuple[float, float, float, float, float]], dpi: float
) -> list[tuple[float, float, float, float, float]]:
    """Pieces on one line, a short break apart, as one."""
    found: list[tuple[float, float, float, float, float]] = []
    for line in sorted(lines):
        for at, other in enumerate(found):
            gap = line[0] - other[2]
            level = abs(line[1] - other[3]) <= 0.5 * (line[4] + other[4]) + 1.5
            if level and -0.05 * dpi <= gap <= _BREAK * dpi:
                width = max(line[4], other[4])
                found[at] = (other[0], other[1], max(line[2], other[2]), line[3], width)
                break
        else:
            found.append(line)
    return found


def _fill(mask: Mask, box: Box, scale: float, value: int) -> None:
    left, top = (max(0, int(edge * scale)) for edge in box[:2])
    right, bottom = (max(0, int(np.ceil(edge * scale))) for edge in box[2:])
    mask[top:bottom, left:right] = value


def _outermost(boxes: Iterable[Box]) -> list[Box]:
    """Without those that lie for the most part in a larger one."""
    found: list[Box] = []
    for box in sorted(boxes, key=lambda each: -each.area):
        if all(box.overlap(other) < 0.6 * box.area for other in found):
            found.append(box)
    return found
