"""YAML text -> plain data that knows its lines and columns.

Blueprints are data and nothing else: no tags, no anchors or aliases, one document, text keys.
Scalars follow the core schema of YAML 1.2 (section 10.3.2): `yes` is text, `0o17` is a number. It
has two exceptions, so that all data is also JSON: infinities and not-a-number are text.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from asbuilt.blueprint.fault import Fault, Severity, Steps, dotted
from asbuilt.registry import nearest as nearest_of

__all__ = ["Place", "Tree", "parse", "parse_scalar"]

MAX_DEPTH = 32

Place = tuple[int, int]
"""Line and column, counted from 1."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Plain data (dict, list, str, int, float, bool, None) and where each key and value stands.

    `broken` holds the ways to values that could not be read; `faults` says why. With `complete`
    False the text itself could not be read to its end, and `data` is None.
    """

    data: Any
    keys: Mapping[Steps, Place]
    values: Mapping[Steps, Place]
    faults: tuple[Fault, ...] = ()
    broken: frozenset[Steps] = frozenset()
    complete: bool = True

    def place(self, steps: Steps, *, key: bool = False) -> Place:
        """Where a value (or its key) stands; for what is not there, where that which lacks it does."""
        found = (self.keys if key else self.values).get(steps)
        while found is None and steps:
            found = (self.values if isinstance(steps[-1], int) else self.keys).get(steps)
            steps = steps[:-1]
        return found or self.values.get((), (1, 1))

    def fault(
        self,
        steps: Steps,
        message: str,
        *,
        key: bool = False,
        value: str = "",
        allowed: tuple[str, ...] = (),
        word: str | None = None,
        nearest: str | None = None,
        severity: Severity = "error",
    ) -> Fault:
        """A fault at `steps`. `word` is what was written where one of `allowed` should stand."""
        line, column = self.place(steps, key=key)
        if nearest is None and word is not None:
            nearest = nearest_of(word, allowed)
        return Fault(line, column, dotted(steps), message, value, allowed, nearest, severity)

    def has(self, steps: Steps) -> bool:
        """Whether something is written there."""
        return steps in self.values


def parse(text: str) -> Tree:
    """Read one document. Never raises for bad text: what is wrong stands in `faults`."""
    if not _LIBYAML_BREAKS.search(text):
        # libyaml (where installed) is ten times as fast; what it cannot read is explained below.
        with contextlib.suppress(YAMLError, _UnreadableError):
            return _Builder(YAML(typ="safe").parse(text)).tree()
    builder = _Builder(YAML(typ="safe", pure=True).parse(text))
    try:
        return builder.tree()
    except MarkedYAMLError as error:
        return builder.failed(*_explain_syntax(error))
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        return builder.failed((line, column), f"character U+{ord(text[error.position]):04X} is not allowed")
    except _UnreadableError as error:
        return builder.failed(error.place, error.message)


def parse_scalar(text: str) -> Any:
    """The value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    try:
        if _INTEGER.fullmatch(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
    except ValueError:  # thousands of digits
        pass
    return text


class _UnreadableError(Exception):
    """Nothing after this place can be understood."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


class _Builder:
    """Turns the parser's events into data, and notes where each event began."""

    def __init__(self, events: Iterator[Event]) -> None:
        self.keys: dict[Steps, Place] = {}
        self.values: dict[Steps, Place] = {}
        self.faults: list[Fault] = []
        self.broken: set[Steps] = set()
        self._events = events

    def failed(self, place: Place, message: str) -> Tree:
        """What is known of a text that cannot be read to its end."""
        faults = (*self.faults, Fault(*place, "", message))
        return Tree(None, self.keys, self.values, faults, frozenset(self.broken), complete=False)

    def tree(self) -> Tree:
        """All of the text."""
        data = self._document()
        return Tree(data, self.keys, self.values, tuple(self.faults), frozenset(self.broken))

    def _document(self) -> Any:
        next(self._events)  # the stream starts
        if not isinstance(next(self._events), DocumentStartEvent):
            raise _UnreadableError((1, 1), "the file holds no data; a blueprint starts with 'blueprint: 1'")
        data = self._node(next(self._events), ())
        next(self._events)  # the document ends
        if isinstance(event := next(self._events), DocumentStartEvent):
            raise _UnreadableError(_place(event), "a second document starts here; a blueprint is one")
        return data

    def _node(self, event: Event, steps: Steps) -> Any:
        place = self.values[steps] = _place(event)
        if problem := _forbidden(event):
            self._refuse(steps, place, problem)
        if isinstance(event, ScalarEvent):
            return parse_scalar(event.value) if event.implicit[0] else event.value
        if len(steps) >= MAX_DEPTH:
            raise _UnreadableError(place, f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, MappingStartEvent):
            return self._mapping(steps)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(steps)
        return None  # an alias, refused above

    def _sequence(self, steps: Steps) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            items.append(self._node(event, (*steps, len(items))))
        return items

    def _mapping(self, steps: Steps) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            place = _place(event)
            if not isinstance(event, ScalarEvent) or _forbidden(event) or not event.value.isprintable():
                self._refuse(steps, place, "a key is printable text, without tags or anchors")
                self._skip(event)
                self._skip(next(self._events))
                continue
            key = event.value
            inner = (*steps, key)
            if key in entries:
                line, column = self.keys[inner]
                message = f"duplicate key {key!r}, first written at {line}:{column}"
                self.faults.append(Fault(*place, dotted(inner), message))
                self._skip(next(self._events))
                continue
            self.keys[inner] = place
            entries[key] = self._node(value := next(self._events), inner)
            if isinstance(value, ScalarEvent) and value.implicit[0] and not value.value:
                self.values[inner] = place  # nothing may stand there: the parser says where it gave up
        return entries

    def _skip(self, event: Event) -> None:
        """Leave out the node that starts with `event`."""
        depth = 0
        while True:
            depth += isinstance(event, MappingStartEvent | SequenceStartEvent)
            depth -= isinstance(event, MappingEndEvent | SequenceEndEvent)
            if depth == 0:
                return
            event = next(self._events)

    def _refuse(self, steps: Steps, place: Place, message: str) -> None:
        self.faults.append(Fault(*place, dotted(steps), message))
        self.broken.add(steps)


_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_LIBYAML_BREAKS = re.compile("[\x85\u2028\u2029]")  # break lines in YAML 1.1, which it reads, not in 1.2
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)


