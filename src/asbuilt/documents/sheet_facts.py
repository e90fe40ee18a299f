"""What a sheet says of its rows and columns apart from their values, found in one pass over its XML."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, NamedTuple
from xml.parsers import expat

from asbuilt.errors import ReadError

__all__ = ["Merge", "SheetFacts", "sheet_facts"]

_CHUNK_BYTES = 1 << 20
_MAX_MERGES = 200_000
_MAX_NAMED = 5  # cells that a flag names
_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?([1-9]\d{0,6})(?::\$?([A-Z]{1,3})\$?([1-9]\d{0,6}))?")


class Merge(NamedTuple):
    """Columns from `left` to `right` and rows down to `bottom`, all included and counted from 1."""

    left: int
    right: int
    bottom: int


@dataclass(slots=True)
class SheetFacts:
    """Merged cells by the row that they begin in; hidden rows and columns; formulas without a value."""

    merges: dict[int, list[Merge]] = field(default_factory=lambda: defaultdict(list))
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: list[range] = field(default_factory=list)
    unvalued: list[str] = field(default_factory=list)
    unvalued_count: int = 0


def sheet_facts(part: IO[bytes]) -> SheetFacts:
    """The facts in a worksheet part. Raises ReadError for XML that is broken or declares entities."""
    parser = expat.ParserCreate()
    reading = _Reading(parser)
    try:
        while chunk := part.read(_CHUNK_BYTES):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ReadError(f"its XML is broken ({error}).") from error
    return reading.facts


def _refuse_doctype(*_: object) -> None:
    raise ReadError("its XML declares a document type, which no Office program writes.")


class _Reading:
    def __init__(self, parser: expat.XMLParserType) -> None:
        self.facts = SheetFacts()
        self._parser = parser
        parser.StartElementHandler = self._start
        parser.StartDoctypeDeclHandler = _refuse_doctype
        self._row = 0
        self._merges = 0
        self._cell = ""
        self._has_value = False

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "c":
            self._cell = attributes.get("r", "")
        elif tag == "f":  # the others are most of the file, and need not be looked into
            self._has_value = False
            self._parser.EndElementHandler = self._end
        elif tag == "row":
            stated = attributes.get("r", "")
            self._row = int(stated) if stated.isdecimal() else self._row + 1
            if attributes.get("hidden") in ("1", "true"):
                self.facts.hidden_rows.add(self._row)
        elif tag == "mergeCell":
            self._merge(attributes.get("ref", ""))
        elif tag == "col" and attributes.get("hidden") in ("1", "true"):
            low, high = attributes.get("min", ""), attributes.get("max", "")
            if low.isdecimal() and high.isdecimal():
                self.facts.hidden_columns.append(range(int(low), int(high) + 1))

    def _end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "f":
            self._parser.CharacterDataHandler = self._text
        elif tag == "c":
            self._parser.CharacterDataHandler = self._parser.EndElementHandler = None
            if not self._has_value:
                self.facts.unvalued_count += 1
                if self.facts.unvalued_count <= _MAX_NAMED:
                    self.facts.unvalued.append(self._cell)

    def _text(self, text: str) -> None:
        self._has_value = self._has_value or bool(text.strip())

    def _merge(self, reference: str) -> None:
        match = _REFERENCE.fullmatch(reference)
        self._merges += 1
        if match is None or match[3] is None or self._merges > _MAX_MERGES:
            return
        left, top, right, bottom = _column(match[1]), int(match[2]), _column(match[3]), int(match[4])
        if left <= right and top <= bottom:
            self.facts.merges[top].append(Merge(left, right, bottom))


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
