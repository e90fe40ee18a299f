"""Data with places -> a value, with every fault of its form at once.

What is wrong is left out and noted as broken, so that the rest can still be read and checked.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from asbuilt.blueprint.data import NAME_KEY, is_value, keys_of
from asbuilt.blueprint.fault import Fault, Steps, in_order
from asbuilt.blueprint.tree import Tree
from asbuilt.blueprint.words import explain, found
from asbuilt.errors import BugError

__all__ = ["Shaped", "is_broken", "shape"]

T = TypeVar("T")

_UNKNOWN = "unexpected_keyword_argument"  # looked at first: a misspelt key explains a missing one
_MAX_REPAIRS = 8  # a wrong section is emptied, then its missing keys get stand-ins


@dataclass(frozen=True, slots=True)
class Shaped(Generic[T]):
    """As much of the value as could be read (None: nothing), the faults of text and form, and the
    ways to what could not be read."""

    value: T | None
    faults: tuple[Fault, ...]
    broken: frozenset[Steps]


def shape(tree: Tree, kind: type[T]) -> Shaped[T]:
    """Read `tree` as a value of the dataclass `kind`."""
    if not tree.complete:
        return Shaped(None, tree.faults, tree.broken)
    if not isinstance(tree.data, dict):
        what = {list: "a list", type(None): "nothing"}.get(type(tree.data), "a single value")
        fault = tree.fault((), "a blueprint is a mapping that starts with 'blueprint: 1'", value=what)
        return Shaped(None, (*tree.faults, fault), frozenset({()}))
    value, errors = _validate(kind, tree.data)
    faults, broken = list(tree.faults), set(tree.broken)
    unread = set(tree.broken)  # what follows from these is no fault of its own
    for error in sorted(errors, key=lambda error: error["type"] != _UNKNOWN):
        steps = _steps(error["loc"], tree.data)
        if is_broken(unread, steps):
            continue
        faults.append(_fault(tree, kind, error, steps))
        if error["type"] == _UNKNOWN:
            unread |= _meant(tree, steps, faults[-1].nearest)
        else:
            broken.add(_cut(steps))
    rest = _rest(kind, tree.data, errors) if value is None else value
    return Shaped(rest, in_order(faults), frozenset(broken | unread))


def _rest(kind: type[T], data: Any, errors: list[Any]) -> T:
    """The value without what is wrong in it."""
    for _ in range(_MAX_REPAIRS):
        repaired = data
        for error in errors:
            repaired = _repaired(repaired, error, _steps(error["loc"], data))
        data = repaired
        value, errors = _validate(kind, data)
        if value is not None:
            return value
    raise BugError(f"what is left of a blueprint cannot be read: {errors!r}")


def is_broken(broken: frozenset[Steps] | set[Steps], steps: Steps) -> bool:
    """Whether `steps` leads to, or into, something that could not be read."""
    return any(steps[:length] in broken for length in range(len(steps) + 1))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _validate(kind: type[T], data: Any) -> tuple[T | None, list[Any]]:
    try:
        value: T = _adapter(cast(Any, kind)).validate_python(data, by_alias=True, by_name=False)
    except ValidationError as error:
        return None, list(error.errors(include_url=False))
    return value, []


def _steps(location: tuple[str | int, ...], data: Any) -> Steps:
    """pydantic's location -> steps: it counts named entries where the file names them."""
    steps: list[str | int] = []
    for part in location:
        if part in (NAME_KEY, "[key]"):  # the error is about the last step's own name
            break
        step = list(data)[part] if isinstance(data, dict) and isinstance(part, int) else part
        steps.append(step)
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            data = None
    return tuple(steps)


def _fault(tree: Tree, kind: type, error: Any, steps: Steps) -> Fault:
    if error["type"] == _UNKNOWN:
        allowed = tuple(key for key in keys_of(_kind_at(kind, steps[:-1])).values() if key != NAME_KEY)
        return tree.fault(steps, "unknown key", key=True, allowed=allowed, word=str(steps[-1]))
    message, allowed = explain(error)
    word = error["input"] if allowed and isinstance(error["input"], str) else None
    of_name = error["loc"][-1] == NAME_KEY
    return tree.fault(
        steps,
        f"a name {message}" if of_name else message,
        key=of_name,
        value=found(error),
        allowed=allowed,
        word=word,
    )


def _meant(tree: Tree, steps: Steps, nearest: str | None) -> set[Steps]:
    """Where the value of a misspelt key belongs, unless something stands there."""
    meant = (*steps[:-1], nearest or steps[-1])
    return set() if tree.has(meant) else {meant}


def _kind_at(kind: Any, steps: Steps) -> Any:
    """The class of the value that `steps` lead to."""
    rest = list(steps)
    while rest:
        key = rest.pop(0)
        [name] = [name for name, written in keys_of(kind).items() if written == key]
        annotation = typing.get_type_hints(kind)[name]
        if typing.get_origin(annotation) is tuple:
            rest.pop(0)  # the name or number of an entry
        inside = (annotation, *typing.get_args(annotation))
        kind = next(each for each in inside if is_value(each))
    return kind


def _cut(steps: Steps) -> Steps:
    """A list with something wrong in it is left out as a whole."""
    for length, step in enumerate(steps):
        if isinstance(step, int):
            return steps[:length]
    return steps


def _repaired(data: Any, error: Any, steps: Steps) -> Any:
    """A copy of `data` without this error. What an error before it took out stays out."""
    cut = _cut(steps)
    if error["type"] == "missing" and cut == steps:
        return _with(data, steps, 1 if steps == ("blueprint",) else {} if steps == ("system",) else "?")
    if error["type"] == "dataclass_type" and cut == steps:
        return _with(data, steps, {})
    return _without(data, cut)


def _with(data: dict[str, Any], steps: Steps, value: Any) -> dict[str, Any]:
    step = str(steps[0])
    if len(steps) == 1:
        return {**data, step: value}
    return {**data, step: _with(data[step], steps[1:], value)} if step in data else data


def _without(data: dict[str, Any], steps: Steps) -> dict[str, Any]:
    step = str(steps[0])
    if step not in data:
        return data
    if len(steps) > 1:
        return {**data, step: _without(data[step], steps[1:])}
    return {key: each for key, each in data.items() if key != step}
