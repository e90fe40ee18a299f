"""Keeps an index in step with the catalogue."""

from __future__ import annotations

import threading

from asbuilt.catalog import Catalog
from asbuilt.knowledge.vectors import vector_id
from asbuilt.roles import Embedder, Index, Progress

__all__ = ["Projection"]


class Projection:
    """One index of this process and how far it follows the catalogue."""

    def __init__(self, *, catalog: Catalog, index: Index, embedder: Embedder) -> None:
        self._catalog = catalog
        self._index = index
        self._embedder = embedder
        self._lock = threading.Lock()

    @property
    def behind(self) -> int:
        """Changes in the catalogue that the index has not seen."""
        return max(0, self._catalog.position - self._index.position)

    def catch_up(self, *, progress: Progress | None = None) -> None:
        """Apply everything that the index has not seen. Returns at once when there is nothing."""
        with self._lock:
            start = self._index.position
            newest = self._catalog.position
            if start == newest:
                return
            for batch in self._catalog.feed(start, vector_id(self._embedder)):
                self._index.write(batch.points, remove=batch.remove, position=batch.position)
                if progress is not None:
                    progress("index", batch.position - start, newest - start)
