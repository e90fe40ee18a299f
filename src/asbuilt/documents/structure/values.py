"""What texts of cells look like: values or names."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["header_rows", "is_symbol", "is_value"]

_VALUE = re.compile(
    r"[^\W\d_]{0,3}\s?[-+(]?\s?[$€£¥%#]?\s?[-+(]?(?:\d[\d\s.,:/%)'-]*|[-–—])\s?(?:[^\W\d_]{1,3}\.?|[$€£¥%)])?"
)
_SYMBOL = re.compile(r"[$€£¥%()#]|[A-Z]{3}|Rs\.?|kr")
_YEAR = re.compile(r"(?:FY\s?)?(?:19|20)\d\d[AE]?")
_MOSTLY = 0.6
_MAX_SPANNING = 3  # rows of names over several columns


def is_value(text: str) -> bool:
    """A number, an amount, a date in digits, a dash for nothing: what stands below a column's name."""
    return _VALUE.fullmatch(text) is not None


def is_symbol(text: str) -> bool:
    """A currency or a sign that belongs to the value beside it."""
    return _SYMBOL.fullmatch(text) is not None


def header_rows(
    texts: Sequence[Sequence[str]], *, bold: Sequence[bool], spans: Sequence[bool], parted: Sequence[bool]
) -> int:
    """How many rows at the top name the columns.

    `texts` are the cells' by row and column; `bold`: all of a row is; `spans`: it has cells over
    several columns; `parted`: a line is drawn under it, and under few others.
    """
    count = 0
    while count < min(_MAX_SPANNING, len(texts) - 1) and spans[count] and not _has_values(texts[count]):
        count += 1
    if count < len(texts) - 1 and _names_columns(texts, count, bold=bold, parted=parted):
        return count + 1
    # Cells over several columns name them only if values stand below: forms have such cells too.
    below = [[text for text in column if text] for column in zip(*texts[count:], strict=True)]
    valued = any(len(own) > 1 and sum(map(is_value, own)) >= _MOSTLY * len(own) for own in below)
    return count if valued else 0


def _has_values(texts: Sequence[str]) -> bool:
    return any(is_value(text) and not _YEAR.fullmatch(text) for text in texts if text)


def _names_columns(
    texts: Sequence[Sequence[str]], row: int, *, bold: Sequence[bool], parted: Sequence[bool]
) -> bool:
    names, below = texts[row], texts[row + 1 :]
    if sum(map(bool, names)) < 2 or _has_values(names):
        return False
    if parted[row] or (bold[row] and not all(bold[row + 1 :])):
        return True
    for column, name in enumerate(names):
        cells = [cells[column] for cells in below if cells[column]]
        if name and cells and sum(map(is_value, cells)) >= _MOSTLY * len(cells):
            return True
    return False
