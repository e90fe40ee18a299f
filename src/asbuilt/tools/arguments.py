"""A function's signature as the typed arguments of a tool: JSON Schema out, checked values in."""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails

from asbuilt.errors import ToolError, UserError
from asbuilt.registry import nearest

__all__ = ["Arguments", "summary"]

_SHOWN_CHARS = 80
_SECTION = re.compile(r"(?:Args|Arguments|Parameters):\s*$")
_GOOGLE = re.compile(r"(\*{0,2}\w+)\s*(?:\([^)]*\))?:\s*(.*)$")
_SPHINX = re.compile(r":(?:param|parameter|arg)\s+(?:[^:]*\s)?(\w+):\s*(.*)$")


class Arguments:
    """The arguments of `function`, from its annotations, defaults and docstring.

    Every parameter must be annotated and takeable by keyword; values are checked strictly, as
    JSON, and unknown ones are faults. Parameters in `given` are filled by the program, and no model
    sees them. Raises UserError for a signature that JSON cannot fill.

    >>> def price(service: str, hours: int = 1) -> float: ...
    >>> Arguments(price).parse({"service": "ec2"})
    {'service': 'ec2', 'hours': 1}
    """

    def __init__(self, function: Callable[..., object], *, given: Collection[str] = ()) -> None:
        self.function_name = getattr(function, "__qualname__", repr(function))
        texts = _parameter_texts(inspect.getdoc(function) or "")
        parameters = [
            each for each in inspect.signature(function).parameters.values() if each.name not in given
        ]
        self.names = [parameter.name for parameter in parameters]
        hints = self._hints(function)
        fields: dict[str, Any] = {}
        for number, parameter in enumerate(parameters):
            self._check(parameter, hints)
            default = ... if parameter.default is parameter.empty else parameter.default
            field = Field(default, alias=parameter.name, description=texts.get(parameter.name))
            # The parameter's own name is the alias: a field may not be called "json" or "_x".
            fields[f"argument_{number}"] = (hints[parameter.name], field)
        config = ConfigDict(strict=True, extra="forbid")
        try:
            self._model: type[BaseModel] = create_model("Arguments", __config__=config, **fields)
            schema = self._model.model_json_schema(schema_generator=_UntitledSchema)
        except (PydanticUserError, TypeError) as error:
            raise UserError(
                f"{self.function_name} cannot be a tool: {str(error).splitlines()[0]}",
                hint="Annotate with types that JSON can carry.",
            ) from error
        schema.pop("title", None)
        self.schema: Mapping[str, Any] = {"properties": {}, **schema}

    def parse(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Keyword arguments for the function. Raises ToolError that lists every fault."""
        try:
            values = self._model.model_validate_json(json.dumps(dict(arguments)))
        except ValidationError as error:
            faults = [self._fault(each) for each in error.errors(include_url=False)]
            count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
            raise ToolError(f"{count} in the arguments: {'; '.join(faults)}.") from None
        except (TypeError, ValueError) as error:
            raise ToolError(f"the arguments are not JSON: {error}.") from None
        return {name: getattr(values, f"argument_{number}") for number, name in enumerate(self.names)}

    def _hints(self, function: Callable[..., object]) -> dict[str, Any]:
        try:
            return typing.get_type_hints(function, include_extras=True)
        except NameError as error:
            raise UserError(f"{self.function_name} cannot be a tool: {error}.") from error

    def _check(self, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> None:
        by_keyword = (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if parameter.kind not in by_keyword or parameter.name not in hints:
            raise UserError(
                f"{self.function_name} cannot be a tool: parameter {str(parameter)!r} "
                "must be annotated and takeable by keyword."
            )

    def _fault(self, fault: ErrorDetails) -> str:
        where = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "missing":
            return f"{where!r} is required"
        if fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1:
            close = nearest(where, self.names)
            meant = f", did you mean {close!r}?" if close else ""
            return f"{where!r} is unknown{meant} (allowed: {', '.join(self.names) or 'none'})"
        shown = repr(fault["input"])
        shown = shown if len(shown) <= _SHOWN_CHARS else f"{shown[:_SHOWN_CHARS]}..."
        message = fault["msg"][:1].lower() + fault["msg"][1:]
        return f"{where!r}: {message}, not {shown}"


def summary(function: Callable[..., object]) -> str:
    """The first paragraph of the docstring, on one line; empty when there is none."""
    paragraph = (inspect.getdoc(function) or "").split("\n\n", 1)[0]
    lines = []
    for line in paragraph.splitlines():
        if _SECTION.match(line) or _SPHINX.match(line):
            break
        lines.append(line.strip())
    return " ".join(lines).strip()


def _parameter_texts(docstring: str) -> dict[str, str]:
    """What the docstring says of each parameter, in Google's or Sphinx's style."""
    texts: dict[str, list[str]] = {}
    current: list[str] | None = None
    in_section = False
    entry_indent: int | None = None
    for line in docstring.splitlines():
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if _SECTION.match(line):
            in_section, entry_indent, current = True, None, None
            continue
        if in_section and text and indent == 0:
            in_section, current = False, None
        if in_section and text and entry_indent is None:
            entry_indent = indent
        found = _GOOGLE.match(text) if in_section and indent == entry_indent else _SPHINX.match(text)
        if found:
            current = texts.setdefault(found[1].lstrip("*"), [])
            current.append(found[2])
        elif not text or text.startswith(":"):
            current = None
        elif current is not None:
            current.append(text)
    return {name: " ".join(lines).strip() for name, lines in texts.items()}


class _UntitledSchema(GenerateJsonSchema):
    """Titles repeat the names and cost prompt tokens."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False
