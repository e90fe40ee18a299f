"""Which label belongs to which field, where each may belong to several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Option", "best_pairs"]

_MOST_LABELS = 4  # that are tried for a field
_MOST_FIELDS = 6  # for which all ways are tried; beyond, the surest come first

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Option(Generic[T]):
    """That the label at word `label` belongs to `field`, how sure that is, and what then follows."""

    worth: float
    field: str
    label: int
    value: T


def best_pairs(options: Sequence[Option[T]]) -> list[Option[T]]:
    """Options in which no field and no label stands twice, worth most together."""
    by_field: dict[str, list[Option[T]]] = {}
    for option in sorted(options, key=lambda each: -each.worth):
        known = by_field.setdefault(option.field, [])
        if len(known) < _MOST_LABELS:
            known.append(option)
    if len(by_field) > _MOST_FIELDS:
        return _surest(options)
    best: tuple[float, list[Option[T]]] = (0.0, [])
    fields = list(by_field.values())

    def choose(at: int, chosen: list[Option[T]], worth: float) -> None:
        nonlocal best
        if at == len(fields):
            if worth > best[0]:
                best = worth, list(chosen)
            return
        for option in fields[at]:
            if all(option.label != each.label for each in chosen):
                choose(at + 1, [*chosen, option], worth + option.worth)
        choose(at + 1, chosen, worth)

    choose(0, [], 0.0)
    return best[1]


def _surest(options: Sequence[Option[T]]) -> list[Option[T]]:
    chosen: list[Option[T]] = []
    for option in sorted(options, key=lambda each: -each.worth):
        if all(option.label != each.label and option.field != each.field for each in chosen):
            chosen.append(option)
    return chosen
