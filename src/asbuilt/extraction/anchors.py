"""Where the labels of fields stand on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from asbuilt.extraction.labels import label_words
from asbuilt.extraction.terms import OTHER_WORDS, also_called
from asbuilt.fields import Field
from asbuilt.pages import Box, PageLayout, union

__all__ = ["Anchor", "Segment", "anchors_of", "segments_of"]

_FUZZY = 84.0  # of 100: two letters of twelve read wrong
_FUZZY_LENGTH = 5
_GAP = 1.6  # of the height of the words: more parts what stands beside each other


@dataclass(frozen=True, slots=True)
class Segment:
    """Words [first, end) of a line without a wide gap between them, or those of a table's cell."""

    first: int
    end: int
    box: Box
    table: int | None = None
    cell: int | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A label of `field` at words [first, end). `quality` (0 to 1) is how well its words match, and how
    much of its segment they are; `rest` is what follows the label within its last word ("12" in
    "Total:12")."""

    field: Field
    label: str
    first: int
    end: int
    box: Box
    quality: float
    segment: Segment
    rest: str = ""


def segments_of(page: PageLayout) -> list[Segment]:
    """All words of a page, in order: each in one segment."""
    segments: list[Segment] = []
    in_cells: set[int] = set()
    for number, table in enumerate(page.tables):
        for index, cell in enumerate(table.cells):
            if cell.first < cell.end:
                box = union(word.box for word in page.words[cell.first : cell.end])
                segments.append(Segment(cell.first, cell.end, box, number, index))
                in_cells.update(range(cell.first, cell.end))
    for line in page.lines:
        first = line.first
        for index in range(line.first, line.end):
            last = index + 1 == line.end
            if index in in_cells:
                first = index + 1
                continue
            word = page.words[index]
            gap = 0.0 if last else page.words[index + 1].box.left - word.box.right
            if last or index + 1 in in_cells or gap > _GAP * max(word.box.height, 4.0):
                box = union(each.box for each in page.words[first : index + 1])
                segments.append(Segment(first, index + 1, box))
                first = index + 1
    return sorted(segments, key=lambda each: each.first)


def anchors_of(page: PageLayout, segments: Sequence[Segment], fields: Sequence[Field]) -> list[Anchor]:
    """Every place where a label of one of `fields` stands, or what else such a value is called; several
    of one field may overlap."""
    other = also_called(fields)
    wanted = [(field, label, label_words(label), 1.0) for field in fields for label in field.labels]
    wanted += [
        (field, phrase, label_words(phrase), OTHER_WORDS) for field in fields for phrase in other[field.path]
    ]
    found: list[Anchor] = []
    for segment in segments:
        tokens = list(_tokens(page, segment))
        for field, label, words, worth in wanted:
            if not words:
                continue
            for at in range(len(tokens) - len(words) + 1):
                quality = worth * _match(words, [token for _, token, _ in tokens[at : at + len(words)]])
                if quality > 0.0:
                    found.append(_anchor(page, segment, tokens, at, field, label, words, quality))
    return found


def _tokens(page: PageLayout, segment: Segment) -> Iterator[tuple[int, str, str]]:
    """(word, token, what the word has after the token's colon) of a segment."""
    for index in range(segment.first, segment.end):
        text = page.words[index].text
        head, colon, rest = text.partition(":")
        joined = colon and rest and not head.replace(".", "").isdigit()
        words = label_words(head if joined else text)
        for number, token in enumerate(words):
            yield index, token, rest if joined and number == len(words) - 1 else ""


def _match(wanted: Sequence[str], found: Sequence[str]) -> float:
    """How alike two runs of words are, 0 where one of them is another word."""
    qualities = []
    for want, have in zip(wanted, found, strict=True):
        if want == have:
            qualities.append(1.0)
            continue
        if min(len(want), len(have)) < _FUZZY_LENGTH:
            return 0.0
        ratio = fuzz.ratio(want, have)
        if ratio < _FUZZY:
            return 0.0
        qualities.append(ratio / 100 - 0.05)
    return sum(qualities) / len(qualities)


def _anchor(
    page: PageLayout,
    segment: Segment,
    tokens: Sequence[tuple[int, str, str]],
    at: int,
    field: Field,
    label: str,
    words: Sequence[str],
    quality: float,
) -> Anchor:
    first, end = tokens[at][0], tokens[at + len(words) - 1][0] + 1
    rest = tokens[at + len(words) - 1][2]
    # A label that is part of a longer name ("total" in "tax total") is a weaker one; what comes after
    # a colon, or looks like a value, is none of the name.
    before = at
    after = 0
    if not _ends_label(page.words[end - 1].text):
        for index, token, _ in tokens[at + len(words) :]:
            if any(letter.isdigit() for letter in token):
                break
            after += 1
            if _ends_label(page.words[index].text):
                break
    share = len(words) / (len(words) + before + after)
    box = union(word.box for word in page.words[first:end])
    specific = min(1.0, 0.85 + 0.05 * len(words))
    return Anchor(field, label, first, end, box, quality * share * specific, segment, rest)


def _ends_label(text: str) -> bool:
    return text.rstrip().endswith((":", "#")) or text.rstrip().endswith("=")
