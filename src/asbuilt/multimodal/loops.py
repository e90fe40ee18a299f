"""Cutting a text where the model that wrote it began to go round in circles."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

__all__ = ["without_loops"]

_LONGEST = 120
_LONG = 4
_TIMES_SHORT, _TIMES_LONG = 8, 4
_WORD = re.compile(r"\S+")


def without_loops(text: str) -> str:
    """`text` up to the end of the first run of words, lines or whole paragraphs, that comes again and
    again right after itself; all of it, without blanks at its end, where none does.

    A run is at most 120 words. One of up to 3 words must stand there eight times, a longer one four
    times, and it must have a letter: rows of figures may well be alike.

    >>> without_loops("A chart. " + "It is blue and red. " * 5)
    'A chart. It is blue and red.'
    """
    words = list(_WORD.finditer(text))
    if not words:
        return ""
    _, ids = np.unique([word[0] for word in words], return_inverse=True)
    letters = np.array([any(character.isalpha() for character in word[0]) for word in words])
    ends = (_first_end(ids, letters, period) for period in range(1, min(_LONGEST, len(words) // 2) + 1))
    end = min((end for end in ends if end is not None), default=len(words))
    return text[: words[end - 1].end()]


def _first_end(ids: NDArray[np.intp], letters: NDArray[np.bool_], period: int) -> int | None:
    """Where the first run of `period` words ends that is repeated often enough."""
    times = _TIMES_LONG if period >= _LONG else _TIMES_SHORT
    # Words that are the same as those a period later; this often in a row, and the run is repeated.
    same = np.concatenate([[False], ids[:-period] == ids[period:], [False]])
    edges = np.flatnonzero(np.diff(same.astype(np.int8)))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if stop - start >= period * (times - 1) and letters[start : start + period].any():
            return int(start + period)
    return None
