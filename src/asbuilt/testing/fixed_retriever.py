"""A retriever that always finds the same passages."""

from __future__ import annotations

from collections.abc import Mapping

from asbuilt.catalog import Catalog, NewVersion
from asbuilt.registry import component
from asbuilt.types import Chunk, ChunkDraft, Document, Filters, Hit, Scalar

__all__ = ["FixedRetriever"]


@component("retriever/fixed")
class FixedRetriever:
    """Finds `passages` (source -> text) in their order, whatever the question; none is the empty case.

    `open` stores each passage in the catalogue as a document of one chunk, so that what is made of
    the hits can be checked against it. `queries` lists what was asked. Filters compare with
    `source` and `collection`.
    """

    def __init__(
        self, *, catalog: Catalog, passages: Mapping[str, str], collection: str = "fixed", top_k: int = 5
    ) -> None:
        self._catalog = catalog
        self._passages = passages
        self._collection = collection
        self._top_k = top_k
        self._hits: list[Hit] = []
        self.queries: list[str] = []

    def open(self) -> None:
        """Store the passages."""
        job_id = self._catalog.start_job(self._collection)
        drafts = [
            NewVersion(
                source=source,
                document=Document(text=text, media_type="text/plain"),
                content_hash="",
                recipe="fixed",
                chunks=[ChunkDraft(text=text, start=0, end=len(text))],
                contexts=[""],
            )
            for source, text in self._passages.items()
        ]
        stored = self._catalog.add_versions(self._collection, drafts, job_id=job_id)
        self._catalog.finish_job(job_id)
        self._hits = [
            Hit(
                Chunk(
                    id=rank,
                    document_id=version.document_id,
                    version=version.version,
                    source=draft.source,
                    collection=self._collection,
                    text=draft.document.text,
                    start=0,
                    end=len(draft.document.text),
                ),
                score=1 / rank,
            )
            for rank, (draft, version) in enumerate(zip(drafts, stored, strict=True), start=1)
        ]

    def retrieve(self, query: str, *, top_k: int | None = None, filters: Filters | None = None) -> list[Hit]:
        """The passages that pass the filters."""
        self.queries.append(query)
        found = [hit for hit in self._hits if _passes(hit.chunk, filters or {})]
        return found[: self._top_k if top_k is None else top_k]


def _passes(chunk: Chunk, filters: Filters) -> bool:
    values: dict[str, Scalar] = {"source": chunk.source, "collection": chunk.collection}
    return all(
        values.get(key) in ([wanted] if isinstance(wanted, str | int | float) else list(wanted))
        for key, wanted in filters.items()
    )
