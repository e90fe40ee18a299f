"""Where the labels of fields stand on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import Stemmer
from rapidfuzz import fuzz

from asbuilt.extraction.labels import label_words
from asbuilt.extraction.terms import OTHER_WORDS, also_called
from asbuilt.fields import Field
from asbuilt.pages import Box, PageLayout, union

__all__ = ["Anchor", "Segment", "after_hint", "anchors_of", "segments_of"]

_FUZZY = 84.0  # of 100: two letters of twelve read wrong
_FUZZY_LENGTH = 5
_EXACT = ("text-layer", "file")
_OTHER_WORD = 0.75  # what is not misread is rather another word: "Supplies" for "supplier"
_HEADING = 0.7
_SUBTOTAL = ("subtotal",)  # written in two words as often
_MORE_WORDS = 2
_ENGLISH = Stemmer.Stemmer("english")
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
    wanted += [
        (field, label, ("sub", "total"), worth) for field, label, words, worth in wanted if words == _SUBTOTAL
    ]
    found: list[Anchor] = []
    for segment in segments:
        tokens = list(_tokens(page, segment))
        for field, label, words, worth in wanted:
            if not words:
                continue
            for at in range(len(tokens) - len(words) + 1):
                there = tokens[at : at + len(words)]
                quality = worth * _match(words, [token for _, token, _ in there])
                if quality < worth and page.words[there[0][0]].reader in _EXACT:
                    quality *= _OTHER_WORD
                if quality > 0.0:
                    found.append(_anchor(page, segment, tokens, at, field, label, words, quality))
        found += _headings(page, segment, tokens, fields)
        found += _statements(segment, tokens, wanted)
    return found


def _headings(
    page: PageLayout, segment: Segment, tokens: Sequence[tuple[int, str, str]], fields: Sequence[Field]
) -> Iterator[Anchor]:
    """The noun of a label as "invoice number", where nothing but one word with digits follows it:
    "Invoice 2025-118"."""
    last = segment.end - 1
    if last == segment.first or not any(letter.isdigit() for letter in page.words[last].text):
        return
    before = [token for index, token, _ in tokens if index < last]
    if len(before) != last - segment.first:
        return  # "Invoice of 2025" is another thing
    for field in fields:
        for label in field.labels:
            *noun, number = label_words(label) or ("",)
            if noun and number == "number" and before in (noun, [*noun, number]):
                box = union(word.box for word in page.words[segment.first : last])
                yield Anchor(field, label, segment.first, last, box, _HEADING, segment)


def _statements(
    segment: Segment,
    tokens: Sequence[tuple[int, str, str]],
    wanted: Sequence[tuple[Field, str, tuple[str, ...], float]],
) -> Iterator[Anchor]:
    """What is agreed to, however it is put: "I accept the terms", "Terms read and accepted". All words of
    the label are there, in any form and order, with two others at most."""
    said = {_stem(token) for _, token, _ in tokens}
    for field, label, words, worth in wanted:
        if field.kind == "boolean" and {_stem(word) for word in words} <= said:
            more = len(said) - len(words)
            if 0 <= more <= _MORE_WORDS:
                end = max(index for index, token, _ in tokens if _stem(token) in map(_stem, words)) + 1
                quality = worth * len(words) / (len(words) + 0.5 * more) * 0.9
                yield Anchor(field, label, segment.first, end, segment.box, quality, segment)


@lru_cache(maxsize=1 << 12)
def _stem(word: str) -> str:
    return str(_ENGLISH.stemWord(word))


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
        if min(len(want), len(have)) < _FUZZY_LENGTH or abs(len(want) - len(have)) > 1:
            return 0.0  # "supply" is no "supplier" that was misread
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
    before = sum(not token.isdigit() for _, token, _ in tokens[:at])
    after = 0
    end = after_hint(page, end, segment.end)
    if not _ends_label(page.words[end - 1].text):
        for index, token, _ in tokens[at + len(words) :]:
            if index < end:
                continue
            if any(letter.isdigit() for letter in token):
                break
            after += 1
            if _ends_label(page.words[index].text):
                break
    share = len(words) / (len(words) + before + after)
    box = union(word.box for word in page.words[first:end])
    specific = min(1.0, 0.85 + 0.05 * len(words))
    return Anchor(field, label, first, end, box, quality * share * specific, segment, rest)


def after_hint(page: PageLayout, at: int, end: int) -> int:
    """Behind what stands in parentheses after a label ("(DD/MM/YYYY)", "(20 %)"), which is no value; a
    number in them may be one ("(030) 2345")."""
    if at < end and page.words[at].text.startswith("("):
        for index in range(at, end):
            if page.words[index].text.rstrip(":").endswith(")"):
                hint = "".join(word.text for word in page.words[at : index + 1])
                rate = hint.rstrip(":").endswith("%)")
                return index + 1 if rate or not any(letter.isdigit() for letter in hint) else at
    return at


def _ends_label(text: str) -> bool:
    return text.rstrip().endswith((":", "#")) or text.rstrip().endswith("=")
