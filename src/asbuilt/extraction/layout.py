"""The extractor that goes by where things stand: labels, columns, tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from asbuilt.extraction.anchors import Anchor, Segment, anchors_of, segments_of
from asbuilt.extraction.constraints import parse_constraint
from asbuilt.extraction.rows import row_candidates
from asbuilt.extraction.values import Conventions, Parsed, conventions_of, parse
from asbuilt.fields import Candidate, Field, FieldSchema, PagedDocument
from asbuilt.pages import Box, PageLayout
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing

__all__ = ["LayoutExtractor"]

_NAME = "layout"
_MAX_WORDS = 8  # of a number or date with its units
_FAR = 14.0  # heights of a line: beyond, a value to the right is another column's
_BELOW = 3.2  # heights of a line
_LEAST = 0.3


@dataclass(frozen=True, slots=True)
class _Place:
    """A value that may belong to an anchor."""

    anchor: Anchor
    words: tuple[int, ...]
    quote: str
    parsed: Parsed
    score: float
    why: str


@component("extractor/layout")
class LayoutExtractor:
    """Values beside, below, or in the row or column of their labels, and the rows of tables whose
    headers name a list's fields.

    A label may be misread by a letter or two, or be another term for the same thing (`terms`). Every
    value belongs to the label that it fits best, over all fields together; one without a label is not
    found rather than guessed. Beside columns that a header names, the schema's constraints or
    elimination may tell what another column is.
    """

    def __init__(self, *, min_score: float = _LEAST) -> None:
        self._min_score = min_score

    demand = staticmethod(holds_nothing)

    def extract(self, document: PagedDocument, schema: FieldSchema) -> list[Candidate]:
        """See the role."""
        conventions = conventions_of(page.text for page in document.pages)
        constraints = [parse_constraint(each) for each in schema.constraints]
        single = [field for field in schema.fields if not field.group]
        places: list[tuple[int, _Place]] = []
        for page in document.pages:
            places += ((page.number, place) for place in _places(page, single, conventions))
        candidates = [
            _candidate(number, place) for number, place in _assigned(places) if place.score >= self._min_score
        ]
        groups = dict.fromkeys(field.group for field in schema.fields if field.group)
        for group in groups:
            fields = [field for field in schema.fields if field.group == group]
            candidates += row_candidates(document, fields, constraints, conventions, extractor=_NAME)
        order = {field.path: number for number, field in enumerate(schema.fields)}
        return sorted(
            candidates,
            key=lambda each: (order.get(_generic(each.path), len(order)), _row(each.path), -each.score),
        )


def _generic(path: str) -> str:
    head, bracket, tail = path.partition("[")
    return f"{head}[]{tail.partition(']')[2]}" if bracket else path


def _row(path: str) -> int:
    return int(path.partition("[")[2].partition("]")[0]) if "[" in path else -1


def _places(page: PageLayout, fields: Sequence[Field], conventions: Conventions) -> Iterator[_Place]:
    segments = segments_of(page)
    anchors = anchors_of(page, segments, fields)
    taken = {index for anchor in anchors if anchor.quality > 0.5 for index in range(anchor.first, anchor.end)}
    for anchor in anchors:
        for words, score, why in _regions(page, segments, anchor, taken):
            yield from _parsed(page, anchor, words, score, why, conventions)


def _regions(
    page: PageLayout, segments: Sequence[Segment], anchor: Anchor, taken: set[int]
) -> Iterator[tuple[Sequence[int], float, str]]:
    """Runs of words that may hold the anchor's value, with how well they lie."""
    height = max(anchor.box.height, 4.0)
    inside = _until_label(range(anchor.end, anchor.segment.end), taken)
    if page.words[anchor.segment.end - 1].text.endswith(":"):
        inside = ()  # the rest of a longer label
    if anchor.rest:
        yield (anchor.end - 1,), 1.0, f"after {anchor.label!r}"
    if inside:
        yield inside, 1.0, f"after {anchor.label!r}"
    if anchor.segment.cell is not None:
        yield from _from_cells(page, anchor, taken)
        return
    right = [
        (segment.box.left - anchor.box.right, segment)
        for segment in segments
        if segment is not anchor.segment
        and segment.box.left >= anchor.segment.box.right - 1
        and _same_row(segment.box, anchor.box)
    ]
    for rank, (distance, segment) in enumerate(sorted(right, key=lambda each: each[0])[:2]):
        words = _until_label(range(segment.first, segment.end), taken)
        if words:
            near = (1.0 if distance < _FAR * height else 0.75) * (0.92 if inside else 1.0)
            yield words, 0.97 * near * 0.85**rank, f"right of {anchor.label!r}"
    below = [
        (segment.box.top - anchor.box.bottom, segment)
        for segment in segments
        if -0.3 * height <= segment.box.top - anchor.box.bottom <= _BELOW * height
        and _same_column(segment.box, anchor.box, height)
    ]
    for rank, (distance, segment) in enumerate(sorted(below, key=lambda each: each[0])[:2]):
        words = _until_label(range(segment.first, segment.end), taken)
        if words and not inside:
            yield words, (0.85 - 0.05 * max(distance, 0.0) / height) * 0.7**rank, f"below {anchor.label!r}"


