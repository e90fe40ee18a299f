"""Which parts of a text are code blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

__all__ = ["FENCE", "INLINE_CODE", "LIST_MARKER", "Block", "blocks"]

FENCE = re.compile(r"[ \t]*(`{3,}(?=[^`\n]*$)|~{3,})")
LIST_MARKER = re.compile(r"[ \t]*(?:(?:[-*+•]|\d{1,3}[.)])[ \t]+|#{1,6}[ \t]+|>[ \t]?|\|)+")
INLINE_CODE = re.compile(r"(`+)(?!`)((?:[^\n]|\n(?!\s*\n))+?)(?<!`)\1(?!`)")
"""Code in a line of Markdown or reStructuredText; group 2 is the code."""

_PROMPT = re.compile(r"[ \t]*\$ \S")
_AFTER_FENCE = re.compile(r"[\s.,;\[\]()0-9【】^-]*$")


class Block(NamedTuple):
    """``text[start:end]``, whole lines."""

    start: int
    end: int
    is_code: bool


def blocks(text: str, *, indent: int) -> Iterator[Block]:
    """The code blocks of `text` and what is between them, in order; together they are `text`.

    Code is fenced, or follows a shell prompt, or is indented by `indent` spaces where a paragraph could
    begin. What may follow a closing fence on its line: citation marks.
    """
    position = 0
    for (is_code, _), lines in groupby(_labelled(text, indent), key=lambda each: each[:2]):
        start, position = position, position + sum(len(line) for _, _, line in lines)
        yield Block(start, position, is_code)


def _labelled(text: str, indent: int) -> Iterator[tuple[bool, int, str]]:
    """Each line as (is code, number of the fenced block, line); blank lines go with what is before."""
    fence, number, is_code, may_begin = "", 0, False, True
    for line in text.splitlines(keepends=True):
        found = FENCE.match(line)
        if fence:
            yield True, number, line
            if found and found[1].startswith(fence) and _AFTER_FENCE.match(line, found.end()):
                fence, is_code, may_begin = "", False, True
        elif found:
            fence, number = found[1], number + 1
            yield True, number, line
        elif not line.strip():
            yield is_code, 0, line
            may_begin = True
        else:
            indented = line.startswith((" " * indent, "\t")) and not LIST_MARKER.match(line)
            is_code = bool(_PROMPT.match(line)) or (indented and (is_code or may_begin))
            yield is_code, 0, line
            may_begin = line.rstrip().endswith(":")
