"""Pages -> the document that they make together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from asbuilt.documents.titles import document_title, one_line
from asbuilt.documents.writer import PARAGRAPH
from asbuilt.errors import ReadError
from asbuilt.pages import PageLayout
from asbuilt.types import Document, Heading, Page, Scalar

__all__ = ["Contents", "OutlineEntry", "document_of"]


class OutlineEntry(NamedTuple):
    """An entry of a file's own table of contents; `page` counts from 1, `level` from 1."""

    level: int
    page: int
    title: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file says of itself before its pages are read: how many, its title, its outline, and
    the sizes of the pages in points."""

    pages: int
    title: str = ""
    outline: tuple[OutlineEntry, ...] = ()
    sizes: tuple[tuple[float, float], ...] = ()


def document_of(
    pages: Iterable[PageLayout],
    *,
    name: str,
    media_type: str,
    recipe: str,
    outline: Sequence[OutlineEntry] = (),
    title: str = "",
) -> Document:
    """One text: the pages' texts, a blank line between them, each page unchanged.

    ``text[page.start:page.end]`` is the text of that page's layout, so an offset into the document
    less `page.start` is one into the layout. Headings are the outline's entries, placed where their
    words stand on the page they lead to, or at its top; without an outline, the heading blocks.
    `title` is what the file states. Metadata: pages, pages_without_text, flagged_pages, reading.
    Raises ReadError, with the flags of the first page, when no page has text.
    """
    texts: list[str] = []
    spans: list[Page] = []
    blocks: list[Heading] = []
    flagged = start = 0
    reason = ""
    for page in pages:
        texts.append(page.text)
        spans.append(Page(page.number, start, start + len(page.text)))
        if not outline:
            blocks.extend(_headings_of(page, start))
        start += len(page.text) + len(PARAGRAPH)
        flagged += bool(page.flags)
        reason = reason or "; ".join(page.flags)
    blank = sum(not text.strip() for text in texts)
    if blank == len(texts):
        raise ReadError(f"{name!r} has no text on its {len(texts):,} pages.", hint=reason and f"{reason}.")
    text = PARAGRAPH.join(texts)
    headings = _placed(text, spans, outline) if outline else tuple(blocks)
    metadata: dict[str, Scalar] = {"pages": len(texts), "reading": recipe}
    if blank:
        metadata["pages_without_text"] = blank
    if flagged:
        metadata["flagged_pages"] = flagged
    return Document(
        text=text,
        media_type=media_type,
        title=document_title(headings, name=name, stated=title),
        headings=headings,
        pages=tuple(spans),
        metadata=metadata,
    )


def _headings_of(page: PageLayout, offset: int) -> Iterable[Heading]:
    for block in page.blocks:
        if block.kind == "heading" and block.end > block.first:
            start, end = page.words[block.first].start, page.words[block.end - 1].end
            if title := one_line(page.text[start:end]):
                yield Heading(offset + start, max(1, block.level), title)


def _placed(text: str, pages: Sequence[Page], outline: Sequence[OutlineEntry]) -> tuple[Heading, ...]:
    """The outline's entries where their words stand, in order of reading."""
    by_number = {page.number: page for page in pages}
    headings: list[Heading] = []
    last = 0
    for level, number, title in outline:
        page = by_number.get(number)
        if page is None or page.end <= max(last, page.start):
            continue  # an outline that jumps back, or to a blank page, names no place in the text
        words = re.compile(r"\s+".join(map(re.escape, title.split())), re.IGNORECASE)
        match = words.search(text, max(page.start, last), page.end)
        last = match.start() if match else max(page.start, last)
        last += len(text[last : page.end]) - len(text[last : page.end].lstrip())
        if last < page.end:
            headings.append(Heading(last, level, title))
    return tuple(headings)
