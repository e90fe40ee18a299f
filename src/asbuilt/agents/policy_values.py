"""Values in the arguments of a call: what they are, and whether text names them.

A value is named by text when it stands there as a whole: an e-mail address as an address, a URL as a
URL, anything else as a token that no longer word, name, path or address contains. A few digits name
nothing: "13" stands in a date as well, so a text that is one is never named by another.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Leaf", "is_address", "leaves", "links", "names", "normal"]

Leaf = str | int | float

_JOINS = r"\w@/\\+%~#=&$\-"
_LOCAL = r"(?<![\w.!#$%&*+/=?^~-])[\w.!#$%&*+/=?^~-]++"  # begins where a token does: no quadratic search
_EMAIL = re.compile(rf"{_LOCAL}@[\w-]+(?:\.[\w-]+)+")
_WHOLE_EMAIL = re.compile(rf"(?<![@\\|`{{}}])(?<!\w'){_LOCAL}@(?>[\w-]+(?:\.[\w-]+)+)(?!\.*[{_JOINS}])")
_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{0,20}://|(?<![\w@.-])www\.)[^\s<>\"'`|\\^{}\[\]]+")
_HOST = re.compile(r"(?<![\w@./:-])[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}(?![\w-])(?::\d+)?(?:[/?#][^\s<>\"'`]*)?")
_SENTENCE = re.compile(r"(?<=[a-z0-9])\.[A-Z][a-z]*$")
_FEW_DIGITS = re.compile(r"\W*+\d{0,5}\W*+")
_TRAILING = ".,;:!?)*_…"


def leaves(arguments: Any, path: str = "") -> Iterator[tuple[str, Leaf]]:
    """Every text and number in `arguments` with its dotted path; the elements of a list have the path
    of the list. Keys are names, not values; true, false and null say no place."""
    if isinstance(arguments, Mapping):
        for key, value in arguments.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(arguments, list | tuple | set | frozenset):
        for value in arguments:
            yield from leaves(value, path)
    elif arguments is not None and not isinstance(arguments, bool):
        yield path, arguments if isinstance(arguments, str | int | float) else str(arguments)


@lru_cache(maxsize=512)
def normal(text: str) -> str:
    """`text` in Unicode's compatibility form, without characters that are not seen, blanks as one space."""
    text = unicodedata.normalize("NFKC", text)
    if not text.isascii():
        text = "".join(each for each in text if unicodedata.category(each) != "Cf")
    return " ".join(text.split())


def is_address(value: str) -> bool:
    """Whether `value` is an e-mail address, a URL or the name of a host, whose letters' case says nothing."""
    return any(form.fullmatch(value) for form in (_EMAIL, _URL, _HOST))


def links(text: str) -> list[str]:
    """The e-mail addresses, URLs and names of hosts in `text`. What only looks like the name of a host
    (a file's name, a missing blank after a full stop) is one too."""
    text = normal(text)
    found: list[str] = []
    for form in (_URL, _EMAIL, _HOST):
        found += (each.group().rstrip(_TRAILING) for each in form.finditer(text))
        text = form.sub(" ", text)
    return found


def names(text: str, value: Leaf) -> bool:
    """Whether `value` stands in `text` as a whole. An empty text, one of up to five digits, and NaN stand
    nowhere; the case of letters is ignored in e-mail addresses and in the hosts of URLs only."""
    if not isinstance(value, str):
        return math.isfinite(value) and _names_number(normal(text), value)
    value = normal(value)
    if _FEW_DIGITS.fullmatch(value):
        return False
    if _EMAIL.fullmatch(value):
        return value.casefold() in _emails(text)
    if _URL.fullmatch(value) or _HOST.fullmatch(value):
        wanted = _url(value)
        return any(_same_url(wanted, each) for each in _urls(text))
    return bool(_whole(value).search(normal(text)))


@lru_cache(maxsize=512)
def _emails(text: str) -> frozenset[str]:
    found = [each.group().rstrip(_TRAILING) for each in _WHOLE_EMAIL.finditer(_URL.sub(" ", normal(text)))]
    return frozenset(each.casefold() for each in (*found, *(_SENTENCE.sub("", each) for each in found)))


@lru_cache(maxsize=512)
def _urls(text: str) -> frozenset[tuple[str, str, str]]:
    text = normal(text)
    found = [each.group() for each in _URL.finditer(text)]
    rest = _EMAIL.sub(" ", _URL.sub(" ", text))
    found += [each.group() for each in _HOST.finditer(rest)]
    found = [each.rstrip(_TRAILING) for each in found]
    found += [_SENTENCE.sub("", each) for each in found]  # "see www.example.com.Then ..." lacks a blank
    return frozenset(map(_url, found))


def _url(text: str) -> tuple[str, str, str]:
    """Scheme (empty where none is written), host with port and user, and all that follows."""
    written = text if "://" in text else f"//{text}"
    try:
        parts = urlsplit(written)
    except ValueError:  # brackets that hold no address
        return "", text, ""
    rest = text.partition("://")[2] if "://" in text else text
    return parts.scheme.lower(), parts.netloc.casefold(), rest[len(parts.netloc) :].rstrip("/")


def _same_url(wanted: tuple[str, str, str], written: tuple[str, str, str]) -> bool:
    """Equal, where a text without a scheme means either of the web's."""
    if wanted[1:] != written[1:]:
        return False
    web = ("", "http", "https")
    return wanted[0] == written[0] or (
        wanted[0] in web and written[0] in web and "" in (wanted[0], written[0])
    )


@lru_cache(maxsize=512)
def _whole(value: str) -> re.Pattern[str]:
    # A full stop, colon or question mark after the value ends a sentence, unless a word goes on.
    return re.compile(rf"(?<![{_JOINS}.:]){re.escape(value)}(?![{_JOINS}])(?![.:?!,;]+\w)")


def _names_number(text: str, value: float) -> bool:
    forms = {str(value), f"{value:.2f}"} if isinstance(value, float) else {str(value)}
    if float(value).is_integer():
        forms.add(str(int(value)))
    return any(_number(form).search(text) for form in forms)


@lru_cache(maxsize=512)
def _number(form: str) -> re.Pattern[str]:
    zeros = r"(?:\.0+)?" if "." not in form else "0*"
    return re.compile(rf"(?<![\w.,@/+-]){re.escape(form)}{zeros}(?![\w@/+%-])(?![.,]\d)")