def _from_cells(
    page: PageLayout, anchor: Anchor, taken: set[int]
) -> Iterator[tuple[Sequence[int], float, str]]:
    assert anchor.segment.table is not None
    assert anchor.segment.cell is not None
    table = page.tables[anchor.segment.table]
    own = table.cells[anchor.segment.cell]
    right = sorted(
        (
            cell
            for cell in table.cells
            if cell.row == own.row and cell.column > own.column and cell.first < cell.end
        ),
        key=lambda cell: cell.column,
    )
    for rank, cell in enumerate(right[:4]):
        if words := _until_label(range(cell.first, cell.end), taken):
            yield words, 0.97 - 0.03 * rank, f"right of {anchor.label!r} in its row"
    below = sorted(
        (
            cell
            for cell in table.cells
            if cell.column == own.column and cell.row > own.row and cell.first < cell.end
        ),
        key=lambda cell: cell.row,
    )
    for cell in below[:1]:
        if words := _until_label(range(cell.first, cell.end), taken):
            yield words, 0.8, f"below {anchor.label!r} in its column"


def _until_label(words: Iterable[int], taken: set[int]) -> tuple[int, ...]:
    found = []
    for index in words:
        if index in taken:
            break
        found.append(index)
    return tuple(found)


def _same_row(box: Box, other: Box) -> bool:
    shared = min(box.bottom, other.bottom) - max(box.top, other.top)
    return shared > 0.5 * min(box.height, other.height)


def _same_column(box: Box, other: Box, height: float) -> bool:
    aligned = min(
        abs(box.left - other.left),
        abs(box.right - other.right),
        abs(box.left + box.right - other.left - other.right) / 2,
    )
    return aligned < 1.2 * height


def _parsed(
    page: PageLayout,
    anchor: Anchor,
    words: Sequence[int],
    position: float,
    why: str,
    conventions: Conventions,
) -> Iterator[_Place]:
    """The value in a run of words: of a number, date or choice the longest run that is one; of a
    string, all of it."""
    field = anchor.field
    if anchor.rest and tuple(words) == (anchor.end - 1,):
        parsed = parse(field, anchor.rest, conventions)
        if parsed is not None:
            yield _Place(anchor, tuple(words), anchor.rest, parsed, anchor.quality * position, why)
        return
    words = _trimmed(page, words)
    lengths = (
        [len(words)]
        if field.kind == "string" and field.pattern is None
        else range(min(len(words), _MAX_WORDS), 0, -1)
    )
    for start in range(len(words) if field.kind != "string" or field.pattern else 1):
        for length in lengths:
            run = words[start : start + length]
            if len(run) < length:
                continue
            quote = " ".join(page.words[index].text for index in run)
            parsed = parse(field, quote, conventions)
            if parsed is None:
                continue
            whole = 1.0 if len(run) == len(words) else max(0.0, 0.95 - 0.15 * start)
            score = anchor.quality * position * whole * (0.9 if parsed.ambiguous else 1.0)
            yield _Place(anchor, tuple(run), quote, parsed, score, why)
            return


def _trimmed(page: PageLayout, words: Sequence[int]) -> tuple[int, ...]:
    """Without separators at its ends."""
    kept = list(words)
    while kept and not any(letter.isalnum() or letter in "☒☑☐✓✔✗✘☐" for letter in page.words[kept[0]].text):
        kept.pop(0)
    while kept and not any(
        letter.isalnum() or letter in "☒☑☐✓✔✗✘%€$£)" for letter in page.words[kept[-1]].text
    ):
        kept.pop()
    return tuple(kept)


def _assigned(places: Sequence[tuple[int, _Place]]) -> list[tuple[int, _Place]]:
    """Places in order of score; words that a better place of another field has taken count less."""
    best: dict[tuple[int, int], tuple[float, str]] = {}
    for number, place in places:
        for index in place.words:
            known = best.get((number, index))
            if known is None or place.score > known[0]:
                best[number, index] = (place.score, place.anchor.field.path)
    kept: dict[tuple[str, int, tuple[int, ...]], tuple[int, _Place]] = {}
    for number, place in sorted(places, key=lambda each: (-each[1].score, each[0], each[1].words)):
        path = place.anchor.field.path
        if any(
            best[number, index][1] != path and best[number, index][0] > place.score + 0.02
            for index in place.words
        ):
            continue
        kept.setdefault((path, number, place.words), (number, place))
    return list(kept.values())


def _candidate(number: int, place: _Place) -> Candidate:
    return Candidate(
        path=place.anchor.field.path,
        value=place.parsed.value,
        quote=place.quote,
        page=number,
        words=place.words,
        extractor=_NAME,
        score=round(min(1.0, place.score), 3),
        why=place.why,
        signals={
            "label": round(place.anchor.quality, 3),
            "ambiguous": float(place.parsed.ambiguous),
        },
    )
