"""Quotes -> values. A value follows from its quote and the conventions of its document, from nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from rapidfuzz import fuzz

from asbuilt.documents.amounts import DecimalMark, decimal_mark, read_amount
from asbuilt.errors import UserError
from asbuilt.fields import Field

__all__ = ["Conventions", "Parsed", "conventions_of", "follows", "of_kind", "parse"]

DayFirst = Literal[True, False, None]

_MONTHS: dict[str, int] = {}
for _month_number, _names in enumerate(
    (
        "january jan januar januari janvier janv enero ene gennaio gen",
        "february feb februar februari fevrier fevr febrero febbraio",
        "march mar marz maerz maart mars marzo mrz",
        "april apr avril avr abril aprile",
        "may mai mei mayo maggio mag",
        "june jun juni juin junio giugno giu",
        "july jul juli juillet juil julio luglio lug",
        "august aug augustus aout agosto ago",
        "september sep sept septembre septiembre settembre set",
        "october oct oktober okt octobre octubre ottobre ott",
        "november nov novembre noviembre",
        "december dec dezember dez decembre diciembre dicembre dic",
    ),
    start=1,
):
    _MONTHS |= dict.fromkeys(_names.split(), _month_number)
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]\d{2}:\d{2}.*)?")
_NUMERIC = re.compile(r"(\d{1,2})\s?[-/.]\s?(\d{1,2})\s?[-/.]\s?(\d{4}|\d{2})")
_DAY_MONTH = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th|\.|er)?[\s.-]*(?:de\s+|of\s+)?([^\W\d_]{3,10})\.?,?[\s-]*(?:de\s+)?(\d{4}|\d{2})"
)
_MONTH_DAY = re.compile(r"([^\W\d_]{3,10})\.?\s+(\d{1,2})(?:st|nd|rd|th)?\s?,?\s+(\d{4})")
_YES = frozenset({"yes", "y", "true", "x", "ja", "oui", "si", "sí", *"☒☑✓✔✗✘", "[x]", "checked", "on"})
_NO = frozenset({"no", "n", "false", "nein", "non", *"☐□", "[]", "[ ]", "unchecked", "off"})
_PIVOT = 50  # two-digit years below it are of this century: births and contracts reach as far


@dataclass(frozen=True, slots=True)
class Conventions:
    """How a document writes numbers and dates; `day_first` None where nothing decides."""

    mark: DecimalMark = "."
    day_first: DayFirst = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """A value, and whether the quote could as well mean another one."""

    value: Any
    ambiguous: bool = False


def conventions_of(texts: Iterable[str]) -> Conventions:
    """What the numbers and dates of a whole document say of its conventions."""
    numbers: list[str] = []
    first_large = second_large = 0
    for text in texts:
        for day, month, _ in _NUMERIC.findall(text):
            first_large += int(day) > 12
            second_large += int(month) > 12
        numbers += re.findall(r"(?<![\d.,/-])\d[\d.,']*\d(?![\d/-])", _NUMERIC.sub(" ", _ISO.sub(" ", text)))
    day_first = None if first_large == second_large else first_large > second_large
    return Conventions(decimal_mark(numbers), day_first)


def parse(field: Field, quote: str, conventions: Conventions = Conventions()) -> Parsed | None:
    """The value that `quote` is, of the field's kind; None when it is none.

    Numbers come as float or int, dates as ISO strings, choices as the schema writes them.
    """
    text = " ".join(quote.split())
    if not text:
        return None
    if field.kind in ("number", "integer"):
        return _number(field, text, conventions)
    if field.kind == "date":
        return _date(text, conventions)
    if field.kind == "boolean":
        word = text.casefold().strip(" .,:;()")
        return Parsed(True) if word in _YES else Parsed(False) if word in _NO else None
    if field.kind == "enum":
        return _choice(field, text)
    stripped = text.strip(" :;,|")
    if not stripped or (field.pattern is not None and not re.fullmatch(field.pattern, stripped)):
        return None
    return Parsed(stripped)


def follows(field: Field, quote: str, value: Any) -> bool:
    """Whether `value` can be read from `quote` by any convention."""
    everything = [Conventions(mark, day_first) for mark in _MARKS for day_first in (True, False)]
    found = (parse(field, quote, each) for each in everything)
    return any(each is not None and each.value == value for each in found)


def of_kind(field: Field, value: Any) -> Any:
    """A value that a user typed, as the field's kind has it. Raises UserError for another kind."""
    if value is None:
        return None
    found: Parsed | None = None
    if field.kind in ("number", "integer"):
        if isinstance(value, int | float) and not isinstance(value, bool):
            whole = float(value).is_integer()
            found = Parsed(float(value)) if field.kind == "number" else Parsed(int(value)) if whole else None
    elif field.kind == "boolean":
        found = Parsed(value) if isinstance(value, bool) else None
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        found = parse(field, str(value))
    if found is None:
        allowed = f"one of {', '.join(map(repr, field.choices))}" if field.choices else f"a {field.kind}"
        pattern = f" that matches {field.pattern}" if field.pattern else ""
        raise UserError(f"{value!r} is no value for {field.path}.", hint=f"It takes {allowed}{pattern}.")
    return found.value


