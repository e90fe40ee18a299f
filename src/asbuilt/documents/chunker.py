"""Cuts documents into chunks along their structure."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from asbuilt.documents.splitter import Splitter
from asbuilt.documents.tokens import TokenMap, load_tokenizer, starter_tokenizer
from asbuilt.errors import BugError, UserError
from asbuilt.registry import component
from asbuilt.resources.demand import Assumptions, Demand, MemoryPart
from asbuilt.types import ChunkDraft, Document

__all__ = ["StructuralChunker"]

_MIN_CHUNK_SIZE = 16
_TOKENIZER_BYTES = 12 << 20  # measured: benchmarks/memory_prediction.py --parts
_VERSION = 1  # part of the recipe: raise it when the same text would give other chunks


@component("chunker/structural")
class StructuralChunker:
    """Chunks of at most `chunk_size` tokens that follow headings, paragraphs and lines.

    - A section is a chunk, but small ones share one: a section with fewer than `merge_below` tokens
      (by default half of `chunk_size`) joins the one before or after it, its sibling or what it
      stands above. No chunk reaches over a heading of a higher level than its own first one.
    - A longer section is cut where `splitter` finds it best, and its chunks share up to
      `chunk_overlap` tokens.
    - `headings` are the titles above the chunk's first character, and those inside of it.

    `tokenizer` is the path of a ``tokenizer.json``; by default the starter MiniLM's. Tokens are
    counted in the whole document at once (see `tokens.TokenMap`).
    """

    def __init__(
        self,
        *,
        chunk_size: int = 512,
        chunk_overlap: int = 50,
        merge_below: int | None = None,
        tokenizer: str | None = None,
    ) -> None:
        if chunk_size < _MIN_CHUNK_SIZE:
            raise UserError(f"chunk_size is {chunk_size}; it must be at least {_MIN_CHUNK_SIZE} tokens.")
        half = chunk_size // 2
        if not 0 <= chunk_overlap <= half:
            raise UserError(
                f"chunk_overlap is {chunk_overlap}; it must be from 0 to half of chunk_size ({half})."
            )
        if merge_below is None:
            merge_below = half
        if not 0 <= merge_below <= chunk_size:
            raise UserError(
                f"merge_below is {merge_below}; it must be from 0 to {chunk_size}, the chunk_size."
            )
        self._size = chunk_size
        self._overlap = chunk_overlap
        self._merge_below = merge_below
        self._tokenizer_path = tokenizer
        self._loaded: tuple[Tokenizer, str] | None = None

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:  # noqa: ARG004
        """Its tokenizer."""
        return Demand((MemoryPart("tokenizer", _TOKENIZER_BYTES, "measured"),))

    def open(self) -> None:
        """Load the tokenizer. Raises MissingError or UserError."""
        path = Path(self._tokenizer_path) if self._tokenizer_path else starter_tokenizer()
        self._loaded = load_tokenizer(path)

    def close(self) -> None:
        """Let go of the tokenizer."""
        self._loaded = None

    @property
    def recipe(self) -> str:
        """Version, sizes and tokenizer. Known after `open`."""
        _, identity = self._open_tokenizer()
        return f"structural-{_VERSION}/{self._size}/{self._overlap}/{self._merge_below}/{identity}"

    def chunk(self, document: Document) -> list[ChunkDraft]:
        tokenizer, _ = self._open_tokenizer()
        text = document.text
        tokens = TokenMap(tokenizer, text)
        sections = _sections(document)
        section_starts = [section.start for section in sections]
        page_starts = [page.start for page in document.pages]
        drafts: list[ChunkDraft] = []
        covered = 0
        for begin, finish in self._spans(document, sections, tokens):
            start, end = _trim(text, begin, finish)
            if start == end or end <= covered:  # nothing, or only what the chunk before ends with
                continue
            covered = end
            if drafts and drafts[-1].start == start:  # the overlap took in all of it
                drafts.pop()
            first = bisect_right(section_starts, start) - 1
            beyond = bisect_left(section_starts, end, lo=first)
            inside = (section.path[-1] for section in sections[first + 1 : beyond])
            page = bisect_right(page_starts, start) - 1
            drafts.append(
                ChunkDraft(
                    text=text[start:end],
                    start=start,
                    end=end,
                    headings=(*sections[first].path, *inside),
                    page=document.pages[page].number if page >= 0 else None,
                    tokens=tokens.count(start, end),
                )
            )
        return drafts

    def _open_tokenizer(self) -> tuple[Tokenizer, str]:
        if self._loaded is None:
            raise BugError("StructuralChunker is used before open().")
        return self._loaded

    def _spans(
        self, document: Document, sections: Sequence[_Section], tokens: TokenMap
    ) -> Iterator[tuple[int, int]]:
        splitter = Splitter(document, tokens, size=self._size, overlap=self._overlap)
        for start, end in self._groups(sections, tokens):
            yield from splitter.split(start, end)

    def _groups(self, sections: Sequence[_Section], tokens: TokenMap) -> Iterator[tuple[int, int]]:
        """Neighbouring sections that are cut as one."""
        start, end, level, _ = sections[0]
        for section in sections[1:]:
            size, more = tokens.count(start, end), tokens.count(section.start, section.end)
            is_small = min(size, more) < self._merge_below
            # A title, or a short introduction, joins what it stands above even if that must be cut.
            is_lead = size < self._merge_below and section.level > level
            if is_lead or (is_small and section.level >= level and size + more <= self._size):
                end = section.end
            else:
                yield start, end
                start, end, level, _ = section
        yield start, end


class _Section(NamedTuple):
    """The text from a heading to the next one, whatever their levels."""

    start: int
    end: int
    level: int
    path: tuple[str, ...]  # titles from the outermost heading to its own


def _sections(document: Document) -> list[_Section]:
    end = len(document.text)
    starts = [heading.start for heading in document.headings]
    sections = []
    if not starts or starts[0] > 0:
        sections.append(_Section(0, starts[0] if starts else end, 0, ()))
    path: list[tuple[int, str]] = []
    for heading, finish in zip(document.headings, [*starts[1:], end], strict=False):
        while path and path[-1][0] >= heading.level:
            path.pop()
        path.append((heading.level, heading.title))
        titles = tuple(title for _, title in path)
        sections.append(_Section(heading.start, finish, heading.level, titles))
    return sections


_BLANK = re.compile(r"\s*")


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without blank lines around it; the first line keeps its indentation."""
    first = min(_end_of(_BLANK, text, start, end), end)
    if first == end:
        return start, start
    newline = text.rfind("\n", start, first)
    return (newline + 1 if newline >= 0 else start), start + len(text[start:end].rstrip())


def _end_of(pattern: re.Pattern[str], text: str, start: int, end: int) -> int:
    match = pattern.match(text, start, end)
    return match.end() if match else start
