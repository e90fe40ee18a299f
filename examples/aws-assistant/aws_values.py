"""Option values -> problems: shorthand and JSON are parsed, then compared with the service's shape.

Files are never read: a value that names one (`file://`, `fileb://`) is accepted as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from aws_report import Problem, choices, listing
from awscli.argprocess import ParamError, ParamShorthandParser
from awscli.arguments import CLIArgument
from awscli.shorthand import DocumentTypesNotSupportedError, ShorthandParser
from awscli.utils import is_document_type, is_document_type_container

# `import awscli` makes its own botocore importable under this name.
from botocore.utils import is_json_value_header, parse_to_aware_datetime

__all__ = ["value_problems"]

_FILES = ("file://", "fileb://")
_JSON_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "structure": (dict, "a JSON object"),
    "map": (dict, "a JSON object"),
    "list": (list, "a list"),
    "string": (str, "a string"),
    "character": (str, "a string"),
    "blob": (str, "a string"),
    "boolean": (bool, "true or false"),
    "int": (int, "a whole number"),  # what awscli calls it in its own schemas
    "integer": (int, "a whole number"),
    "long": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "double": ((int, float), "a number"),
}


class _UnreadFiles(ShorthandParser):  # type: ignore[misc]  # awscli is not typed
    """Shorthand in which `key@=file://path` stays text."""

    def _resolve_paramfiles(self, val: str) -> str:
        return val


class _Shorthand(ParamShorthandParser):  # type: ignore[misc]  # awscli is not typed
    """The CLI's own shorthand, special cases included, without its file access."""

    def __init__(self) -> None:
        super().__init__()
        self._parser = _UnreadFiles()


def value_problems(argument: Any, texts: Sequence[str], *, event: str) -> list[Problem]:
    """What is wrong with `texts`, the words given to `argument` (an awscli argument with a model).

    `event` is ``process-cli-arg.<service id>.<operation>``, by which awscli finds its special cases.
    """
    shape = argument.argument_model
    if shape is None or any(text.startswith(_FILES) for text in texts):
        return []
    try:
        value = _parse(argument, texts, event=event)
        # The lists of values in awscli's own schemas are suggestions: nothing enforces them.
        enums = isinstance(argument, CLIArgument)
        return list(_shape_problems(value, shape, argument.cli_name, enums=enums))
    except ParamError as error:
        return [Problem(_first_line(error.message), argument.cli_name, allowed=_expected(shape))]
    except (ValueError, TypeError, AttributeError, IndexError, DocumentTypesNotSupportedError) as error:
        # awscli's shorthand lets conversions fail with whatever Python raises.
        return [Problem(f"cannot be parsed: {_first_line(str(error))}", argument.cli_name, _expected(shape))]
    except RecursionError:
        return [Problem("nested too deeply", argument.cli_name)]


def _parse(argument: Any, texts: Sequence[str], *, event: str) -> Any:
    shape = argument.argument_model
    if is_json_value_header(shape) or is_document_type(shape):
        return json.loads(texts[0])
    if shape.type_name not in ("list", "structure", "map"):
        return _scalar(shape.type_name, texts[0])
    words = list(texts) if shape.type_name == "list" else texts[0]
    if not is_document_type_container(shape):
        parsed = _Shorthand()(cli_argument=argument, value=words, event_name=event)
        if parsed is not None:
            return parsed
    if shape.type_name != "list" or (len(texts) == 1 and texts[0].lstrip().startswith("[")):
        return json.loads(texts[0])
    if shape.member.type_name in ("list", "structure", "map"):
        return [json.loads(text) for text in texts]
    return [_scalar(shape.member.type_name, text) for text in texts]


def _scalar(type_name: str, text: str) -> str | int | float | bool:
    if type_name in ("int", "integer", "long"):
        return int(text)
    if type_name in ("float", "double"):
        return float(text)
    if type_name == "boolean":
        return text.lower() != "false"
    return text


def _shape_problems(value: Any, shape: Any, where: str, *, enums: bool) -> Iterator[Problem]:
    """Differences between parsed `value` and `shape`, in the order of the value."""
    if is_json_value_header(shape) or is_document_type(shape):
        return
    kind = shape.type_name
    if kind == "timestamp":
        yield from _timestamp_problems(value, where)
        return
    if not _is_a(kind, value):
        yield Problem(f"{_short(value)} is not {_JSON_TYPES[kind][1]}", where, allowed=_expected(shape))
        return
    yield from _range_problems(value, shape, where)
    if kind == "structure":
        yield from _structure_problems(value, shape, where, enums=enums)
    elif kind == "map":
        for key, item in value.items():
            yield from _shape_problems(key, shape.key, f"{where} key", enums=enums)
            yield from _shape_problems(item, shape.value, f"{where}.{key}", enums=enums)
    elif kind == "list":
        for number, item in enumerate(value):
            yield from _shape_problems(item, shape.member, f"{where}[{number}]", enums=enums)
    elif kind == "string" and enums and value not in (known := shape.metadata.get("enum") or [value]):
        yield Problem(f"{_short(value)} is not a known value", where, *choices(value, known))


def _is_a(kind: str, value: object) -> bool:
    # To Python a bool is an int; to a service it is not.
    return isinstance(value, _JSON_TYPES[kind][0]) and (kind == "boolean" or not isinstance(value, bool))


def _structure_problems(value: dict[str, Any], shape: Any, where: str, *, enums: bool) -> Iterator[Problem]:
    members = list(shape.members)
    if shape.is_tagged_union and len(value) != 1:
        yield Problem(f"takes exactly one key, not {len(value)}", where, listing(members))
    for name in shape.required_members:
        # awscli hoists some members into options of their own, but leaves them listed as required.
        if name in shape.members and name not in value:
            yield Problem(f"required key {name} is missing", where, listing(members))
    for name, item in value.items():
        if name in shape.members:
            yield from _shape_problems(item, shape.members[name], f"{where}.{name}", enums=enums)
        else:
            yield Problem(f"unknown key {_short(name)}", where, *choices(name, members))


def _range_problems(value: Any, shape: Any, where: str) -> Iterator[Problem]:
    """Lower bounds only: those are what the CLI enforces before it sends anything."""
    least = shape.metadata.get("min")
    if least is None or shape.type_name not in ("string", "list", "map", "blob", "integer", "long"):
        return
    if isinstance(value, int):
        if value < least:
            yield Problem(f"{value} is too small", where, allowed=f"at least {least}")
    elif len(value) < least:
        yield Problem(f"{_short(value)} is too short", where, allowed=f"length of at least {least}")


def _timestamp_problems(value: Any, where: str) -> Iterator[Problem]:
    try:
        parse_to_aware_datetime(value)
    except (ValueError, TypeError, AttributeError, OverflowError, OSError, RuntimeError):
        allowed = "ISO 8601 such as 2026-01-31T00:00:00Z, or seconds since 1970"
        yield Problem(f"{_short(value)} is not a point in time", where, allowed)


def _expected(shape: Any) -> str:
    """How a value of `shape` is written."""
    if shape.type_name == "structure":
        return f"Key=value,... or JSON with the keys {listing(list(shape.members))}"
    if shape.type_name == "list":
        inner = shape.member
        return "values separated by blanks" if inner.type_name == "string" else f"list of {_expected(inner)}"
    if shape.type_name == "map":
        return "key=value,... or a JSON object"
    return _JSON_TYPES.get(shape.type_name, ((), "a value"))[1]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _first_line(text: str) -> str:
    lines = text.strip().splitlines() or ["no value"]
    return lines[0][:200]
