"""Values of a blueprint -> the plain data that its file holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from enum import Enum
from typing import Any, cast

__all__ = ["NAME_KEY", "is_named", "is_value", "keys_of", "stated", "to_data"]

NAME_KEY = "\tname"
"""Stands for the key under which a named value is written. No key of a file looks like this: `parse`
refuses what cannot be printed."""

_FIRST = (
    "blueprint", "system", "measure", "data", "load", "target", "name", "title", "use", "purpose", "needs",
    "dependencies", "config",
)  # fmt: skip
"""Keys that are written first; the others follow in the order of their fields."""


def keys_of(kind: type) -> dict[str, str]:
    """Field to key: what the fields of a value's class are called in YAML."""
    declared = cast(Any, kind).__pydantic_fields__
    return {name: info.validation_alias or name for name, info in declared.items()}


def is_value(thing: object) -> bool:
    """Whether this is a value of a blueprint (or its class)."""
    return hasattr(thing, "__pydantic_fields__")


def is_named(kind: type) -> bool:
    """Whether values of this class are written under their name: ``{name: fields}``."""
    return is_value(kind) and keys_of(kind).get("name") == NAME_KEY


def stated(value: Any) -> Iterator[tuple[str, Any]]:
    """Names and contents of the fields that differ from their default."""
    for each in fields(value):
        content = getattr(value, each.name)
        if not _is_default(each, content):
            yield each.name, content


def to_data(value: Any) -> Any:
    """A blueprint, or a part of one, as dicts, lists and scalars."""
    if is_value(value):
        return _fields_of(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: to_data(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        if value and is_named(type(value[0])):
            return {each.name: to_data(each) for each in value}
        return [to_data(each) for each in value]
    return value


def _fields_of(value: Any) -> Any:
    keys = keys_of(type(value))
    data = {keys[name]: _unpadded(to_data(content)) for name, content in stated(value)}
    data.pop(NAME_KEY, None)
    if "version" in keys:
        data[keys["version"]] = value.version  # always stated: it says what the rest means
    rank = {key: place for place, key in enumerate(_FIRST)}
    return dict(sorted(data.items(), key=lambda item: rank.get(item[0], len(rank))))


def _unpadded(content: Any) -> Any:
    """6.0 hours are written as 6: a field that holds a float reads both as the same."""
    return int(content) if isinstance(content, float) and content.is_integer() else content


def _is_default(field: Field[Any], content: Any) -> bool:
    if field.default_factory is not MISSING:
        return bool(content == field.default_factory())
    return field.default is not MISSING and bool(content == field.default)
