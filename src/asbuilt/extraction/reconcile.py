"""Several extractors as one: where they agree they are surer, where they do not it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from asbuilt.fields import Candidate, FieldSchema, PagedDocument
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import Extractor

__all__ = ["ReconciledExtractor"]

_AGREED = 0.5  # of what a score lacks to 1, when another extractor found the same value
_ALONE = 0.05  # taken off a value that another extractor, which found another one, contradicts


@component("extractor/reconciled")
class ReconciledExtractor:
    """The candidates of all `extractors`. Extractors that find the same value at the same words raise
    its score; a value that another one contradicts keeps its rival, which `Extraction` shows."""

    def __init__(self, *, extractors: Sequence[Extractor]) -> None:
        self._extractors = extractors

    demand = staticmethod(holds_nothing)

    def extract(self, document: PagedDocument, schema: FieldSchema) -> list[Candidate]:
        """See the role."""
        proposed: dict[str, list[Candidate]] = {}
        for extractor in self._extractors:
            for candidate in extractor.extract(document, schema):
                proposed.setdefault(candidate.path, []).append(candidate)
        return [
            candidate
            for path in proposed
            for candidate in sorted(_reconciled(proposed[path]), key=lambda each: -each.score)
        ]


def _reconciled(candidates: Sequence[Candidate]) -> list[Candidate]:
    """One candidate for each value and place, scored by who found it."""
    kept: list[Candidate] = []
    everyone = {candidate.extractor for candidate in candidates}
    for candidate in sorted(candidates, key=lambda each: -each.score):
        if any(_same(candidate, other) for other in kept):
            continue
        others = {other.extractor for other in candidates if _same(candidate, other)} - {candidate.extractor}
        score = candidate.score
        if others:
            score += (1 - score) * _AGREED
        elif len(everyone) > 1:
            score -= _ALONE
        signals = {**candidate.signals, "agreed": float(bool(others))}
        kept.append(replace(candidate, score=round(score, 3), signals=signals))
    return kept


def _same(one: Candidate, other: Candidate) -> bool:
    return (
        one.value == other.value
        and one.page == other.page
        and (bool(set(one.words) & set(other.words)) or one.words == other.words)
    )
