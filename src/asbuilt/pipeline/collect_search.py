"""Rows that teach a sentence embedder: questions with the passage of a service that answers them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from asbuilt.blueprint.cases import Case
from asbuilt.catalog import Catalog
from asbuilt.catalog.answers import PLEASED, RatedAnswer
from asbuilt.errors import UserError
from asbuilt.lineage import TrainingRow
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.retrieval.known_answers import answers, load_known_answers
from asbuilt.system import System
from asbuilt.training.near import normalised
from asbuilt.training.rows import FaultyRow
from asbuilt.types import Message

__all__ = ["KnownAnswersCollector", "LikedPassagesCollector"]

_CITATION = re.compile(r"\[(\d{1,3})\]")


@component("collector/known-answers")
class KnownAnswersCollector:
    """A row for each case of `file` that names documents: its question, and the passage of these documents
    that the search of `blueprint` likes best, or the first one where it finds none.

    With `worse`, the best passage of any other document is what the embedder learns to tell it from.
    `file` has the form of an evaluation data set, and must not be one that is evaluated on. Rows of one
    `cluster` (else of the same first document) are of one source. The search looks at `depth` passages.
    """

    def __init__(
        self, *, blueprint: Path, file: Path, split: str | None = None, worse: bool = True, depth: int = 20
    ) -> None:
        if depth < 1:
            raise UserError(f"collector/known-answers has depth: {depth}; it must be at least 1.")
        self._blueprint = blueprint
        self._file = file
        self._split = split
        self._worse = worse
        self._depth = depth

    demand = staticmethod(holds_nothing)

    def collect(self) -> Iterator[TrainingRow]:
        """Rows in the order of the file, with `split` those of that split only; each passage is as it is
        searched and embedded, its place before it."""
        cases = [case for case in load_known_answers(self._file) if self._split in (None, case.split)]
        if not cases:
            raise UserError(f"no case of {self._file} has the split {self._split!r}.")
        with System.load(self._blueprint) as system:
            system.knowledge.catch_up()
            beginnings = _beginnings(system.catalog, self._blueprint)
            for case in cases:
                yield self._row(system, beginnings, case)

    def _row(self, system: System, beginnings: dict[str, int], case: Case) -> TrainingRow:
        hits = system.search(case.question, top_k=self._depth)
        found = (hit.chunk.id for hit in hits if answers(hit.chunk.source, case.documents))
        first = (chunk for source, chunk in beginnings.items() if answers(source, case.documents))
        chosen = next(found, None) or next(first, None)
        origin = f"known-answers:{self._file.name}:{case.id}"
        source = case.cluster or case.documents[0]
        asked = Message("user", case.question)
        if chosen is None:
            fault = f"no document of the service is {', '.join(case.documents)}"
            return FaultyRow((asked,), source, origin, fault=fault)
        other = next((hit.chunk.id for hit in hits if not answers(hit.chunk.source, case.documents)), None)
        texts = system.catalog.search_texts([each for each in (chosen, other) if each is not None])
        worse = texts[other] if self._worse and other is not None and texts[other] != texts[chosen] else None
        return TrainingRow((asked, Message("assistant", texts[chosen])), source, origin, worse)


@component("collector/liked-passages")
class LikedPassagesCollector:
    """A row for each passage that an answer of the service of `blueprint` cites, where that answer was rated
    `liked` or better: what was asked, and that passage.

    Only answers to a first question: a later one leans on what was said before it.
    """

    def __init__(self, *, blueprint: Path, liked: int = PLEASED) -> None:
        if not 1 <= liked <= 5:
            raise UserError(f"collector/liked-passages has liked: {liked}; ratings go from 1 to 5.")
        self._blueprint = blueprint
        self._liked = liked

    demand = staticmethod(holds_nothing)

    def collect(self) -> Iterator[TrainingRow]:
        """Rows in the order in which the answers were given."""
        with System.load(self._blueprint) as system:
            _beginnings(system.catalog, self._blueprint)
            for answer in system.catalog.answers.rated():
                if answer.rating >= self._liked:
                    yield from _cited(system.catalog, answer)


def _cited(catalog: Catalog, answer: RatedAnswer) -> Iterator[TrainingRow]:
    origin = f"liked-passages:{answer.id}"
    asked = [message for message in answer.messages if message.role == "user"]
    source = f"liked-passages:{normalised(asked[0].content)[:80]}" if asked else origin
    numbers = dict.fromkeys(int(number) - 1 for number in _CITATION.findall(answer.text))
    cited = [answer.chunk_ids[at] for at in numbers if 0 <= at < len(answer.chunk_ids)]
    texts = catalog.search_texts(cited)
    if len(asked) != 1 or not texts:
        fault = "it cites no passage" if len(asked) == 1 else "it answers a later question"
        yield FaultyRow(tuple(asked[:1]), source, origin, fault=fault)
        return
    for chunk in cited:
        yield TrainingRow((asked[0], Message("assistant", texts[chunk])), source, f"{origin}:{chunk}")


def _beginnings(catalog: Catalog, blueprint: Path) -> dict[str, int]:
    """By source, the first passage of each document. Raises UserError where there is none."""
    found = catalog.first_chunks()
    if not found:
        raise UserError(f"{blueprint} has no documents yet.", hint=f"Run: asbuilt ingest -b {blueprint}")
    return found
