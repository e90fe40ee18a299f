"""Whether the first row of a grid names its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["is_header"]

_VALUE = re.compile(
    r"[^\W\d_]{0,3}[\s$€£¥#(+-]*\d[\d\s.,:/()%-]*[^\W\d_]{0,3}[$€£¥]?(?:T[\d:.]+Z?)?", re.UNICODE
)
"""A number, amount, date or time, as opposed to words."""
_FILLED = 0.8  # share of the first row
_MOSTLY = 0.6  # share of values in a column of values


def is_header(first: Sequence[str], others: Sequence[Sequence[str]], *, expected: bool = False) -> bool:
    """True when `first` reads as names of columns whose values are `others`.

    Names are distinct, no numbers, and fill the row. That is enough where a header is `expected`, as
    in CSV files; elsewhere some column must have words above numbers or dates. With two columns all of
    its values must be such: else the grid may well be a form, label beside value.
    """
    names = [text.strip() for text in first]
    filled = [text for text in names if text]
    if not others or len(names) < 2 or len(filled) < _FILLED * len(names):
        return False
    if len({text.casefold() for text in filled}) < len(filled) or any(map(_VALUE.fullmatch, filled)):
        return False
    if expected:
        return True
    share = 1.0 if len(names) == 2 else _MOSTLY
    columns = [[row[column].strip() for row in others if column < len(row)] for column in range(len(names))]
    return any(_share_of_values(column) >= share for column in columns)


def _share_of_values(texts: Sequence[str]) -> float:
    filled = [text for text in texts if text]
    return sum(_VALUE.fullmatch(text) is not None for text in filled) / len(filled) if filled else 0.0
