"""Where lines of text are: the detector's map of probabilities -> rectangles.

The map is that of differentiable binarization (Liao et al. 2020, arXiv 1911.08947): regions above a
threshold, shrunk by training, are grown back by area * ratio / perimeter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asbuilt.roles import Image

__all__ = ["TextLine", "detect_lines"]

_THRESHOLD = 0.3
_MIN_MEAN = 0.5
_GROWTH = 1.6
_MIN_SIDE = 3.0
_MULTIPLE = 32

_LETTER = 8
"""Pixels of height that letters keep at least when the detector's picture is made smaller."""
_MOST_PIXELS = 3_000_000
"""Of that picture: each takes about 250 bytes while the detector works."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """A rectangle around a line: centre, sides and angle (degrees clockwise, -45 to 45), in pixels."""

    x: float
    y: float
    width: float
    height: float
    angle: float


def detect_lines(session: Any, image: Image) -> list[TextLine]:
    """Lines of `image` in no order."""
    import cv2

    height, width = image.shape[:2]
    scale = _scale(image)
    sides = [max(_MULTIPLE, round(side * scale / _MULTIPLE) * _MULTIPLE) for side in (width, height)]
    small = cv2.resize(image, sides, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    values = small[None, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32) * (2 / 255) - 1
    text = session.run(None, {"x": np.ascontiguousarray(values)})[0][0, 0]
    return _rectangles(text, width / sides[0], height / sides[1])


def _scale(image: Image) -> float:
    """How much smaller the picture may be: the time goes with the area, and large letters are found
    just as well. Small ones are enlarged a little."""
    import cv2

    most = math.sqrt(_MOST_PIXELS / (image.shape[0] * image.shape[1]))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    ink = cv2.adaptiveThreshold(grey, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 31, 15)
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    heights = stats[1:, cv2.CC_STAT_HEIGHT]
    widths = stats[1:, cv2.CC_STAT_WIDTH]
    letters = heights[(heights >= 5) & (heights <= 120) & (widths <= 4 * heights)]
    if len(letters) < 20:
        return min(1.0, most)
    return min(most, max(0.4, min(_LETTER / float(np.percentile(letters, 25)), 1.5)))


def _rectangles(text: NDArray[np.float32], x_scale: float, y_scale: float) -> list[TextLine]:
    import cv2

    mask = (text > _THRESHOLD).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    lines: list[TextLine] = []
    for contour in contours:
        (x, y), (width, height), angle = cv2.minAreaRect(contour)
        if min(width, height) < _MIN_SIDE or _mean_inside(text, contour) < _MIN_MEAN:
            continue
        while angle > 45:
            width, height, angle = height, width, angle - 90
        while angle < -45:
            width, height, angle = height, width, angle + 90
        growth = width * height * _GROWTH / (2 * (width + height))
        # The two scales differ by less than a rounding to 32 pixels: the angle stays as it is.
        lines.append(
            TextLine(
                (x + 0.5) * x_scale,
                (y + 0.5) * y_scale,
                (width + 1 + 2 * growth) * x_scale,
                (height + 1 + 2 * growth) * y_scale,
                angle,
            )
        )
    return lines


def _mean_inside(text: NDArray[np.float32], contour: Any) -> float:
    import cv2

    left, top, width, height = cv2.boundingRect(contour)
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [contour - (left, top)], 1)
    return float(cv2.mean(text[top : top + height, left : left + width], inside)[0])
