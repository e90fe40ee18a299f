"""What is asked of a document, and what was found: schema leaves, candidates, values with evidence.

A leaf of a schema is named by its path: ``supplier.name`` or, inside a list, ``lines[].amount``. A
value's path has the row in it: ``lines[0].amount``. Frozen, pure values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from asbuilt.pages import Box, PageLayout

__all__ = [
    "Candidate",
    "ConstraintOutcome",
    "Evidence",
    "ExtractedValue",
    "Extraction",
    "Field",
    "FieldKind",
    "FieldSchema",
    "PagedDocument",
    "Repair",
    "Searched",
]

FieldKind = Literal["string", "number", "integer", "boolean", "date", "enum"]


@dataclass(frozen=True, slots=True)
class Field:
    """One leaf. `labels` are the words that documents put beside such a value, best first: those the
    schema states (``x-labels``), its title, its name in words. `pattern` is a regular expression that
    the whole quote must match; `unit` what a number counts, where the schema says so (``x-unit``)."""

    path: str
    kind: FieldKind
    labels: tuple[str, ...]
    description: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    unit: str | None = None

    @property
    def group(self) -> str:
        """The list that it is in (``lines[]``), or "" for a single value."""
        head, bracket, _ = self.path.rpartition("[]")
        return head + bracket


@dataclass(frozen=True, slots=True)
class FieldSchema:
    """A JSON Schema taken apart. `constraints` are expressions over paths, as the schema states them
    (``x-constraints``); `source` is the JSON Schema itself and `digest` its SHA-256."""

    name: str
    fields: tuple[Field, ...]
    constraints: tuple[str, ...]
    source: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class PagedDocument:
    """A document that was read: its pages, and the SHA-256 of the file that they were read from."""

    name: str
    content_hash: str
    pages: tuple[PageLayout, ...]
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that an extractor proposes for a path, and the words that it is made of.

    `value` is of the field's kind: str, int, float, bool, or an ISO date as str. `words` are numbers
    of words of page `page`, in reading order; `quote` is their text. `score` (0 to 1) orders the
    candidates of one extractor; it is no probability. `why` names the mechanism for a reader, for
    example "right of 'Invoice No'"; `signals` are what a calibration may go by.
    """

    path: str
    value: Any
    quote: str
    page: int
    words: tuple[int, ...]
    extractor: str
    score: float
    why: str = ""
    signals: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a value stands. `boxes` has one box a line, computed from the words; `crop` is the
    SHA-256 of the picture of that place (empty for pages without a look); `place` is a cell or
    paragraph of a file that states its text; `second` what the second reader saw when it disagrees."""

    page: int
    words: tuple[int, ...]
    boxes: tuple[Box, ...]
    quote: str
    reader: str
    place: str = ""
    crop: str = ""
    second: str | None = None


@dataclass(frozen=True, slots=True)
class Searched:
    """A region that was searched in vain, and what for."""

    page: int
    box: Box | None
    what: str


@dataclass(frozen=True, slots=True)
class Repair:
    """A reading that a constraint corrected: the word's text and alternative, never silent."""

    path: str
    before: Any
    after: Any
    quote_before: str
    quote_after: str
    constraint: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class ConstraintOutcome:
    """One constraint and the values it was checked on. `holds` is None when a value is missing."""

    expression: str
    holds: bool | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class ExtractedValue:
    """One leaf's value, or that it was not found.

    status: "found"; "not_found" (then `searched` says where it was looked for); "conflict" when the
    readers or extractors disagree and nothing decides (the best is still in `value`). `confidence`
    is a calibrated probability that `value` is right. `rivals` are the other candidates, best first.
    """

    path: str
    kind: FieldKind
    status: Literal["found", "not_found", "conflict"]
    value: Any = None
    confidence: float = 0.0
    evidence: Evidence | None = None
    extractor: str = ""
    why: str = ""
    signals: Mapping[str, float] = field(default_factory=dict)
    rivals: tuple[Candidate, ...] = ()
    searched: tuple[Searched, ...] = ()
    corrected: bool = False


@dataclass(frozen=True, slots=True)
class Extraction:
    """All leaves of one document, in the schema's order (rows of a list in theirs).

    `data` is the plain JSON value that the schema describes, with None where nothing was found.
    `fault` says why a document could not be read; then there are no values.
    """

    document: str
    content_hash: str
    schema: str
    values: tuple[ExtractedValue, ...] = ()
    data: Any = None
    constraints: tuple[ConstraintOutcome, ...] = ()
    repairs: tuple[Repair, ...] = ()
    flags: tuple[str, ...] = ()
    fault: str = ""
