"""The extractor that goes by where things stand: labels, columns, tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from asbuilt.extraction.anchors import Anchor, Segment, anchors_of, segments_of
from asbuilt.extraction.constraints import parse_constraint
from asbuilt.extraction.meanings import LabelMeanings
from asbuilt.extraction.pairing import Option, best_pairs
from asbuilt.extraction.remainder import computed, only_left
from asbuilt.extraction.rows import row_candidates
from asbuilt.extraction.values import Conventions, Parsed, conventions_of, parse
from asbuilt.fields import Candidate, Field, FieldSchema, PagedDocument
from asbuilt.pages import Box, Cell, PageLayout
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import Embedder

__all__ = ["LayoutExtractor"]

_NAME = "layout"
_MAX_WORDS = 8  # of a number or date with its units
_FAR = 14.0  # heights of a line: beyond, a value to the right is another column's
_BELOW = 3.2  # heights of a line
_LEAST = 0.3
_MOST_OTHERS = 5  # words beside a label: more are a sentence
_SURE = 0.5  # quality of a label by meaning, from which it is no value of another
_OR = ("/", "|", "or", "and", "&")
_PAIR = 2  # columns of a table of labels and values


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

    A label may be misread by a letter or two, or be another term for the same thing (`terms`); with an
    `embedder`, what is still not found is looked for beside labels that mean it (`meanings`). Every
    value belongs to the label that it fits best, over all fields together; one without a label is not
    found rather than guessed. Beside columns that a header names, the schema's constraints or
    elimination may tell what another column is.
    """

    def __init__(self, *, embedder: Embedder | None = None, min_score: float = _LEAST) -> None:
        self._meanings = None if embedder is None else LabelMeanings(embedder)
        self._min_score = min_score

    demand = staticmethod(holds_nothing)

    def extract(self, document: PagedDocument, schema: FieldSchema) -> list[Candidate]:
        """See the role."""
        conventions = conventions_of(page.text for page in document.pages)
        constraints = [parse_constraint(each) for each in schema.constraints]
        single = [field for field in schema.fields if not field.group]
        places: list[tuple[int, _Place]] = []
        for page in document.pages:
            anchors = anchors_of(page, segments_of(page), single)
            if self._meanings is not None:
                anchors = self._meanings.undisputed(page, anchors, single)
            places += ((page.number, place) for place in _places(page, anchors, conventions))
        assigned = self._good(places)
        assigned += self._good(self._by_meaning(document, single, assigned, conventions))
        candidates = [_candidate(number, place) for number, place in assigned]
        groups = dict.fromkeys(field.group for field in schema.fields if field.group)
        for group in groups:
            fields = [field for field in schema.fields if field.group == group]
            candidates += row_candidates(document, fields, constraints, conventions, extractor=_NAME)
        candidates += computed(document, schema.fields, constraints, candidates, conventions, extractor=_NAME)
        candidates += only_left(document, schema.fields, candidates, conventions, extractor=_NAME)
        order = {field.path: number for number, field in enumerate(schema.fields)}
        return sorted(
            candidates,
            key=lambda each: (order.get(_generic(each.path), len(order)), _row(each.path), -each.score),
        )

    def _good(self, places: Sequence[tuple[int, _Place]]) -> list[tuple[int, _Place]]:
        return [each for each in _assigned(places) if each[1].score >= self._min_score]

    def _by_meaning(
        self,
        document: PagedDocument,
        fields: Sequence[Field],
        assigned: Sequence[tuple[int, _Place]],
        conventions: Conventions,
    ) -> list[tuple[int, _Place]]:
        """Places of fields that nothing was found for, beside labels that mean them."""
        found = {place.anchor.field.path for _, place in assigned}
        wanted = [field for field in fields if field.path not in found]
        places: list[tuple[int, _Place]] = []
        if self._meanings is None or not wanted:
            return places
        best = {place.anchor.field.path: (number, place) for number, place in reversed(assigned)}
        for page in document.pages:
            own = [place for number, place in best.values() if number == page.number]
            taken = {index for place in own for index in place.words}
            taken |= {index for place in own for index in range(place.anchor.first, place.anchor.end)}
            segments = segments_of(page)
            dates = {each.first for each in segments if _is_date(page, each, fields, conventions)}
            anchors = self._meanings.anchors(page, segments, fields, wanted=wanted, taken=taken, dates=dates)
            sure = [anchor for _, anchor in anchors if anchor.quality >= _SURE]
            taken |= {index for anchor in sure for index in range(anchor.first, anchor.end)}
            options = []
            for near, anchor in anchors:
                there = [
                    place
                    for words, score, why in _regions(page, segments, anchor, taken)
                    if not _holds_a_date(page, words, anchor.field, fields, conventions)
                    for place in _parsed(page, anchor, words, score, why, conventions)
                    if not _another_sort(place, fields, conventions)
                ]
                lies = max((place.score for place in there), default=0.0)
                if lies >= self._min_score:
                    options.append(Option(near + lies, anchor.field.path, anchor.first, there))
            places += ((page.number, place) for option in best_pairs(options) for place in option.value)
        return places


