"""Where a word's type would stand, from its ink.

OCR boxes end where the ink does, so that "on" is half as high as "pg" and a dash is a speck. For rows,
gaps and sizes a word needs the box of its type: from ascent to descent of the font, whatever letters
it has. The shares of the font size are those of common Latin text faces.
"""

from __future__ import annotations

from typing import NamedTuple

from asbuilt.pages import Box

__all__ = ["TypeBox", "type_box"]

_CAP, _X, _T = 0.72, 0.51, 0.62  # heights over the baseline
_DESCENT, _BRACKET, _COMMA = 0.21, 0.19, 0.13  # depths below it
_ASCENT_OF_BOX, _DESCENT_OF_BOX = 0.92, 0.24
_LOW = frozenset("acemnorsuvwxzıæœ:;")
_DEEP = frozenset("gjpqyçþµ")
_BRACKETS = frozenset("()[]{}|/\\§$@Q")
_COMMAS = frozenset(",;")
_NO_HEIGHT = frozenset(".,'\"`´’‘“”*^°-–—−_=+~<>·•…")
_HANGING = frozenset("'\"`´’‘“”*^°")
_BASE = frozenset(".,_…")


class TypeBox(NamedTuple):
    """Top and bottom of the type, and its size (0 where the ink does not tell)."""

    top: float
    bottom: float
    size: float


def type_box(text: str, box: Box, *, size: float = 10.0) -> TypeBox:
    """The type of a word with ink in `box`. `size` is taken for dots and dashes, which have none."""
    telling = [letter for letter in text if letter not in _NO_HEIGHT]
    if not telling:
        return _speck(text, box, size)
    over = max(map(_over, telling))
    below = max(_below(letter) for letter in text)
    own = box.height / (over + below)
    baseline = box.bottom - below * own
    return TypeBox(baseline - _ASCENT_OF_BOX * own, baseline + _DESCENT_OF_BOX * own, own)


def _over(letter: str) -> float:
    if letter in _LOW or letter in "gpqy":
        return _X
    return _T if letter == "t" else _CAP


def _below(letter: str) -> float:
    if letter in _DEEP:
        return _DESCENT
    if letter in _BRACKETS:
        return _BRACKET
    return _COMMA if letter in _COMMAS else 0.0


def _speck(text: str, box: Box, size: float) -> TypeBox:
    if all(letter in _HANGING for letter in text):
        baseline = box.top + _CAP * size
    elif all(letter in _BASE for letter in text):
        baseline = box.bottom - (_COMMA * size if "," in text else 0.0)
    else:
        baseline = (box.top + box.bottom) / 2 + 0.3 * size
    return TypeBox(baseline - _ASCENT_OF_BOX * size, baseline + _DESCENT_OF_BOX * size, 0.0)
