"""Values of a blueprint -> the Python expression that makes them."""

from __future__ import annotations

from dataclasses import MISSING, fields
from enum import Enum
from typing import Any

from asbuilt.blueprint.data import is_named, is_value, stated

__all__ = ["source"]

_WIDTH = 100


def source(value: Any, *, indent: int = 0, lead: int = 0) -> str:
    """One line where it fits behind `lead` characters, otherwise a line for each entry."""
    opening, entries, closing = _taken_apart(value)
    line = _on_one_line(value)
    if indent + lead + len(line) < _WIDTH or not entries:
        return line
    pad = " " * (indent + 4)
    lines = [f"{pad}{name}{source(each, indent=indent + 4, lead=len(name))}," for name, each in entries]
    return "\n".join((opening, *lines, " " * indent + closing))


def _on_one_line(value: Any) -> str:
    opening, entries, closing = _taken_apart(value)
    comma = "," if isinstance(value, tuple) and len(entries) == 1 else ""
    return opening + ", ".join(name + _on_one_line(each) for name, each in entries) + comma + closing


def _taken_apart(value: Any) -> tuple[str, list[tuple[str, Any]], str]:
    """What opens it, its entries with what stands before each, and what closes it."""
    if is_value(value):
        return f"{type(value).__name__}(", _arguments(value), ")"
    if isinstance(value, dict):
        return "{", [(f"{_quoted(key)}: ", each) for key, each in value.items()], "}"
    if isinstance(value, tuple):
        return "(", [("", each) for each in value], ")"
    if isinstance(value, list):
        return "[", [("", each) for each in value], "]"
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}", [], ""
    return _quoted(value) if isinstance(value, str) else repr(value), [], ""


def _quoted(text: str) -> str:
    """repr with double quotes, unless the text holds some."""
    return f'"{repr(text)[1:-1]}"' if '"' not in text else repr(text)


def _arguments(value: Any) -> list[tuple[str, Any]]:
    """Keywords; a value that is written under its name takes what it must have by position."""
    required = {
        each.name
        for each in fields(value)
        if each.default is MISSING and each.default_factory is MISSING and is_named(type(value))
    }
    return [("" if name in required else f"{name}=", content) for name, content in stated(value)]
