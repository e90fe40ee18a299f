"""Noticing that a model goes round in circles, as small ones do."""

from __future__ import annotations

__all__ = ["repeats_itself"]

_SHORTEST, _LONG, _LONGEST = 8, 24, 160
_TIMES_SHORT, _TIMES_LONG = 8, 4


def repeats_itself(text: str) -> bool:
    """Whether `text` ends with the same words over and over: a long unit (24 to 160 characters) four
    times in a row, a shorter one (from 8) eight times. Rules and blanks do not count.

    >>> repeats_itself("Delete it. " + "The answer is yes. " * 8)
    True
    """
    for length in range(_SHORTEST, min(_LONGEST, len(text) // _TIMES_LONG) + 1):
        times = _TIMES_LONG if length >= _LONG else _TIMES_SHORT
        unit = text[-length:]
        if text.endswith(unit * times) and any(character.isalpha() for character in unit):
            return True
    return False
