"""A crop, read again: the words inside the boxes alone, by one reader after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from asbuilt.extraction.crops import CROP_DPI
from asbuilt.pages import Box, Word
from asbuilt.roles import Image, Ocr

__all__ = ["readings"]

_PAD = 48
"""Pixels of background around what is read: detectors miss text that touches the edge."""
_AROUND_PT = 1.5
"""Around the boxes, for strokes that a box cuts off."""


def readings(crop: Image, boxes: Sequence[Box], origin: Box, readers: Sequence[Ocr]) -> Iterator[str]:
    """What each reader sees there, then what it sees with its surroundings, until the caller is content.

    `boxes` and the corner `origin` of the crop are in points of the page.
    """
    scale = CROP_DPI / 72
    places = [
        Box(*((edge - origin[side % 2]) * scale for side, edge in enumerate(box.grown(_AROUND_PT))))
        for box in boxes
    ]
    alone = _only(crop, places)
    for reader in readers:
        yield _text(reader.recognize(_padded(alone), dpi=CROP_DPI))
    for reader in readers:
        words = reader.recognize(_padded(crop), dpi=CROP_DPI)
        yield _text(word for word in words if _inside(word, places))


def _only(crop: Image, places: Sequence[Box]) -> Image:
    """The crop with what lies outside of the boxes painted over."""
    kept = np.zeros(crop.shape[:2], bool)
    for left, top, right, bottom in places:
        kept[max(0, int(top)) : max(0, int(bottom) + 1), max(0, int(left)) : max(0, int(right) + 1)] = True
    alone = crop.copy()
    alone[~kept] = _ground(crop)
    return alone


def _padded(crop: Image) -> Image:
    height, width = crop.shape[:2]
    padded = np.empty((height + 2 * _PAD, width + 2 * _PAD, 3), np.uint8)
    padded[:] = _ground(crop)
    padded[_PAD:-_PAD, _PAD:-_PAD] = crop
    return padded


def _ground(crop: Image) -> Any:
    """The background: the median colour, as ink covers less than half of any text."""
    return np.median(crop.reshape(-1, 3), axis=0).astype(np.uint8)


def _inside(word: Word, places: Sequence[Box]) -> bool:
    x, y = (word.box.left + word.box.right) / 2 - _PAD, (word.box.top + word.box.bottom) / 2 - _PAD
    return any(box.left <= x <= box.right and box.top <= y <= box.bottom for box in places)


def _text(words: Any) -> str:
    return " ".join(word.text for word in words)