def _generic(path: str) -> str:
    head, bracket, tail = path.partition("[")
    return f"{head}[]{tail.partition(']')[2]}" if bracket else path


def _row(path: str) -> int:
    return int(path.partition("[")[2].partition("]")[0]) if "[" in path else -1


def _places(page: PageLayout, anchors: Sequence[Anchor], conventions: Conventions) -> Iterator[_Place]:
    segments = segments_of(page)
    taken = {index for anchor in anchors if anchor.quality > 0.5 for index in range(anchor.first, anchor.end)}
    for anchor in anchors:
        for words, score, why in _regions(page, segments, anchor, taken):
            yield from _parsed(page, anchor, words, score, why, conventions)


def _regions(
    page: PageLayout, segments: Sequence[Segment], anchor: Anchor, taken: set[int]
) -> Iterator[tuple[Sequence[int], float, str]]:
    """Runs of words that may hold the anchor's value, with how well they lie."""
    if _in_running_text(page, anchor):
        return
    height = max(anchor.box.height, 4.0)
    inside = _until_label(range(anchor.end, anchor.segment.end), taken)
    if page.words[anchor.segment.end - 1].text.endswith(":") or _labels_its_row(page, anchor):
        inside = ()  # the rest of a longer label
    if inside and page.words[inside[0]].text in _OR:
        inside = ()  # another word for the same
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
        if not right and any(_beside(segment, other) for other in segments):
            continue  # the label of the next line, under one that has no value
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
        labels_next = not right and any(
            other.row == cell.row and other.column > cell.column and other.first < other.end
            for other in table.cells
        )
        a_list = table.columns > _PAIR and len(below) > 1 and _has_digits(page, below[1])
        if labels_next or a_list or _labels_its_row(page, anchor):
            continue
        if words := _until_label(range(cell.first, cell.end), taken):
            yield words, 0.8, f"below {anchor.label!r} in its column"


def _has_digits(page: PageLayout, cell: Cell) -> bool:
    return any(letter.isdigit() for word in page.words[cell.first : cell.end] for letter in word.text)


def _until_label(words: Iterable[int], taken: set[int]) -> tuple[int, ...]:
    found = []
    for index in words:
        if index in taken:
            break
        found.append(index)
    return tuple(found)


def _is_date(page: PageLayout, segment: Segment, fields: Sequence[Field], conventions: Conventions) -> bool:
    text = " ".join(page.words[index].text for index in range(segment.first, segment.end))
    return any(parse(field, text, conventions) is not None for field in fields if field.kind == "date")


def _holds_a_date(
    page: PageLayout,
    words: Sequence[int],
    field: Field,
    fields: Sequence[Field],
    conventions: Conventions,
) -> bool:
    """Whether a number would be the day of a date."""
    text = " ".join(page.words[index].text for index in words)
    dates = (other for other in fields if other.kind == "date")
    return field.kind in ("number", "integer") and any(parse(each, text, conventions) for each in dates)


def _another_sort(place: _Place, fields: Sequence[Field], conventions: Conventions) -> bool:
    """Whether the text of a name is the date or choice of another field: anything is a string."""
    field = place.anchor.field
    return (
        field.kind == "string"
        and field.pattern is None
        and any(
            parse(other, place.quote, conventions) is not None
            for other in fields
            if other.kind in ("date", "enum", "boolean")
        )
    )


def _labels_its_row(page: PageLayout, anchor: Anchor) -> bool:
    """Whether a label stands in the first of two columns of several rows: the value is in the second."""
    segment = anchor.segment
    if segment.table is None or segment.cell is None or anchor.field.kind != "string":
        return False
    table = page.tables[segment.table]
    return table.columns == _PAIR and table.rows > _PAIR and table.cells[segment.cell].column == 0


def _in_running_text(page: PageLayout, anchor: Anchor) -> bool:
    """Whether the words of a label stand in the middle of a sentence."""
    others = anchor.segment.end - anchor.segment.first - (anchor.end - anchor.first)
    return others > _MOST_OTHERS and not page.words[anchor.end - 1].text.endswith(":")


def _beside(segment: Segment, other: Segment) -> bool:
    return other.box.left >= segment.box.right - 1 and _same_row(segment.box, other.box)


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
