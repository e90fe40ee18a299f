"""What readers agree on about headings and titles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from asbuilt.types import Heading

__all__ = ["document_title", "one_line"]

_MAX_TITLE_CHARS = 200


def one_line(text: str) -> str:
    """A heading's text on one line, cut to 200 characters: it is repeated above every chunk."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_TITLE_CHARS else line[: _MAX_TITLE_CHARS - 1] + "…"


def document_title(headings: Sequence[Heading], *, name: str, stated: str = "") -> str:
    """The title that the document states, else its only heading of the top level, else the file's stem."""
    if stated := one_line(stated):
        return stated
    top = min((heading.level for heading in headings), default=0)
    highest = [heading.title for heading in headings if heading.level == top]
    return highest[0] if len(highest) == 1 else PurePath(name).stem
