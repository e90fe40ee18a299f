"""Where two models differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asbuilt.lineage import Manifest

__all__ = ["Change", "ModelDifference", "difference"]


@dataclass(frozen=True, slots=True)
class Change:
    """What one name has in the first model and in the second; None where it is not there."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True, slots=True)
class ModelDifference:
    """Changes by name, nested names joined with dots; empty where there are none."""

    first: str
    second: str
    made: tuple[Change, ...]
    settings: tuple[Change, ...]
    metrics: tuple[Change, ...]
    data_card: tuple[Change, ...]
    files: tuple[Change, ...]


def difference(
    first: Manifest, second: Manifest, first_card: Mapping[str, Any], second_card: Mapping[str, Any]
) -> ModelDifference:
    """What sets `second` apart from `first`; the data cards are those of their files."""
    return ModelDifference(
        first.version,
        second.version,
        made=_changes(_made(first), _made(second)),
        settings=_changes(first.settings, second.settings),
        metrics=_changes(first.metrics, second.metrics),
        data_card=_changes(first_card, second_card),
        files=_changes(first.files, second.files),
    )


def _made(manifest: Manifest) -> dict[str, Any]:
    names = ("name", "kind", "base", "base_digest", "recipe", "parent", "created_at")
    return {name: getattr(manifest, name) for name in names}


def _changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Change, ...]:
    a, b = _flat(first), _flat(second)
    return tuple(
        Change(name, a.get(name), b.get(name)) for name in sorted({*a, *b}) if a.get(name) != b.get(name)
    )


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{above}{name}.")
        else:
            flat[f"{above}{name}"] = value
    return flat
