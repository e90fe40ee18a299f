"""Numbers of a spreadsheet as its user sees them."""

from __future__ import annotations

import datetime as dt
import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import NamedTuple

__all__ = ["shown"]

Value = str | int | float | bool | dt.datetime | dt.date | dt.time | dt.timedelta | None

_MARK = re.compile(
    r"""
      "(?P<quoted>[^"]*)"            # literal text
    | \\(?P<escaped>.)               # a literal character
    | \[\$(?P<currency>[^\]-]*)(?:-[^\]]*)?\]
    | \[[^\]]*\]                     # a colour; conditions are refused before
    | _.                             # room as wide as a character
    | \*.                            # a character that fills the cell
    | (?P<digits>[#0?][#0?,]*(?:\.[#0?]+)?(?:[eE][+-]0+)?)
    | (?P<sign>[-+$€£¥%()\s/:])      # stands for itself
    """,
    re.VERBOSE,
)


class _Section(NamedTuple):
    """The part of a format for one sign: text around a number, its decimals, commas and per cents."""

    before: str
    after: str
    least: int
    most: int
    grouped: bool
    percent: bool
    places: int


def shown(value: Value, number_format: str = "General") -> str:
    """A cell's value as text: dates and times as ISO 8601, durations as
    hours, minutes and seconds, truth values as TRUE and FALSE, numbers as
    the format shows them where it is simple (digits, thousands, per cent, currency, other text), else
    with up to 15 significant digits, which is what a spreadsheet keeps.

    >>> shown(1234.5, '#,##0.00 "EUR"'), shown(0.125, "0.0%"), shown(0.1 + 0.2)
    ('1,234.50 EUR', '12.5%', '0.3')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, dt.datetime):
        at_midnight = value.time() == dt.time() and "h" not in number_format.lower()
        return value.date().isoformat() if at_midnight else value.isoformat(" ", "seconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.time):
        return value.isoformat("seconds")
    if isinstance(value, dt.timedelta):
        seconds = round(value.total_seconds())
        minutes, seconds_left = divmod(abs(seconds), 60)
        return f"{'-' * (seconds < 0)}{minutes // 60}:{minutes % 60:02}:{seconds_left:02}"
    if isinstance(value, int | float):
        return _number(value, number_format)
    return str(value)


def _number(value: float, number_format: str) -> str:
    plain = str(value) if isinstance(value, int) else f"{value:.15g}"
    sections = _sections(number_format)
    if not sections or "e" in plain or "n" in plain:  # powers of ten, and what is no number
        return plain
    which = 0
    if value < 0 and len(sections) > 1:
        which, value = 1, -value
    elif value == 0 and len(sections) > 2:
        which = 2
    section = sections[which]
    if section is None:
        return plain
    # As a spreadsheet rounds: halves away from zero, of the 15 digits that it keeps.
    exact = Decimal(f"{value:.15g}") * (100 if section.percent else 1)
    rounded = exact.quantize(Decimal(1).scaleb(-section.most), ROUND_HALF_UP)
    digits = f"{rounded:{',' if section.grouped else ''}f}"
    if section.most > section.least:
        whole, _, decimals = digits.partition(".")
        decimals = decimals.rstrip("0").ljust(section.least, "0")
        digits = f"{whole}.{decimals}" if decimals else whole
    sign = "-" if digits.startswith("-") else ""
    digits = digits.removeprefix("-")
    if section.places > len(digits.partition(".")[0]) and not section.grouped:  # 0007
        digits = digits.rjust(len(digits) + section.places - len(digits.partition(".")[0]), "0")
    return f"{sign}{section.before}{digits}{section.after}".strip()


@lru_cache(maxsize=256)
def _sections(number_format: str) -> tuple[_Section | None, ...]:
    """What a format says for positive and negative numbers and for zero; None for what is not simple,
    nothing at all for the general format."""
    if number_format.lower() in ("general", "@", ""):
        return ()
    return tuple(_section(text) for text in re.split(r';(?=(?:[^"]*"[^"]*")*[^"]*$)', number_format)[:3])


def _section(text: str) -> _Section | None:
    before, after = "", ""
    digits: str | None = None
    at = 0
    if re.search(r"\[[<>=]", text):
        return None
    while at < len(text):
        match = _MARK.match(text, at)
        if match is None:
            return None
        at = match.end()
        if found := match["digits"]:
            if digits is not None or "?" in found or "e" in found.lower():
                return None
            digits = found
            continue
        groups = match.groupdict(default="")
        literal = groups["quoted"] + groups["escaped"] + groups["currency"] + groups["sign"]
        if digits is None:
            before += literal
        else:
            after += literal
    if digits is None or digits.endswith(",") or "/" in before + after or ":" in before + after:
        return None
    whole, _, decimals = digits.partition(".")
    return _Section(
        before,
        after,
        least=decimals.count("0"),
        most=len(decimals),
        grouped="," in whole,
        percent="%" in text,
        places=whole.count("0"),
    )
