"""Cuts a stretch of text that is too long for one chunk."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from asbuilt.documents.tokens import TokenMap
from asbuilt.types import Document

__all__ = ["Splitter"]

# How good it is to cut before a line.
_HEADING, _PARAGRAPH, _BLOCK, _SENTENCE, _LINE = 5, 4, 3, 2, 1

_FENCES = ("```", "~~~")
_ITEM = re.compile(r"(?:[-*+•]|\d+[.)])\s")
_SENTENCE_ENDS = tuple(".!?…。！？")
# What ends a sentence, a word, anything else, best first.
_IN_LINE = (r"""(?:[.!?…]["'”’)\]]*\s+|[。！？])""", r"\s+", r"\W")
_FIRST = tuple(re.compile(ending) for ending in _IN_LINE)
_LAST = tuple(re.compile(rf".*{ending}", re.DOTALL) for ending in _IN_LINE)


class Splitter:
    """Splits stretches of one document into spans of at most `size` tokens.

    Cuts are made, best first, before a heading; between paragraphs; inside a list, a code block
    or an introduction that ends in a colon, at a blank line; after a line that ends a sentence;
    after any line; and inside a line after a sentence, a word, a mark, a character. The best one
    between a quarter of a span and its full size is taken, the last among equals: so a block that
    fits into the next span stays whole, and no span is tiny. A span repeats up to `overlap` tokens
    of the one before, from the best such place on.
    """

    def __init__(self, document: Document, tokens: TokenMap, *, size: int, overlap: int) -> None:
        self._text = document.text
        self._headings = frozenset(heading.start for heading in document.headings)
        self._has_fences = document.media_type == "text/markdown"
        self._tokens = tokens
        self._size = size
        self._overlap = overlap
        self._lines: list[int] = []  # offsets of the lines of the stretch, and how good a cut before each is
        self._strengths: list[int] = []

    def split(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Spans that cover [start, end), in order."""
        tokens = self._tokens
        quarter = self._size // 4
        if tokens.count(start, end) > self._size:
            self._find_lines(start, end)
        covered = start
        while tokens.count(start, end) > self._size:
            first = tokens.index(start)
            low = max(first + quarter, tokens.index(covered) + 1)
            high = min(first + self._size, tokens.index(end) - quarter)
            cut = max(self._best_cut(tokens.start(low), tokens.start(high)), covered + 1)
            yield start, cut
            covered = cut
            start = self._overlap_start(cut, first)
        yield start, end

    def _best_cut(self, low: int, high: int) -> int:
        first, beyond = bisect_left(self._lines, low), bisect_right(self._lines, high)
        if first < beyond:
            return self._lines[max(range(first, beyond), key=lambda at: (self._strengths[at], at))]
        for pattern in _LAST:
            if match := pattern.match(self._text, low, high):
                return match.end()
        return high

    def _overlap_start(self, cut: int, first: int) -> int:
        """Where the span after `cut` begins; the span before it began with the token `first`."""
        if not self._overlap or cut in self._headings:  # nothing is shared between sections
            return cut
        low = self._tokens.start_after(max(self._tokens.index(cut) - self._overlap, first + 1))
        at, beyond = bisect_left(self._lines, low), bisect_left(self._lines, cut)
        if at < beyond:
            return self._lines[max(range(at, beyond), key=lambda line: (self._strengths[line], -line))]
        for pattern in _FIRST:  # from one character before, where a word may have ended
            if (match := pattern.search(self._text, low - 1, cut)) and low <= match.end() < cut:
                return match.end()
        return min(low, cut)

    def _find_lines(self, start: int, end: int) -> None:
        self._lines.clear()
        self._strengths.clear()
        previous = fence = ""
        after_blank = in_list = False
        position = start
        while position < end:
            newline = self._text.find("\n", position, end)
            stop = newline if newline >= 0 else end
            line = self._text[position:stop].rstrip()
            if not line:
                after_blank = True
            else:
                is_item = _ITEM.match(line) is not None
                is_inner = bool(fence) or line[0].isspace() or previous.endswith(":") or (is_item and in_list)
                if position > start:
                    self._lines.append(position)
                    self._strengths.append(self._strength(position, previous, after_blank, is_inner))
                if self._has_fences and (mark := line.lstrip()[:3]) in _FENCES and fence in ("", mark):
                    fence = "" if fence else mark
                if not line[0].isspace():
                    in_list = is_item
                previous = line
                after_blank = False
            position = stop + 1

    def _strength(self, position: int, previous: str, after_blank: bool, is_inner: bool) -> int:
        if position in self._headings:
            return _HEADING
        if after_blank:
            return _BLOCK if is_inner else _PARAGRAPH
        return _SENTENCE if previous.endswith(_SENTENCE_ENDS) else _LINE
