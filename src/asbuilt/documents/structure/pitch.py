"""Fixed pitch: type in which each character is as wide as any other.

A blank is as wide as a letter there, 0.6 font sizes and more between ink, which in proportional type is
the gap of two columns. What tells them is the width of characters; widths of words are known to a
fiftieth where heights, and sizes with them, are known to a tenth.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

__all__ = ["fixed_advances"]

_LETTERS = 4  # in a word that tells: digits are as wide as one another in most type
_PAIRS = 8  # of such words, at least
_ALIKE, _ALIKE_SHARE = 0.06, 0.65
"""Relative difference of two advances of one pitch, and the share of pairs. In proportional type a
quarter to a half of them agree, in fixed pitch four in five: the others are where the size changes."""
_WIDEST = 0.8  # advances in font sizes: characters of full width are wider, and set without blanks
_OWN = 3  # characters of a word whose width tells its advance; ink of fewer ends far inside the type


def fixed_advances(
    texts: Sequence[str], widths: Sequence[float], sizes: Sequence[float]
) -> list[float] | None:
    """The width of a character of each word, in the unit of `widths` and `sizes` (font sizes); None
    unless the page is in fixed pitch. Words that follow one another have to be near one another."""
    own = [width / len(text) if text else 0.0 for text, width in zip(texts, widths, strict=True)]
    telling = [n for n, text in enumerate(texts) if sum(map(str.isalpha, text)) >= _LETTERS and own[n] > 0]
    pairs = list(pairwise(own[n] for n in telling))
    alike = sum(abs(first - second) <= _ALIKE * max(first, second) for first, second in pairs)
    if len(pairs) < _PAIRS or alike < _ALIKE_SHARE * len(pairs):
        return None
    usual = median(own[n] / sizes[n] for n in telling)
    if usual > _WIDEST:
        return None
    return [
        advance if len(text) >= _OWN and advance > 0 else usual * size
        for text, advance, size in zip(texts, own, sizes, strict=True)
    ]
