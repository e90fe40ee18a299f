"""Payload values as tags: one string a key and value, so that every index filters alike.

A filter's value equals a payload's value when both are text, both are booleans or both are
numbers, and they are equal (1 and 1.0 are, 1 and True and "1" are not).

>>> sorted(tags_of({"page": 3, "source": "a.md"}))
['["page",3]', '["source","a.md"]']
>>> wanted_tags({"page": [3, 4]})
[['["page",3]', '["page",4]']]
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from asbuilt.errors import UserError
from asbuilt.types import Filters, Scalar

__all__ = ["tags_of", "wanted_tags"]

_as_json = json.JSONEncoder(separators=(",", ":")).encode


def tags_of(payload: Mapping[str, Scalar]) -> list[str]:
    """A tag for every entry of `payload`. Raises UserError for a value that is not a scalar."""
    return [_tag(key, value) for key, value in payload.items()]


def wanted_tags(filters: Filters | None) -> list[list[str]]:
    """For every key of `filters` the tags of which a point must have at least one.

    A key that no point has, and an empty list of values, match nothing. Raises UserError for a
    value that is not a scalar.
    """
    wanted = []
    for key, value in (filters or {}).items():
        values = [value] if isinstance(value, Scalar) else value
        if not isinstance(values, Sequence) or isinstance(values, bytes | bytearray):
            raise _not_scalar(key, value)
        wanted.append([_tag(key, each) for each in values])
    return wanted


def _tag(key: str, value: Scalar) -> str:
    if not isinstance(value, Scalar):
        raise _not_scalar(key, value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _as_json((key, value))


def _not_scalar(key: str, value: Any) -> UserError:
    return UserError(
        f"value {value!r} of {key!r} cannot be filtered by.",
        hint="Use text, a number, a boolean, or in a filter a list of them.",
    )
