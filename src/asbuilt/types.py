"""The vocabulary: frozen, pure values that every part of asbuilt exchanges.

No value here holds a client, an open file or a connection. Offsets are character offsets
(not bytes) into the text of one document version, half open: ``text[start:end]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from asbuilt.pages import Box

__all__ = [
    "Answer",
    "Chunk",
    "ChunkDraft",
    "Citation",
    "CitationsReady",
    "Document",
    "Effect",
    "Event",
    "Filters",
    "Finished",
    "GenerationOptions",
    "Heading",
    "Hit",
    "IndexPoint",
    "Matrix",
    "Message",
    "Page",
    "PageBox",
    "Role",
    "Scalar",
    "ScoredId",
    "SideScore",
    "StarterModel",
    "TextDelta",
    "ToolCall",
    "ToolResult",
    "ToolSpec",
    "Usage",
    "Vector",
]

Scalar = str | int | float | bool
Filters = Mapping[str, Scalar | Sequence[Scalar]]
"""Metadata filters: every key must match; a sequence means "any of these"."""

Vector = NDArray[np.float32]
"""Shape (dim,)."""
Matrix = NDArray[np.float32]
"""Shape (n, dim), C-contiguous."""


# ---------------------------------------------------------------- documents


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at character offset `start`; `level` 1 is the document's title level."""

    start: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Page:
    """Characters [start, end) of the text stand on page `number` (counted from 1)."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """What a reader makes of a file: its text and the positions of its structure in that text."""

    text: str
    media_type: str
    title: str = ""
    headings: tuple[Heading, ...] = ()
    pages: tuple[Page, ...] = ()
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A span of a document before it is stored. ``text == document.text[start:end]``.

    `headings` are the titles above the span, outermost first. `tokens` is its length by the
    chunker's own count.
    """

    text: str
    start: int
    end: int
    headings: tuple[str, ...] = ()
    page: int | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stored span: what a hit shows and a citation points at."""

    id: int
    document_id: int
    version: int
    source: str
    collection: str
    text: str
    start: int
    end: int
    headings: tuple[str, ...] = ()
    page: int | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)


# ---------------------------------------------------------------- retrieval


@dataclass(frozen=True, slots=True)
class IndexPoint:
    """One chunk as an index sees it.

    `terms` is the text for full-text search; `vector` is None until the chunk is embedded;
    `payload` holds what filters may ask for.
    """

    id: int
    terms: str
    vector: Vector | None = None
    payload: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScoredId:
    """An index's answer: a point and its score, higher is better."""

    id: int
    score: float


@dataclass(frozen=True, slots=True)
class SideScore:
    """Rank (from 1) and raw score that one side of a hybrid search gave a hit."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved chunk. `score` orders hits; `sides` has what "dense", "terms" and "rerank" gave it."""

    chunk: Chunk
    score: float
    sides: Mapping[str, SideScore] = field(default_factory=dict)


# ---------------------------------------------------------------- conversation

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's request to run a tool. `arguments` is already parsed JSON."""

    id: str
    name: str
    arguments: Mapping[str, Any]


Effect = Literal["read", "idempotent", "transactional", "external"]
"""What a tool's call may change, and so what is right after a crash in the middle of it.

- "read": nothing outside the process; it is called again.
- "idempotent": something, once for a key; it is called again with the same key.
- "transactional": rows of the catalogue's own database, committed together with the record of the call.
- "external": anything else; whether it was done is then in doubt.
"""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a model is told of a tool; `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `name` is the tool's name and `tool_call_id` its call when role is "tool"."""

    role: Role
    content: str
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one generation, or of several added up."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
        )


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How to generate. `json_schema` constrains the output where the engine can."""

    temperature: float = 0.7
    max_tokens: int = 2048
    stop: tuple[str, ...] = ()
    seed: int | None = None
    json_schema: Mapping[str, Any] | None = None
    tools: tuple[ToolSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class PageBox:
    """A place on a page, as `pages.Box` has it: points from the top left of the upright page."""

    page: int
    box: Box


@dataclass(frozen=True, slots=True)
class Citation:
    """A numbered claim of support.

    `sentence` is the exact part of the answer that is claimed. With `by` "model" the model wrote
    ``[number]`` there; with "asbuilt" it wrote none, and the check itself found that passage
    `number` (``hits[number - 1]``) supports it. The span is ``document_text[start:end]`` of
    `version` of `document_id`. `verified` is True only when the cited span was read back from the
    catalogue and supports the sentence; otherwise `reason` says what failed. A number without a
    source has `document_id` None. `boxes` are the lines of the span on their pages, where the
    document was read with its places.
    """

    number: int
    sentence: str
    verified: bool
    reason: str = ""
    quote: str = ""
    document_id: int | None = None
    version: int | None = None
    source: str = ""
    start: int | None = None
    end: int | None = None
    page: int | None = None
    by: Literal["model", "asbuilt"] = "model"
    boxes: tuple[PageBox, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer. `transcript` is every message after the user's, tool calls included.

    Passage n, as the model saw it, is ``hits[n - 1]``. `uncited` holds the sentences that claim
    something and have no citation of any kind; `notes` says what was left out to fit the model.
    `model` is the version of the registered model that wrote it, or the file or name of another
    (several, joined by ", ", where rounds of tool calls went to different ones); empty when none did.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    hits: tuple[Hit, ...] = ()
    usage: Usage = Usage()
    transcript: tuple[Message, ...] = ()
    refused: bool = False
    uncited: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    model: str = ""


# ---------------------------------------------------------------- events of a stream


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Newly generated text. `model` names what writes it, as in Answer: a stream may be ended before it
    finishes."""

    text: str
    model: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool ran: its call and what it returned (or the error text it gave the model)."""

    call: ToolCall
    content: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class CitationsReady:
    """All citations of the answer, after the last text."""

    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """The stream's last event. Generators fill `message`, `usage`, `reason` and `model`, which names
    what wrote it as in Answer; the assistant adds `answer`."""

    message: Message
    usage: Usage
    reason: Literal["stop", "length", "tool_calls", "cancelled"] = "stop"
    answer: Answer | None = None
    model: str = ""


Event = TextDelta | ToolCall | ToolResult | CitationsReady | Finished


# ---------------------------------------------------------------- models from packages


@dataclass(frozen=True, slots=True)
class StarterModel:
    """A model that a package carries, as `asbuilt doctor` shows it; `get` is the command that installs it."""

    name: str
    purpose: str
    licence: str
    state: Literal["verified", "differs", "missing"]
    get: str
    path: str = ""
    sha256: str = ""
    bytes: int = 0
