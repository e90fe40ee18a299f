"""Labels that say in words of their own what a field is: told by meaning, where no known word is there.

"Settlement date" is nobody's synonym and still nearer to "due date" than to "invoice date". An embedder
compares what stands like a label with everything that the fields are called. Only labels that can be told
apart count: each belongs to the field that it is nearest to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from asbuilt.extraction.anchors import Anchor, Segment, after_hint
from asbuilt.extraction.labels import label_words
from asbuilt.extraction.terms import also_called
from asbuilt.fields import Field
from asbuilt.pages import PageLayout, union
from asbuilt.roles import Embedder
from asbuilt.types import Matrix

__all__ = ["LabelMeanings"]

_LEAST = 0.45
"""Cosine from which a label may mean a field: of labels of the building set that are in no dictionary, 31 of
36 at or above it mean the nearest field of their kind, below it 14 of 33 (docs/log.md)."""
_MOST_WORDS = 10
_EXPECTED = 0.1  # nearer by this is a field that the schema requires and that is still missing
_WEAK, _CLEARLY = 0.6, 0.15
_ABBREVIATED = 5  # letters and a dot
_PAIR = 2
_HEAD_AND_VALUES = 2
_BEST = 0.75
_WORST = 0.45
"""What a label counts that means a field at cosine 1 and at the least, where a field's own word counts 1."""


class LabelMeanings:
    """Compares labels by meaning; vectors of phrases are kept."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, Matrix] = {}

    def anchors(
        self,
        page: PageLayout,
        segments: Sequence[Segment],
        fields: Sequence[Field],
        *,
        wanted: Sequence[Field],
        taken: set[int],
        dates: set[int],
    ) -> list[tuple[float, Anchor]]:
        """Labels of the `wanted` among `fields` with how near they are, outside of the words `taken`; `dates`
        are the first words of segments that are dates. One may mean several dates or several numbers, else
        the nearest field alone."""
        labels = [
            label
            for segment in segments
            if segment.first not in dates
            and not _in_a_list(page, segment)
            and (label := _label(page, segment, taken)) is not None
        ]
        if not labels or not wanted:
            return []
        phrases = self._phrases(fields)
        vectors = self._vectors([text for _, _, text in labels])
        nearness = {path: (vectors @ self._vectors(said).T).max(axis=1) for path, said in phrases.items()}
        found = []
        for number, (segment, end, text) in enumerate(labels):
            for field in wanted:
                near = float(nearness[field.path][number])
                rivals = (each for each in fields if _rivals(field, each, among=wanted))
                if near < _LEAST or any(nearness[each.path][number] > near for each in rivals):
                    continue
                quality = _WORST + (_BEST - _WORST) * (near - _LEAST) / (1 - _LEAST)
                box = union(word.box for word in page.words[segment.first : end])
                anchor = Anchor(field, text, segment.first, end, box, quality, segment)
                found.append((near + (_EXPECTED if field.required else 0.0), anchor))
        return found

    def undisputed(
        self, page: PageLayout, anchors: Sequence[Anchor], fields: Sequence[Field]
    ) -> list[Anchor]:
        """`anchors` without those that are part of a longer label which means another field: "name" in
        "Organization name"."""
        phrases = self._phrases(fields)
        sure = {anchor.field.path for anchor in anchors if anchor.quality >= _WEAK}
        kept = []
        for anchor in anchors:
            label = _label(page, anchor.segment, set()) if anchor.quality < _WEAK else None
            if label is not None:
                vector = self._vectors([label[2]])[0]
                near = {path: float((self._vectors(said) @ vector).max()) for path, said in phrases.items()}
                own = max(near[anchor.field.path], _LEAST) + _CLEARLY
                rivals = (
                    each.path for each in fields if _rivals(anchor.field, each) and each.path not in sure
                )
                if any(near[path] > own for path in rivals):
                    continue
            kept.append(anchor)
        return kept

    def _phrases(self, fields: Sequence[Field]) -> Mapping[str, Sequence[str]]:
        other = also_called(fields)
        return {field.path: tuple(dict.fromkeys((*field.labels, *other[field.path]))) for field in fields}

    def _vectors(self, texts: Sequence[str]) -> Matrix:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._embedder.embed(new, kind="query"), strict=True))
        return np.stack([self._known[text] for text in texts])


def _in_a_list(page: PageLayout, segment: Segment) -> bool:
    """Whether it is in a table whose rows are items: what its columns hold is told otherwise."""
    if segment.table is None:
        return False
    table = page.tables[segment.table]
    return table.columns > _PAIR and table.rows > _HEAD_AND_VALUES


def _rivals(field: Field, other: Field, *, among: Sequence[Field] = ()) -> bool:
    """Whether a label of `other` could stand where one of `field` is looked for: beside a date there is a
    number too, and anything is a string. Dates `among` those that are looked for are told apart together,
    numbers as well."""
    if field.kind == "string":
        return other.path != field.path
    if _sort(field) == _sort(other):
        return other.path != field.path and other not in among
    return _sort(field) == "number" and other.kind == "date"


def _sort(field: Field) -> str:
    return "number" if field.kind in ("number", "integer") else field.kind


def _label(page: PageLayout, segment: Segment, taken: set[int]) -> tuple[Segment, int, str] | None:
    """The words of a segment that stand like a label: up to a colon, else all before a digit. With the end
    of the label, what is in parentheses after it included."""
    words = []
    end = segment.first
    for index in range(segment.first, segment.end):
        text = page.words[index].text
        if index in taken:
            return None  # the rest of a label that was understood
        if text.startswith("(") or any(letter.isdigit() for letter in text):
            break
        words.append(text)
        end = index + 1
        if text.endswith(":"):
            break
    text = " ".join(words)
    if len(words[-1]) > _ABBREVIATED and text.endswith(".") if words else False:
        return None  # the end of a sentence
    text = text.strip(" :#.-").casefold()
    if not words or len(words) > _MOST_WORDS or not label_words(text):
        return None
    return segment, after_hint(page, end, segment.end), text
