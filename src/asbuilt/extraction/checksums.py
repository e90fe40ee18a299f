"""Check digits of identifiers that documents carry."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

__all__ = ["CHECKSUMS"]


def _plain(text: str) -> str:
    return re.sub(r"[\s.-]", "", text).upper()


def _iban(text: str) -> bool:
    """ISO 13616: the rearranged number is 1 modulo 97."""
    plain = _plain(text)
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", plain):
        return False
    return int("".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])) % 97 == 1


def _luhn(text: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    plain = _plain(text)
    if not plain.isdecimal() or len(plain) < 2:
        return False
    doubled = [int(digit) * (1 + number % 2) for number, digit in enumerate(reversed(plain))]
    return sum(each - 9 if each > 9 else each for each in doubled) % 10 == 0


def _ean(text: str) -> bool:
    """GS1: weights 3 and 1 from the right, check digit included."""
    plain = _plain(text)
    if not plain.isdecimal() or len(plain) not in (8, 12, 13, 14):
        return False
    return (
        sum(int(digit) * (3 if number % 2 else 1) for number, digit in enumerate(reversed(plain))) % 10 == 0
    )


def _isbn(text: str) -> bool:
    """ISO 2108: ten digits modulo 11 with X for 10, or an EAN that begins with 978 or 979."""
    plain = _plain(text)
    if re.fullmatch(r"\d{9}[\dX]", plain):
        return sum((10 - at) * (10 if each == "X" else int(each)) for at, each in enumerate(plain)) % 11 == 0
    return len(plain) == 13 and plain.startswith(("978", "979")) and _ean(plain)


CHECKSUMS: Mapping[str, Callable[[str], bool]] = {"iban": _iban, "luhn": _luhn, "ean": _ean, "isbn": _isbn}
