"""The knowledge base of a running system."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from asbuilt.catalog import Catalog
from asbuilt.documents.sources import SourceFile
from asbuilt.errors import StorageError
from asbuilt.knowledge.ingestion import Ingestion, IngestionReport
from asbuilt.knowledge.projection import Projection
from asbuilt.knowledge.vectors import vector_id
from asbuilt.roles import Chunker, Embedder, Index, Progress, Reader

__all__ = ["KnowledgeBase", "SearchState"]

_FOLLOW_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class SearchState:
    """What a search can see now: visible documents and chunks, how many chunks have vectors, and
    how many changes of the catalogue the index of this process has still to apply."""

    documents: int
    chunks: int
    embedded: int
    behind: int


class KnowledgeBase:
    """Ingests into the catalogue and keeps this process's index in step with it.

    `choose_reader` gives the name and reader for a file's name and bytes, or raises ReadError.
    One ingestion runs at a time in a project, whatever the process: `lock_file` sees to it.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        choose_reader: Callable[[str, bytes], tuple[str, Reader]],
        chunker: Chunker,
        embedder: Embedder,
        index: Index,
        lock_file: Path,
    ) -> None:
        self._catalog = catalog
        self._choose_reader = choose_reader
        self._chunker = chunker
        self._embedder = embedder
        self._index = index
        self._projection = Projection(catalog=catalog, index=index, embedder=embedder)
        self._file_lock = FileLock(lock_file, thread_local=False)
        self._thread_lock = threading.Lock()
        self._closing = threading.Event()
        self._follower: threading.Thread | None = None
        self.follow_error: StorageError | None = None

    def ingest(
        self,
        files: Sequence[SourceFile],
        *,
        collection: str = "default",
        chunker: Chunker | None = None,
        prune_under: Sequence[str] = (),
        retry: bool = False,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> IngestionReport:
        """Bring `files` into `collection`; see `ingestion` for the stages.

        With `prune_under`, documents below those paths that are not among `files` are hidden.
        `retry` reads quarantined files again although they did not change. Threads of this
        process wait for each other; another process that ingests gives StorageError.
        """
        ingestion = Ingestion(
            catalog=self._catalog,
            choose_reader=self._choose_reader,
            chunker=chunker or self._chunker,
            embedder=self._embedder,
            index=self._index,
            projection=self._projection,
            collection=collection,
            progress=progress,
            stop=stop or self._closing,
            retry=retry,
        )
        with self._thread_lock:
            try:
                self._file_lock.acquire(timeout=0)
            except Timeout as error:
                raise StorageError(
                    "another process is ingesting into this project.", hint="Wait until it has finished."
                ) from error
            try:
                return ingestion.run(files, prune_under=prune_under)
            finally:
                self._file_lock.release()

    def catch_up(self, *, progress: Progress | None = None) -> None:
        """Apply to the index whatever the catalogue has and it has not."""
        self._projection.catch_up(progress=progress)

    def follow(self) -> None:
        """Keep catching up in the background, so that what other processes ingest is found here."""
        if self._follower is None:
            self._follower = threading.Thread(target=self._follow, name="asbuilt-follow", daemon=True)
            self._follower.start()

    def _follow(self) -> None:
        while not self._closing.wait(_FOLLOW_EVERY_S):
            try:
                self._projection.catch_up()
                self.follow_error = None
            except StorageError as error:  # for example a full disk: shown by health, tried again
                self.follow_error = error

    def state(self, collection: str | None = None) -> SearchState:
        """How far documents, embeddings and the index are."""
        progress = self._catalog.progress(vector_id(self._embedder), collection)
        return SearchState(progress.documents, progress.chunks, progress.embedded, self._projection.behind)

    def close(self) -> None:
        """Stop following and let a running ingestion end at its next batch."""
        self._closing.set()
        if self._follower is not None:
            self._follower.join()
            self._follower = None
        with self._thread_lock:
            pass
