"""Extractions as rows: a row a document, and for each list of the schema a row an item."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asbuilt.fields import ExtractedValue, Extraction, Field, FieldSchema

__all__ = ["Item", "group_name", "groups", "items", "leaf_name", "singles", "split_path", "values_by_path"]

_ROW = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a list: `row` is its path (``lines[2]``); values by the path of their field."""

    document: str
    content_hash: str
    row: str
    values: dict[str, ExtractedValue]


def singles(schema: FieldSchema) -> list[Field]:
    """Fields that a document has once."""
    return [field for field in schema.fields if not field.group]


def groups(schema: FieldSchema) -> dict[str, list[Field]]:
    """The lists of the schema (``lines[]``), each with its fields."""
    found: dict[str, list[Field]] = {}
    for field in schema.fields:
        if field.group:
            found.setdefault(field.group, []).append(field)
    return found


def group_name(group: str) -> str:
    """``order.lines[]`` -> ``order.lines``."""
    return group.replace("[]", "")


def leaf_name(field: Field) -> str:
    """What a column of a list is called: ``amount``; ``value`` for a list of plain values."""
    return field.path[len(field.group) :].lstrip(".") or "value"


def split_path(path: str) -> tuple[str, str]:
    """``lines[2].amount`` -> the row ``lines[2]`` and the field ``lines[].amount``."""
    return path[: path.rfind("]") + 1], _ROW.sub("[]", path)


def values_by_path(extraction: Extraction) -> dict[str, ExtractedValue]:
    """What was found of each path, rows counted."""
    return {value.path: value for value in extraction.values}


def items(extractions: Sequence[Extraction], group: str) -> list[Item]:
    """The items of one list in all documents."""
    found = []
    for extraction in extractions:
        rows: dict[str, dict[str, Any]] = {}
        for value in extraction.values:
            row, path = split_path(value.path)
            if row and _ROW.sub("[]", row) == group:
                rows.setdefault(row, {})[path] = value
        found += [
            Item(extraction.document, extraction.content_hash, row, values) for row, values in rows.items()
        ]
    return found
