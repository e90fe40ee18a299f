"""Markdown (CommonMark), with YAML front matter."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import Any

from markdown_it import MarkdownIt
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from asbuilt.documents.decoding import decode
from asbuilt.documents.titles import document_title, one_line
from asbuilt.registry import component
from asbuilt.types import Document, Heading, Scalar

__all__ = ["MarkdownReader"]

_MAX_FRONT_MATTER_CHARS = 8_192
_MAX_BRACKETS = 100  # nested ones take the YAML parser quadratic time
_LARGEST = 2**63  # what databases and JSON readers hold
_MAX_INLINE_CHARS = 1_000  # inline markup is parsed in headings only, and only in ones of sane length

_BLOCKS = MarkdownIt("commonmark").disable("inline")
_INLINE = MarkdownIt("commonmark")


@component("reader/markdown")
class MarkdownReader:
    """Markdown. The document's text is the decoded file (see `decoding.decode`), front matter included.

    Headings are those of the document itself, not those inside quotes and lists. Scalars of
    valid YAML front matter become metadata; `title` there is the document's title.
    """

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".md", ".markdown"})

    def read(self, data: bytes, *, name: str) -> Document:
        decoded = decode(data, name=name)
        front, body_start = _front_matter(decoded.text)
        headings = _headings(decoded.text, body_start)
        return Document(
            text=decoded.text,
            media_type="text/markdown",
            title=document_title(headings, name=name, stated=str(front.get("title", ""))),
            headings=headings,
            metadata={**front, "encoding": decoded.encoding},
        )


def _headings(text: str, body_start: int) -> tuple[Heading, ...]:
    body = text[body_start:]
    line_starts = list(accumulate((len(line) + 1 for line in body.split("\n")), initial=body_start))
    tokens = _BLOCKS.parse(body)
    return tuple(
        Heading(start=line_starts[token.map[0]], level=int(token.tag[1:]), title=_plain(inline.content))
        for token, inline in pairwise(tokens)
        if token.type == "heading_open" and token.level == 0 and token.map
    )


def _plain(markup: str) -> str:
    """A heading's words without their markup."""
    if len(markup) > _MAX_INLINE_CHARS:
        return one_line(markup)
    children = _INLINE.parseInline(markup)[0].children or []
    words = (
        " " if child.type == "softbreak" else child.content
        for child in children
        if child.type != "html_inline"
    )
    return one_line("".join(words))


def _front_matter(text: str) -> tuple[Mapping[str, Scalar], int]:
    """The scalars between ``---`` lines at the very start, and where the body begins.

    What is not a YAML mapping is left to be read as Markdown.
    """
    end = text.find("\n---\n", 3, _MAX_FRONT_MATTER_CHARS) if text.startswith("---\n") else -1
    front = text[4:end]
    if end < 0 or front.count("[") + front.count("{") > _MAX_BRACKETS:
        return {}, 0
    try:
        values = YAML(typ="safe", pure=True).load(front)
    except (YAMLError, ValueError, RecursionError):
        return {}, 0
    if not isinstance(values, dict):
        return {}, 0
    scalars = {str(key): _scalar(value) for key, value in values.items()}
    return {key: value for key, value in scalars.items() if value is not None}, end + len("\n---\n")


def _scalar(value: Any) -> Scalar | None:
    if isinstance(value, dt.date):  # also datetimes
        return value.isoformat()
    if isinstance(value, int | float) and not abs(value) < _LARGEST:  # also infinities and not-a-numbers
        return None
    return value if isinstance(value, str | int | float | bool) else None
