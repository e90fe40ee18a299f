"""Numbers as documents write them: grouped, signed, with a currency or unit, in either convention."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

__all__ = ["Amount", "DecimalMark", "decimal_mark", "read_amount"]

DecimalMark = Literal[".", ","]

_SPACES = "   "  # no-break, thin, narrow no-break
_BODY = rf"\d{{1,3}}(?:[.,'’ {_SPACES}]\d{{3}})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?"
_NUMBER = re.compile(
    rf"(?P<open>\()?\s*(?P<before>[^\d\s()+−-]{{1,4}}|[A-Z]{{3}})?\s*(?P<sign>[+−-])?\s*"
    rf"(?P<before2>[^\d\s()+−.,-]{{1,3}})?\s*(?P<body>{_BODY})\s*"
    rf"(?P<unit>[^\d\s()+−-][^\d()+−-]{{0,11}}?)?\s*(?P<after>[−-])?\s*(?P<close>\))?"
)


@dataclass(frozen=True, slots=True)
class Amount:
    """A number, how many decimals it was written with, and what stood beside it (EUR, $, %, kg)."""

    value: Decimal
    places: int
    unit: str = ""


def decimal_mark(texts: Iterable[str]) -> DecimalMark:
    """The mark before decimals in these numbers, by what only one convention can mean.

    ``1.234,50`` and ``12,5`` speak for the comma, ``1,234.50`` and ``12.5`` for the point; one mark
    before exactly three digits says nothing. Without evidence it is the point.
    """
    votes = {".": 0, ",": 0}
    for text in texts:
        for body in re.findall(_BODY, text):
            last = max(body.rfind("."), body.rfind(","))
            if last < 0:
                continue
            mark, digits = body[last], len(body) - last - 1
            other = "," if mark == "." else "."
            if other in body or digits != 3:
                votes[mark] += 1
            elif body.count(mark) > 1 or body[:last].lstrip("0") == "":
                votes[mark if body[:last] == "0" else other] += 1
    return "," if votes[","] > votes["."] else "."


def read_amount(text: str, mark: DecimalMark = ".") -> Amount | None:
    """The number that `text` is, with nothing but a sign and a unit around it; None for anything else.

    >>> read_amount("(1.234,50 EUR)", ",")
    Amount(value=Decimal('-1234.50'), places=2, unit='EUR')
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None or bool(match["open"]) != bool(match["close"]):
        return None
    grouping = "," if mark == "." else "."
    body = re.sub(rf"['’ {_SPACES}]", "", match["body"])
    whole, _, decimals = body.partition(mark)
    if mark in decimals or grouping in decimals:
        return None
    if grouping in whole and not re.fullmatch(rf"\d{{1,3}}(?:{re.escape(grouping)}\d{{3}})+", whole):
        return None
    negative = bool(match["open"]) + (match["sign"] in ("-", "−")) + bool(match["after"])
    if negative > 1:
        return None
    digits = f"{whole.replace(grouping, '')}.{decimals or '0'}"
    value = Decimal(digits) if decimals else Decimal(whole.replace(grouping, ""))
    unit = (match["before"] or match["before2"] or match["unit"] or "").strip()
    return Amount(-value if negative else value, len(decimals), unit)
