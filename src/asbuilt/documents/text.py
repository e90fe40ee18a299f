"""Plain text."""

from __future__ import annotations

from asbuilt.documents.decoding import decode
from asbuilt.documents.titles import document_title
from asbuilt.registry import component
from asbuilt.types import Document

__all__ = ["TextReader"]


@component("reader/text")
class TextReader:
    """Text without structure. The document's text is the decoded file (see `decoding.decode`)."""

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".txt", ".text", ".log"})

    def read(self, data: bytes, *, name: str) -> Document:
        decoded = decode(data, name=name)
        return Document(
            text=decoded.text,
            media_type="text/plain",
            title=document_title((), name=name),
            metadata={"encoding": decoded.encoding},
        )
