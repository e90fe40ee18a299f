"""What goes into the catalogue and what comes out of it, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from asbuilt.types import ChunkDraft, Document, IndexPoint

__all__ = [
    "IndexFeed",
    "KnownDocument",
    "NewVersion",
    "Pending",
    "Progress",
    "Receipt",
    "ReceiptStatus",
    "StoredVersion",
]

ReceiptStatus = Literal["reading", "stored", "indexed", "quarantined", "removed"]


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A document's content to be stored. `contexts` has one entry a chunk: the words that stand
    before the chunk's text when it is searched and embedded. `recipe` names reader and chunker."""

    source: str
    document: Document
    content_hash: str
    recipe: str
    chunks: Sequence[ChunkDraft]
    contexts: Sequence[str]


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """Where a stored version went. `visible` is False while an older one is still being shown."""

    document_id: int
    version_id: int
    version: int
    chunks: int
    visible: bool


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document of a collection: hashes and recipes of what is shown and what is being built."""

    id: int
    source: str
    content_hash: str
    recipe: str
    building: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """A search text that has no embedding yet, and the context that it begins with."""

    search_hash: str
    text: str
    context: str


@dataclass(frozen=True, slots=True)
class IndexFeed:
    """What an index must apply to reach `position`."""

    points: tuple[IndexPoint, ...]
    remove: tuple[int, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a collection is: visible chunks, and how many of them have embeddings."""

    documents: int
    chunks: int
    embedded: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one file.

    `chunks` were made, `embedded` of them have vectors, `found` of them came back when the index
    was asked for them. `reason` is set when the file was quarantined.
    """

    source: str
    status: ReceiptStatus
    content_hash: str = ""
    attempts: int = 0
    document_id: int | None = None
    version: int | None = None
    chunks: int = 0
    embedded: int = 0
    found: int = 0
    reason: str = ""
