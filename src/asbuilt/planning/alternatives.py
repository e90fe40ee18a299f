"""The nearest plans that fit, when one does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

from asbuilt.errors import NotFoundError
from asbuilt.resources.demand import LanguageModel
from asbuilt.resources.models import MODELS
from asbuilt.resources.precision import find_precision
from asbuilt.resources.weights import Weights, weights_of

__all__ = ["ORDER", "Alternative", "nearest_plans"]

ORDER = (
    "Least loss first: fewer slots, then a lower precision, then a smaller context, then a smaller model of "
    "the family; of each no more than needed."
)
"""Why the list is in its order, for people."""

_LADDER = ("bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m")
"""Precisions that are offered, each smaller than the one before. Below four bits models answer worse."""
_FALLBACK = "q4_k_m"
_LEAST_CONTEXT = 1024
_MOST, _MOST_SIBLINGS = 4, 2

_Steps = tuple[int, int, int, int]
"""How far an alternative is from the wish: sibling, context, precision, slots."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """`changes` to the config of `component`, and what everything takes then (at its worst)."""

    component: str
    changes: dict[str, str | int]
    total_bytes: int


def nearest_plans(
    component: str, model: LanguageModel, *, total_bytes: Callable[[LanguageModel], int | None]
) -> tuple[Alternative, ...]:
    """Changes of one language model that make a plan fit, best first by `ORDER`: at most four that keep the
    model, and two that do not.

    `total_bytes` of everything with another model in its place is None where that does not fit. A change
    is left out when one that gives up less in every respect fits as well.
    """
    taken: list[_Steps] = []
    found: list[Alternative] = []
    for steps, changed in sorted(_changes(model), key=lambda each: each[0]):
        if any(all(a <= b for a, b in zip(each, steps, strict=True)) for each in taken):
            continue
        smaller = steps[0] > 0
        if sum((each[0] > 0) == smaller for each in taken) == (_MOST_SIBLINGS if smaller else _MOST):
            continue
        total = total_bytes(changed)
        if total is not None:
            taken.append(steps)
            found.append(Alternative(component, _said(model, changed), total))
    return tuple(found)


def _changes(model: LanguageModel) -> Iterator[tuple[_Steps, LanguageModel]]:
    contexts = list(_halved(model.context_tokens, least=_LEAST_CONTEXT))
    slots = list(_halved(model.slots, least=1))
    for number, sibling in enumerate(_siblings(model)):
        for (at, weights), (context_at, context), (slots_at, slot) in product(
            enumerate(_precisions(sibling)), enumerate(contexts), enumerate(slots)
        ):
            steps = (number, context_at, at, slots_at)
            if any(steps):
                yield steps, replace(sibling, weights=weights, context_tokens=context, slots=slot)


def _halved(value: int, *, least: int) -> Iterator[int]:
    yield value
    while value // 2 >= least:
        value //= 2
        yield value


def _precisions(model: LanguageModel) -> list[Weights]:
    """What the model has, and smaller ones of the ladder."""
    stored = (
        _weights(model.published, name) if model.published else weights_of(model.shape, name)
        for name in _LADDER
    )
    return [model.weights, *(each for each in stored if each.total_bytes < model.weights.total_bytes)]


@cache
def _weights(published: str, precision: str) -> Weights:
    return weights_of(MODELS[published].shape, precision)


def _siblings(model: LanguageModel) -> list[LanguageModel]:
    """The model, and smaller published ones of its family, largest first, in the nearest precision."""
    if model.published is None:
        return [model]
    own = MODELS[model.published]
    # Of several of one size the newest stays, whose name comes last.
    by_size = {
        each.params: each
        for each in sorted(MODELS.values(), key=lambda each: each.name)
        if _family(each.name) == _family(own.name)
        and each.purpose == own.purpose
        and each.params < own.params
        and each.shape.max_context >= model.context_tokens
    }
    smaller = [by_size[params] for params in sorted(by_size, reverse=True)]
    precision = _named(model.weights.precision)
    return [
        model,
        *(
            replace(
                model,
                name=each.name,
                published=each.name,
                shape=each.shape,
                weights=_weights(each.name, precision),
            )
            for each in smaller
        ),
    ]


def _family(name: str) -> str:
    return name.partition(" ")[0]


def _named(precision: str) -> str:
    """A precision that weights can be computed in, for what a file says of itself."""
    try:
        return find_precision(precision).name
    except NotFoundError:
        return _FALLBACK


def _said(wanted: LanguageModel, changed: LanguageModel) -> dict[str, str | int]:
    """The keys of config that differ."""
    said: dict[str, str | int] = {}
    if changed.name != wanted.name:
        said["model"] = changed.name
    if changed.weights.precision != wanted.weights.precision:
        said["precision"] = changed.weights.precision
    if changed.context_tokens != wanted.context_tokens:
        said["context_tokens"] = changed.context_tokens
    if changed.slots != wanted.slots:
        said["slots"] = changed.slots
    return said
