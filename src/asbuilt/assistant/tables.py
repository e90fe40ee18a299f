"""The assistant that answers questions about tables from their cells, and leaves all others to another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from itertools import islice

from anyio.to_thread import run_sync

from asbuilt.assistant.grids import Grid, GridAnswer, GridCell, answer_from_grid, grid_of
from asbuilt.assistant.places import with_places
from asbuilt.assistant.question import retrieval_query
from asbuilt.catalog import Catalog
from asbuilt.catalog.pages import PageSpan
from asbuilt.errors import UserError
from asbuilt.pages import PageLayout, Table
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.retrieval.terms import tokenize
from asbuilt.roles import Assistant, Retriever
from asbuilt.types import (
    Answer,
    Citation,
    CitationsReady,
    Event,
    Filters,
    Finished,
    GenerationOptions,
    Hit,
    Message,
    TextDelta,
    Usage,
)

__all__ = ["TableAssistant"]

_MAX_PAGES = 50  # that one table may go on over


@component("assistant/tables")
class TableAssistant:
    """Looks up a cell, or adds, averages, compares or counts cells, where the question's own words
    name the column and the row; every other question goes to the assistant that it wraps.

    It looks at the tables on the pages of the best `passages` passages, best first. The answer is the
    cells' own text, or exact decimal arithmetic over all cells of a column; each cell is cited with
    its page and box. A column with a cell that is no number has no sum.
    """

    def __init__(
        self, *, catalog: Catalog, assistant: Assistant, retriever: Retriever, passages: int = 5
    ) -> None:
        if passages < 1:
            raise UserError(f"passages is {passages}; it must be at least 1.")
        self._catalog = catalog
        self._assistant = assistant
        self._retriever = retriever
        self._passages = passages

    demand = staticmethod(holds_nothing)

    async def answer(
        self,
        messages: Sequence[Message],
        *,
        options: GenerationOptions | None = None,
        filters: Filters | None = None,
    ) -> AsyncIterator[Event]:
        """Raises UserError when there is no question."""
        question = retrieval_query(messages)
        found = await run_sync(partial(self._from_tables, question, filters))
        if found is None:
            async for event in self._assistant.answer(messages, options=options, filters=filters):
                yield event
            return
        hits, hit, answer = found
        citations = await run_sync(self._cited, hit, answer)
        text = _sentence(answer, citations)
        message = Message("assistant", text)
        yield TextDelta(text)
        yield CitationsReady(citations)
        finished = Answer(text, citations, tuple(hits), transcript=(message,))
        yield Finished(message, Usage(), "stop", finished)

    def _from_tables(
        self, question: str, filters: Filters | None
    ) -> tuple[list[Hit], Hit, GridAnswer] | None:
        hits = self._retriever.retrieve(question, top_k=self._passages, filters=filters)
        seen: set[tuple[int, int, int]] = set()
        for hit in hits:
            for key, grid in self._grids(hit):
                if key in seen:
                    continue
                seen.add(key)
                answer = answer_from_grid(question, grid, terms=tokenize)
                if answer is not None:
                    return hits, hit, answer
        return None

    def _cited(self, hit: Hit, answer: GridAnswer) -> tuple[Citation, ...]:
        text = self._catalog.version_text(hit.chunk.document_id, hit.chunk.version)
        cited = [_citation(number, hit, cell, text) for number, cell in enumerate(answer.cells, start=1)]
        return with_places(cited, self._catalog)

    def _grids(self, hit: Hit) -> Iterator[tuple[tuple[int, int, int], Grid]]:
        """The tables on the pages that a passage stands on: (document, page, number) and grid."""
        chunk = hit.chunk
        store = self._catalog.pages
        for span in store.places(chunk.document_id, chunk.version, chunk.start, chunk.end):
            for number, table in enumerate(span.page.tables):
                parts = [(span.page, span.offset, table)]
                if number == len(span.page.tables) - 1:
                    following = store.whole(chunk.document_id, chunk.version, first=span.page.number + 1)
                    parts += _continued(following)
                yield (chunk.document_id, span.page.number, number), grid_of(parts)


def _continued(following: Iterator[PageSpan]) -> Iterator[tuple[PageLayout, int, Table]]:
    """The parts of a table on the pages after its first."""
    for span in islice(following, _MAX_PAGES):
        tables = span.page.tables
        if not tables or not tables[0].continues:
            return
        yield span.page, span.offset, tables[0]
        if len(tables) > 1:
            return


def _citation(number: int, hit: Hit, cell: GridCell, text: str) -> Citation:
    """The cell, read back from `text`, the document's."""
    chunk = hit.chunk
    quote = text[cell.start : cell.stop]
    holds = quote.split() == cell.text.split()
    return Citation(
        number=number,
        sentence=cell.text,
        verified=holds,
        reason="" if holds else "the document does not hold the cell",
        quote=quote if holds else "",
        document_id=chunk.document_id,
        version=chunk.version,
        source=chunk.source,
        start=cell.start,
        end=cell.stop,
        page=cell.page,
        by="asbuilt",
    )


def _sentence(answer: GridAnswer, citations: Sequence[Citation]) -> str:
    """The answer with the numbers of its citations."""
    marks = " ".join(f"[{each.number}]" for each in citations)
    if answer.operation == "look up":
        return f"{answer.text} {marks}"
    many = answer.considered
    return f"{answer.text} ({answer.operation} of {many} cell{'s' * (many != 1)}) {marks}"
