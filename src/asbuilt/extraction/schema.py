"""JSON Schema -> the fields that are looked for, with every fault of the schema at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from asbuilt.errors import UserError
from asbuilt.extraction.constraints import check_expression
from asbuilt.extraction.labels import label_of_name
from asbuilt.fields import Field, FieldKind, FieldSchema
from asbuilt.registry import nearest

__all__ = ["load_schema"]

_MAX_FIELDS = 2000
_MAX_DEPTH = 12
_KINDS: Mapping[str, FieldKind] = {
    "string": "string",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
}
_KNOWN = (
    *("$schema", "$id", "$defs", "definitions", "$ref", "$comment", "title", "description", "type"),
    *("properties", "required", "items", "enum", "const", "format", "pattern", "default", "examples"),
    *("anyOf", "oneOf", "allOf", "additionalProperties", "minimum", "maximum", "exclusiveMinimum"),
    *("exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems", "multipleOf", "uniqueItems"),
    *("nullable", "x-labels", "x-unit", "x-constraints"),
)
_NOT_SUPPORTED = (
    "patternProperties",
    "if",
    "then",
    "else",
    "not",
    "dependentSchemas",
    "prefixItems",
    "contains",
)


def load_schema(source: str | Path | Mapping[str, Any] | type[BaseModel]) -> FieldSchema:
    """The fields of a JSON Schema: a file (JSON or YAML), a mapping, or a pydantic model.

    Beside JSON Schema's own keywords, ``x-labels`` lists the words that documents put beside a value,
    ``x-unit`` says what a number counts, and ``x-constraints`` (at the top) what must hold between
    values. Raises UserError with every fault, each with its JSON pointer.
    """
    if isinstance(source, type):
        raw = source.model_json_schema()
    elif isinstance(source, Mapping):
        raw = dict(source)
    elif isinstance(source, str | Path):
        raw = _read(Path(source))
    else:
        raise UserError(f"the schema is {source!r:.80}; it must be a JSON object.")
    walk = _Walk(raw)
    fields = tuple(walk.fields())
    faults = list(walk.faults)
    constraints = raw.get("x-constraints", [])
    if not isinstance(constraints, list) or not all(isinstance(each, str) for each in constraints):
        faults.append("/x-constraints: must be a list of strings")
        constraints = []
    if not fields and not faults:
        faults.append("/properties: there is nothing to look for; name at least one property")
    for number, expression in enumerate(constraints):
        faults += [f"/x-constraints/{number}: {fault}" for fault in check_expression(expression, fields)]
    if faults:
        more = "" if len(faults) == 1 else f" (and {len(faults) - 1} more faults)"
        raise UserError(f"the schema cannot be used: {faults[0]}{more}.", hint="\n".join(faults[1:]))
    canonical = json.dumps(raw, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    name = str(raw.get("title") or (Path(source).stem if isinstance(source, str | Path) else "schema"))
    return FieldSchema(name, fields, tuple(constraints), raw, sha256(canonical.encode()).hexdigest())


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"the schema {str(path)!r} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise UserError(f"the schema {str(path)!r} is not UTF-8 text.") from None
    try:
        if path.suffix in (".yaml", ".yml"):
            from ruamel.yaml import YAML
            from ruamel.yaml.error import YAMLError

            try:
                raw = YAML(typ="safe").load(text)
            except YAMLError as error:
                raise ValueError(str(error).splitlines()[0]) from error
        else:
            raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the schema {str(path)!r} cannot be parsed: {error}.") from error
    if not isinstance(raw, dict):
        raise UserError(f"the schema {str(path)!r} is no JSON object.")
    return raw


class _Walk:
    """One walk over a schema; `faults` are complete when `fields` has ended."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self.faults: list[str] = []

    def fields(self) -> Iterator[Field]:
        if self._raw.get("type", "object") != "object" or not isinstance(
            self._raw.get("properties", {}), dict
        ):
            self.faults.append('/type: the top of a schema must be an object with "properties"')
            return
        yield from self._object(self._raw, "", "", 0)

    def _object(self, node: Mapping[str, Any], path: str, pointer: str, depth: int) -> Iterator[Field]:
        if depth > _MAX_DEPTH:
            self.faults.append(f"{pointer}: is nested more than {_MAX_DEPTH} deep")
            return
        required = node.get("required", [])
        for name, child in node.get("properties", {}).items():
            where = f"{pointer}/properties/{name}"
            if not re.fullmatch(r"\w[\w -]*", name):
                self.faults.append(f"{where}: a name must be of letters, digits and '_'")
                continue
            inside = f"{path}.{name}" if path else name
            yield from self._node(child, inside, where, depth, required=name in required)

    def _node(self, raw: Any, path: str, pointer: str, depth: int, *, required: bool) -> Iterator[Field]:
        node = self._resolved(raw, pointer)
        if node is None:
            return
        self._check_keywords(node, pointer)
        kind = self._type(node, pointer)
        if kind == "object" or "properties" in node:
            yield from self._object(node, path, pointer, depth + 1)
        elif kind == "array":
            if "[]" in path:
                self.faults.append(f"{pointer}: a list inside of a list is not supported")
                return
            yield from self._node(
                node.get("items", {}), f"{path}[]", f"{pointer}/items", depth + 1, required=required
            )
        elif kind is not None:
            yield self._leaf(node, kind, path, pointer, required=required)

    def _leaf(self, node: Mapping[str, Any], kind: str, path: str, pointer: str, *, required: bool) -> Field:
        name = path.removesuffix("[]").rpartition(".")[2]
        stated = node.get("x-labels", [])
        if not isinstance(stated, list) or not all(isinstance(each, str) and each.strip() for each in stated):
            self.faults.append(f"{pointer}/x-labels: must be a list of words")
            stated = []
        pattern = node.get("pattern")
        if pattern is not None:
            try:
                re.compile(pattern)
            except (re.error, TypeError) as error:
                self.faults.append(f"{pointer}/pattern: is no regular expression: {error}")
                pattern = None
        choices = node.get("enum", ())
        choices = (
            tuple(str(each) for each in choices if each is not None) if isinstance(choices, list) else ()
        )
        field_kind: FieldKind = _KINDS.get(kind, "string")
        if choices:
            field_kind = "enum"
        elif kind == "string" and node.get("format") in ("date", "date-time"):
            field_kind = "date"
        labels = (*stated, str(node.get("title", "")), label_of_name(name))
        unique = tuple(dict.fromkeys(label.strip() for label in labels if label.strip()))
        return Field(
            path=path,
            kind=field_kind,
            labels=unique,
            description=str(node.get("description", "")),
            required=required,
            choices=choices,
            pattern=pattern,
            unit=node.get("x-unit"),
        )

    def _type(self, node: Mapping[str, Any], pointer: str) -> str | None:
        stated = node.get(
            "type", "array" if "items" in node else "object" if "properties" in node else "string"
        )
        kinds = [each for each in (stated if isinstance(stated, list) else [stated]) if each != "null"]
        known = (*_KINDS, "object", "array")
        if len(kinds) == 1 and kinds[0] in known:
            return str(kinds[0])
        self.faults.append(f"{pointer}/type: {stated!r} is not one of {', '.join(known)} (or null beside it)")
        return None

    def _resolved(self, raw: Any, pointer: str) -> Mapping[str, Any] | None:
        """With references followed, and the one alternative that is not null taken."""
        node = raw
        for _ in range(_MAX_DEPTH):
            if not isinstance(node, Mapping):
                self.faults.append(f"{pointer}: must be an object")
                return None
            if "$ref" in node:
                target = self._target(str(node["$ref"]))
                if target is None:
                    self.faults.append(f"{pointer}/$ref: {node['$ref']!r} leads nowhere in this schema")
                    return None
                node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
                continue
            choices = node.get("anyOf") or node.get("oneOf") or node.get("allOf")
            if choices is None:
                return cast(Mapping[str, Any], node)
            real = [
                each for each in choices if not (isinstance(each, Mapping) and each.get("type") == "null")
            ]
            if len(real) != 1:
                self.faults.append(f"{pointer}: a choice between several types is not supported")
                return None
            rest = {key: value for key, value in node.items() if key not in ("anyOf", "oneOf", "allOf")}
            node = {**real[0], **rest}
        self.faults.append(f"{pointer}/$ref: references go in a circle")
        return None

    def _target(self, reference: str) -> Mapping[str, Any] | None:
        if not reference.startswith("#/"):
            return None
        node: Any = self._raw
        for part in reference[2:].split("/"):
            node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, Mapping) else None
        return node if isinstance(node, Mapping) else None

    def _check_keywords(self, node: Mapping[str, Any], pointer: str) -> None:
        for key in node:
            if key in _NOT_SUPPORTED:
                self.faults.append(f"{pointer}/{key}: is not supported here")
            elif key not in _KNOWN:
                close = nearest(str(key), _KNOWN)
                hint = f"; did you mean {close!r}?" if close else ""
                self.faults.append(f"{pointer}/{key}: is no keyword{hint}")
