"""Builds the text of a document whose file is not text, and keeps the positions."""

from __future__ import annotations

from asbuilt.documents.titles import one_line
from asbuilt.types import Heading

__all__ = ["LINE", "PARAGRAPH", "TextWriter"]

PARAGRAPH = "\n\n"
LINE = "\n"


class TextWriter:
    """Appends blocks of text, each set off from the one before, and remembers headings."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._headings: list[Heading] = []

    def add(self, block: str, *, gap: str = PARAGRAPH) -> int:
        """Append `block` after `gap` (none at the very start); return the offset where it begins."""
        if self._length:
            self._parts.append(gap)
            self._length += len(gap)
        start = self._length
        self._parts.append(block)
        self._length += len(block)
        return start

    def add_heading(self, title: str, *, level: int) -> None:
        """Append a heading as a paragraph of its own."""
        self._headings.append(Heading(self.add(title), level, one_line(title)))

    @property
    def text(self) -> str:
        """Everything so far."""
        return "".join(self._parts)

    @property
    def headings(self) -> tuple[Heading, ...]:
        """The headings so far, in order."""
        return tuple(self._headings)
