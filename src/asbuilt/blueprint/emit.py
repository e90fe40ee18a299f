"""Plain data -> YAML text that is stable and pleasant to read.

Text is quoted wherever any reader, those of YAML 1.1 included, might take it for something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from asbuilt.blueprint.tree import parse_scalar

__all__ = ["emit"]

_WIDTH = 100
_BLOCK_LEVELS = 2  # mappings above this depth (sections, components) always get a line for each key


def emit(data: dict[str, Any]) -> str:
    """The same data gives the same text; `parse` reads it back as equal data."""
    return "\n".join(_mapping(data, 0)) + "\n"


def _mapping(data: dict[str, Any], level: int) -> Iterator[str]:
    pad = "  " * level
    for key, value in data.items():
        head = f"{pad}{_text(key, flow=True)}:"
        if not value or not _is_open(value, level):
            yield f"{head} {_literal(value, pad) or _flow(value, flow=False)}"
        elif isinstance(value, dict):
            yield head
            yield from _mapping(value, level + 1)
        else:
            yield head
            yield from (f"{pad}  - {_flow(item, flow=False)}" for item in value)


def _is_open(value: Any, level: int) -> bool:
    """Whether a collection takes a line for each of its entries."""
    if isinstance(value, dict) and level < _BLOCK_LEVELS:
        return True
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return True
    return isinstance(value, dict | list) and len(_flow(value, flow=False)) + 2 * level > _WIDTH


def _flow(value: Any, *, flow: bool = True) -> str:
    """A value on one line. `flow` says whether it stands inside brackets or braces."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key, flow=True)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    if isinstance(value, str):
        return _text(value, flow=flow)
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)


# From a letter, "_" or "/" on; a comma only before a space, a colon only before something else, a
# space only before a word.
_PLAIN = re.compile(r"(?:[^\W\d]|/)(?:[\w./@%+~()=<>;!'\"-]|,(?= )|:(?=[^\s:])| (?=[^\s#]))*")
_PLAIN_INSIDE = re.compile(r"[\w./@%+~()=<> -]*")
_OTHERWISE = re.compile(r"y|n|yes|no|on|off|true|false|null", re.IGNORECASE)


def _text(text: str, *, flow: bool) -> str:
    safe = text.isprintable() and _PLAIN.fullmatch(text) and not _OTHERWISE.fullmatch(text)
    if safe and parse_scalar(text) == text and (not flow or _PLAIN_INSIDE.fullmatch(text)):
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _literal(text: Any, pad: str) -> str:
    """Several lines as a literal block; "" where a block could not hold exactly this text."""
    if not isinstance(text, str):
        return ""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) == 1 or lines[0][:1] in ("", " ") or not lines[-1].strip():
        return ""
    if not all(line.isprintable() for line in lines):
        return ""
    chomp = "|" if text.endswith("\n") else "|-"
    return "\n".join((chomp, *(f"{pad}  {line}" if line else "" for line in lines)))
