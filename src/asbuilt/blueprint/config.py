"""A component's config against the annotations of its constructor."""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

from asbuilt import registry
from asbuilt.blueprint.fault import Steps, dotted, shown
from asbuilt.blueprint.spec import ComponentSpec
from asbuilt.blueprint.words import explain, found
from asbuilt.errors import UserError

__all__ = ["WrongConfig", "config_values", "type_name", "wrong_config"]


@dataclass(frozen=True, slots=True)
class WrongConfig:
    """What is wrong with a config value, or with the part of it that `steps` lead to."""

    steps: Steps
    message: str
    value: str
    allowed: tuple[str, ...] = ()
    word: str | None = None


def wrong_config(annotation: Any, value: Any) -> list[WrongConfig]:
    """What keeps `value`, as a blueprint holds it, from being of the annotated type.

    The rules are pydantic's strict ones for JSON: a list makes a tuple and text a path, but "5" is
    no number.
    """
    try:
        _validated(annotation, value)
    except PydanticSchemaGenerationError:
        return [WrongConfig((), f"takes {type_name(annotation)}, which no file can hold", shown(value))]
    except ValidationError as error:
        if _is_choice(annotation):  # an error for each alternative says less than their names
            return [WrongConfig((), f"must be {type_name(annotation)}", shown(value))]
        return [_explained(each) for each in error.errors(include_url=False)]
    return []


def config_values(component: ComponentSpec, folder: Path) -> dict[str, Any]:
    """The config of a built component as its constructor takes it: lists become the tuples, text
    the paths (relative to `folder`, with ``~`` for the home folder) that are annotated.

    Raises UserError for config that `check` has a fault for.
    """
    assert component.use is not None, "only built components take config"
    annotations = {each.name: each.annotation for each in registry.signature(component.use).config}
    values: dict[str, Any] = {}
    for key, value in component.config.items():
        if key not in annotations:
            raise UserError(f"{component.name}: {component.use} takes no config {key!r}.")
        if wrong := wrong_config(annotations[key], value):
            place = dotted((key, *wrong[0].steps))
            raise UserError(f"{component.name}: config {place} {wrong[0].message} ({wrong[0].value}).")
        values[key] = _located(_validated(annotations[key], value), folder)
    return values


def type_name(annotation: Any) -> str:
    """An annotation as it is written, without the modules of its names."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text.strip("'\""))


def _explained(error: Any) -> WrongConfig:
    message, allowed = explain(error)
    word = error["input"] if allowed and isinstance(error["input"], str) else None
    return WrongConfig(tuple(error["loc"]), message, found(error), allowed, word)


def _is_choice(annotation: Any) -> bool:
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return False
    return len([each for each in typing.get_args(annotation) if each is not type(None)]) > 1


def _validated(annotation: Any, value: Any) -> Any:
    return _adapter(annotation).validate_json(json.dumps(value), strict=True)


def _located(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return folder / value.expanduser()
    if isinstance(value, list | tuple):
        return type(value)(_located(each, folder) for each in value)
    return value


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)
