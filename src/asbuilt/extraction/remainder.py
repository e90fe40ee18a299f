"""Values that the others leave no doubt about: the one number that a constraint needs, and the one labelled
value that is left for the one required field that is left."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from asbuilt.extraction.anchors import Segment, segments_of
from asbuilt.extraction.constraints import Constraint
from asbuilt.extraction.values import Conventions, Parsed, parse
from asbuilt.fields import Candidate, Field, PagedDocument
from asbuilt.pages import PageLayout

__all__ = ["computed", "only_left"]

_COMPUTED = 0.55
_LEFT = 0.4
_MOST_WORDS = 8  # of a segment: more are running text
_VALUE_WORDS = 4
_SAME_LINE = 0.5
_PAIR = 2
_MONEY = re.compile(r"[.,]\d\d\b|[€$£¥]|\b[A-Z]{3}\b")


@dataclass(frozen=True, slots=True)
class _Found:
    page: int
    words: tuple[int, ...]
    quote: str
    parsed: Parsed


def computed(
    document: PagedDocument,
    fields: Sequence[Field],
    constraints: Sequence[Constraint],
    known: Sequence[Candidate],
    conventions: Conventions,
    *,
    extractor: str,
) -> list[Candidate]:
    """Numbers that nothing was found for and without which a constraint, of which all else is known, does not
    hold. Only where one number on the pages makes it hold, in places that no value has taken."""
    candidates: list[Candidate] = []
    numbers = {
        field.path: field for field in fields if field.kind in ("number", "integer") and not field.group
    }
    while True:
        values = {each.path: each.value for each in _best([*candidates, *known])}
        for constraint in constraints:
            missing = [path for path in constraint.paths if path in numbers and path not in values]
            if len(missing) != 1 or constraint.group or "==" not in constraint.expression:
                continue
            field = numbers[missing[0]]
            taken = _taken([*candidates, *known])
            fitting = [
                found
                for found in _numbers(document, field, taken, conventions)
                if [holds for _, holds in constraint.holds({**values, field.path: found.parsed.value})]
                == [True]
            ]
            if fitting and len({found.parsed.value for found in fitting}) == 1:
                why = f"makes {constraint.expression!r} true"
                candidates.append(_candidate(field, fitting[0], _COMPUTED, why, extractor))
                break
        else:
            return candidates


def only_left(
    document: PagedDocument,
    fields: Sequence[Field],
    known: Sequence[Candidate],
    conventions: Conventions,
    *,
    extractor: str,
) -> list[Candidate]:
    """For the one required field of a kind that nothing was found for, the one value of that kind that stands
    beside a label and that no field has taken."""
    found = {each.path for each in known}
    single = [field for field in fields if not field.group]
    missing = [field for field in single if field.required and field.path not in found]
    candidates: list[Candidate] = []
    pairs = list(_pairs(document, _taken(known)))
    for field in missing:
        if sum(_sort(field) == _sort(other) for other in missing) > 1:
            continue
        others = [other for other in single if _sort(other) != "string" and _sort(other) != _sort(field)]
        left = []
        for page, words in pairs:
            quote = " ".join(page.words[index].text for index in words)
            parsed = parse(field, quote, conventions)
            elsewhere = _sort(field) == "string" and any(
                parse(each, quote, conventions)
                for each in others
                if _sort(each) != "number" or _MONEY.search(quote)  # a code may be digits and nothing else
            )
            if parsed is not None and not elsewhere:
                left.append(_Found(page.number, words, quote, parsed))
        if len(left) == 1:
            candidates.append(_candidate(field, left[0], _LEFT, "the only one left", extractor))
    return candidates


def _best(candidates: Iterable[Candidate]) -> list[Candidate]:
    best: dict[str, Candidate] = {}
    for each in candidates:
        if each.path not in best or each.score > best[each.path].score:
            best[each.path] = each
    return list(best.values())


def _taken(candidates: Iterable[Candidate]) -> set[tuple[int, int]]:
    """Words, by page and number, of the best candidate of each path."""
    return {(each.page, index) for each in _best(candidates) for index in each.words}


def _numbers(
    document: PagedDocument, field: Field, taken: set[tuple[int, int]], conventions: Conventions
) -> Iterator[_Found]:
    for page in document.pages:
        for segment in segments_of(page):
            if segment.end - segment.first <= _MOST_WORDS:
                words = [at for at in range(segment.first, segment.end) if (page.number, at) not in taken]
                found = _number(page, words, field, conventions)
                if found is not None:
                    yield found


def _number(page: PageLayout, words: Sequence[int], field: Field, conventions: Conventions) -> _Found | None:
    for start in range(len(words)):
        for end in range(min(len(words), start + _VALUE_WORDS), start, -1):
            run = tuple(words[start:end])
            quote = " ".join(page.words[index].text for index in run)
            parsed = parse(field, quote, conventions)
            if parsed is not None:
                return _Found(page.number, run, quote, parsed)
    return None


def _pairs(
    document: PagedDocument, taken: set[tuple[int, int]]
) -> Iterator[tuple[PageLayout, tuple[int, ...]]]:
    """Words behind a colon, to the right of one, or in the second of a table's two columns; none taken."""
    for page in document.pages:
        segments = segments_of(page)
        for segment in segments:
            if segment.end - segment.first > _MOST_WORDS:
                continue
            words = _value_of(page, segments, segment)
            if words and not any((page.number, index) in taken for index in words):
                yield page, words


def _value_of(page: PageLayout, segments: Sequence[Segment], label: Segment) -> tuple[int, ...]:
    colons = [at for at in range(label.first, label.end) if page.words[at].text.endswith(":")]
    if colons and colons[-1] + 1 < label.end:
        return tuple(range(colons[-1] + 1, label.end))
    in_pairs = (
        label.table is not None
        and label.cell is not None
        and page.tables[label.table].columns == _PAIR
        and page.tables[label.table].cells[label.cell].column == 0
    )
    right = [other for other in segments if _beside(label, other)]
    digits = any(letter.isdigit() for at in range(label.first, label.end) for letter in page.words[at].text)
    if not right or digits or not (colons or in_pairs):
        return ()
    value = min(right, key=lambda other: other.box.left)
    labels_itself = page.words[value.end - 1].text.endswith(":")
    return () if labels_itself else tuple(range(value.first, value.end))


def _beside(label: Segment, other: Segment) -> bool:
    shared = min(label.box.bottom, other.box.bottom) - max(label.box.top, other.box.top)
    return (
        other.box.left >= label.box.right - 1
        and shared > _SAME_LINE * min(label.box.height, other.box.height)
        and other.end - other.first <= _MOST_WORDS
    )


def _sort(field: Field) -> str:
    return "number" if field.kind in ("number", "integer") else field.kind


def _candidate(field: Field, found: _Found, score: float, why: str, extractor: str) -> Candidate:
    return Candidate(
        path=field.path,
        value=found.parsed.value,
        quote=found.quote,
        page=found.page,
        words=found.words,
        extractor=extractor,
        score=score,
        why=why,
        signals={"label": score, "ambiguous": float(found.parsed.ambiguous)},
    )