def _place(event: Event) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _forbidden(event: Event) -> str:
    if isinstance(event, AliasEvent):
        return f"aliases (*{event.anchor}) are not allowed: write the value out"
    if isinstance(event, NodeEvent) and event.anchor is not None:
        return f"anchors (&{event.anchor}) are not allowed"
    tag = getattr(event, "ctag", None)
    return f"tags ({tag}) are not allowed: a blueprint is plain data" if tag is not None else ""


_SYNTAX = (
    (r"character '\\t'", "a tab cannot stand here; indent and separate with spaces"),
    (
        r"mapping values are not",
        "a ': ' is not allowed here; quote a value that holds one, and align the keys",
    ),
    (r"could not find expected ':'", "a ':' is missing after this key"),
    (r"expected (chomping|a comment)", "a value that starts with '>' or '|' must be quoted"),
    (r"character '(.)' that", "a value cannot start with '{0}'; quote it"),
    (r"expected '?<(block end|document start)>", "this does not line up with what stands above"),
    (r"expected ',' or '(.)'", "a ',' or a closing '{0}' is missing before this"),
    (r"expected the node content", "a value is missing before this"),
    (
        r"unknown escape character '(.)'",
        "'\\{0}' is no escape; use single quotes, or write the backslash twice",
    ),
)


def _explain_syntax(error: MarkedYAMLError) -> tuple[Place, str]:
    """The place, and what is wrong there in plain words."""
    problem = str(error.problem)
    mark = error.problem_mark or error.context_mark
    place = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    if "quoted scalar" in str(error.context) and "end of stream" in problem:
        start = error.context_mark
        return (start.line + 1, start.column + 1), "the quote that opens here is never closed"
    for pattern, words in _SYNTAX:
        if found := re.search(pattern, problem):
            return place, words.format(*found.groups())
    return place, f"not YAML: {problem}"
