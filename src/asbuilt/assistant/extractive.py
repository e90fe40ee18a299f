"""The assistant that quotes: it answers in the documents' own words, without a model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

from anyio.to_thread import run_sync

from asbuilt.assistant.places import with_places
from asbuilt.assistant.question import retrieval_query
from asbuilt.assistant.refusal import refusal
from asbuilt.catalog import Catalog
from asbuilt.errors import NotFoundError, UserError
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import Retriever
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

__all__ = ["ExtractiveAssistant"]


@component("assistant/extractive")
class ExtractiveAssistant:
    """Quotes the `passages` that answer best, each at most `max_chars` long, with a checked citation.

    Nothing is invented, nothing is put together, and an answer takes as long as a search: for
    machines on which a model good enough would be too slow, and as what a model has to beat. Options
    of a request are for models and make no difference.
    """

    def __init__(
        self, *, catalog: Catalog, retriever: Retriever, passages: int = 1, max_chars: int = 2000
    ) -> None:
        for name, value in (("passages", passages), ("max_chars", max_chars)):
            if value < 1:
                raise UserError(f"{name} is {value}; it must be at least 1.")
        self._catalog = catalog
        self._retriever = retriever
        self._passages = passages
        self._max_chars = max_chars

    demand = staticmethod(holds_nothing)

    async def answer(
        self,
        messages: Sequence[Message],
        *,
        options: GenerationOptions | None = None,
        filters: Filters | None = None,
    ) -> AsyncIterator[Event]:
        """Raises UserError when there is no question."""
        retrieve = partial(self._retriever.retrieve, top_k=self._passages, filters=filters)
        hits = await run_sync(retrieve, retrieval_query(messages))
        if not hits:
            for event in refusal():
                yield event
            return
        citations = await run_sync(self._cited, hits)
        texts = [f"{citation.quote} [{citation.number}]" for citation in citations]
        for number, text in enumerate(texts):
            yield TextDelta(text if number == 0 else f"\n\n{text}")
        message = Message("assistant", "\n\n".join(texts))
        answer = Answer(message.content, citations, tuple(hits), transcript=(message,))
        yield CitationsReady(citations)
        yield Finished(message, Usage(), "stop", answer)

    def _cited(self, hits: Sequence[Hit]) -> tuple[Citation, ...]:
        quoted = [self._quoted(number, hit) for number, hit in enumerate(hits, start=1)]
        return with_places(quoted, self._catalog)

    def _quoted(self, number: int, hit: Hit) -> Citation:
        """The passage, or its beginning up to the end of a line, read back from the catalogue."""
        chunk = hit.chunk
        lead = len(chunk.text) - len(chunk.text.lstrip())
        quote = _beginning(chunk.text.strip(), self._max_chars)
        start = chunk.start + lead
        try:
            text = self._catalog.version_text(chunk.document_id, chunk.version)
            reason = "" if text[start : start + len(quote)] == quote else "the document does not hold it"
        except NotFoundError:
            reason = f"version {chunk.version} of the document is not in the catalogue"
        return Citation(
            number=number,
            sentence=quote,
            verified=not reason,
            reason=reason,
            quote=quote,
            document_id=chunk.document_id,
            version=chunk.version,
            source=chunk.source,
            start=start,
            end=start + len(quote),
            page=chunk.page,
            by="asbuilt",
        )


def _beginning(text: str, max_chars: int) -> str:
    """All of `text`, or as many whole lines as there is room for, or its first characters."""
    if len(text) <= max_chars:
        return text
    cut = text.rfind("\n", 0, max_chars + 1)
    return text[: cut if cut > 0 else max_chars].rstrip()
