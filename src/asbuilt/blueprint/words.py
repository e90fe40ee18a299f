"""What pydantic found, in the words of a fault."""

from __future__ import annotations

import re
from typing import Any

from asbuilt.blueprint.fault import shown

__all__ = ["explain", "found"]

_TYPES = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping",
    "mapping": "a mapping",
    "dataclass": "a mapping",
    "model": "a mapping",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def explain(error: Any) -> tuple[str, tuple[str, ...]]:
    """An entry of ``ValidationError.errors()`` -> message and what was allowed."""
    kind: str = error["type"]
    context: dict[str, Any] = error.get("ctx", {})
    if kind == "missing":
        return "is missing", ()
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {context[key]:g}", ()
    if kind in ("enum", "literal_error"):
        listed = re.split(r", | or ", str(context["expected"]))
        return "is none of the allowed values", tuple(each.strip("'") for each in listed)
    if kind == "string_pattern_mismatch":
        return (
            "must not be blank" if context["pattern"] == r"\S" else f"must match {context['pattern']}"
        ), ()
    if kind == "int_from_float":
        return "must be a whole number", ()
    name = re.sub(r"_(type|parsing|exact_type)$", "", kind)
    if name in _TYPES:
        return f"must be {_TYPES[name]}", ("true", "false") if name == "bool" else ()
    if kind == "value_error":
        return str(context["error"]), ()
    message: str = error["msg"]
    return message[:1].lower() + message[1:], tuple(map(str, context.get("allowed", ())))


def found(error: Any) -> str:
    """The value that an error is about; nothing for what is missing, and the kind of what is long."""
    if error["type"] == "missing":
        return ""
    value = error["input"]
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else shown(value)