_MARKS: tuple[DecimalMark, ...] = (".", ",")


def _number(field: Field, text: str, conventions: Conventions) -> Parsed | None:
    amount = read_amount(text.strip(" :;"), conventions.mark)
    if amount is None:
        return None
    if "%" in text and not _is_share(field):
        return None  # a rate beside an amount
    value = amount.value
    other: DecimalMark = "," if conventions.mark == "." else "."
    rival = read_amount(text.strip(" :;"), other)
    ambiguous = rival is not None and rival.value != value
    if field.kind == "integer":
        if value != value.to_integral_value():
            return None
        return Parsed(int(value), ambiguous)
    return Parsed(float(value), ambiguous)


def _is_share(field: Field) -> bool:
    words = " ".join((field.unit or "", field.path, *field.labels)).casefold()
    return any(word in words for word in ("%", "percent", "rate", "share"))


def _date(text: str, conventions: Conventions) -> Parsed | None:
    plain = text.strip(" :;,").casefold()
    if match := _ISO.fullmatch(plain):
        return _made(*map(int, match.groups()))
    if match := _NUMERIC.fullmatch(plain):
        first, second, year = (int(part) for part in match.groups())
        year = _full(year)
        readings = [
            (day_first, found)
            for day_first, (day, month) in ((True, (first, second)), (False, (second, first)))
            if (found := _made(year, month, day)) is not None
        ]
        if not readings:
            return None
        wanted = conventions.day_first if conventions.day_first is not None else "." in plain or "-" in plain
        chosen = next((found for day_first, found in readings if day_first == wanted), readings[0][1])
        open_ = (
            conventions.day_first is None and "/" in plain and len({each.value for _, each in readings}) > 1
        )
        return Parsed(chosen.value, open_)
    if match := _DAY_MONTH.fullmatch(plain):
        return _made(_full(int(match[3])), _month(match[2]), int(match[1]))
    if match := _MONTH_DAY.fullmatch(plain):
        return _made(int(match[3]), _month(match[1]), int(match[2]))
    return None


def _month(name: str) -> int:
    plain = name.translate(str.maketrans("äéèûôç", "aeeuoc"))
    return _MONTHS.get(plain, 0)


def _full(year: int) -> int:
    return year if year >= 100 else year + (2000 if year < _PIVOT else 1900)


def _made(year: int, month: int, day: int) -> Parsed | None:
    try:
        return Parsed(date(year, month, day).isoformat())
    except ValueError:
        return None


def _choice(field: Field, text: str) -> Parsed | None:
    plain = text.casefold().strip(" .,:;")
    exact = [each for each in field.choices if each.casefold() == plain]
    if exact:
        return Parsed(exact[0])
    scored = sorted(((fuzz.ratio(each.casefold(), plain), each) for each in field.choices), reverse=True)
    if len(scored) > 1 and scored[0][0] - scored[1][0] < 10:
        return None
    return Parsed(scored[0][1]) if scored and scored[0][0] >= 85 and len(plain) > 3 else None
