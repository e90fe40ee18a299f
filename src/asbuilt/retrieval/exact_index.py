"""The exact index: BM25 and cosine by definition, in numpy. Every other index must agree with it.

It holds everything in memory and scores every point. With a folder, a log of batches makes it
durable.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asbuilt.errors import BugError, StorageError, UserError
from asbuilt.registry import component
from asbuilt.retrieval.batch_log import BatchLog
from asbuilt.retrieval.batches import Batch, checked_batch, checked_vector
from asbuilt.retrieval.index_demand import exact_demand
from asbuilt.retrieval.index_folder import IndexFolder
from asbuilt.retrieval.tags import tags_of, wanted_tags
from asbuilt.retrieval.terms import TermAnalyzer
from asbuilt.types import Filters, IndexPoint, ScoredId, Vector

__all__ = ["BM25_B", "BM25_K1", "ExactIndex"]

BM25_K1 = 1.2
BM25_B = 0.75

_LOG = "batches.log"
_FORMAT = "exact-1"
_SLACK = 4096
"""Points that a log may hold beyond twice the live ones before it is rewritten."""

_Rows = NDArray[np.int64]
_Scores = NDArray[np.float64]


@component("index/exact")
class ExactIndex:
    """BM25 over terms and cosine over vectors, both exact.

    `folder` makes it durable; without one it lives in memory. `dim` is the length of vectors,
    learnt from the first one when not given. `language` names the stemmer.

    BM25 counts the points that have at least one term; a query's repeated terms count once. The
    weight of a term that n of N such points have is ln(1 + (N - n + 0.5) / (n + 0.5)). Filters
    choose points and do not change weights. Equal scores come in order of id.
    """

    def __init__(
        self, *, folder: Path | None = None, dim: int | None = None, language: str = "english"
    ) -> None:
        self._folder = None if folder is None else IndexFolder(folder, names=(_LOG, f"{_LOG}.new"))
        self._given_dim = dim
        self._analyzer = TermAnalyzer(language=language)
        self._lock = threading.Lock()
        self._is_open = False
        self._log: BatchLog | None = None
        self._forget()

    demand = staticmethod(exact_demand)

    def _forget(self) -> None:
        self._dim = self._given_dim
        self._position = 0
        self._documents: dict[int, _Document] = {}
        self._vocabulary: dict[str, int] = {}
        self._snapshot: _Snapshot | None = None

    def open(self) -> None:
        """Read the log; one that is damaged or was made otherwise is dropped, which means position 0.

        Raises StorageError when another index holds the folder, or it cannot be read.
        """
        if self._folder is not None:
            self._folder.open()
            try:
                self._log = self._replayed(self._folder)
            except OSError as error:
                self._folder.close()
                raise StorageError(f"cannot read the index: {error}.") from error
        self._is_open = True

    def _replayed(self, folder: IndexFolder) -> BatchLog:
        label = {"format": _FORMAT, "terms": self._analyzer.recipe}
        log = BatchLog(folder.path / _LOG)
        if folder.label() == label:
            self._dim = None
            self._apply(_merged(log.replay()))
            self._dim = self._dim or self._given_dim
            # At position 0 the feed starts over, so that what it once sent must not linger.
            if self._position > 0 and self._given_dim in (None, self._dim):
                return log
            self._forget()
        folder.clear()
        folder.write_label(label)
        log.rewrite(())
        return log

    def close(self) -> None:
        """Let go of folder and memory."""
        with self._lock:
            self._is_open = False
            self._forget()
            self._log = None
            if self._folder is not None:
                self._folder.close()

    @property
    def position(self) -> int:
        return self._position

    def write(self, points: Sequence[IndexPoint], *, remove: Sequence[int] = (), position: int) -> None:
        """See `Index.write`. Raises UserError for a bad vector and StorageError for a full disk."""
        with self._lock:
            self._check_open()
            batch = checked_batch(points, remove, position, dim=self._dim)
            if self._log is not None:
                self._log.append(batch)
            self._apply(batch)
            if self._log is not None and self._log.points > 2 * len(self._documents) + _SLACK:
                live = tuple(document.point for document in self._documents.values())
                self._log.rewrite((Batch(live, (), self._position, self._dim),))

    def search(self, query: str | Vector, *, top_k: int, filters: Filters | None = None) -> list[ScoredId]:
        """See `Index.search`. Raises UserError for a bad vector, filter or `top_k`."""
        if top_k < 1:
            raise UserError(f"top_k is {top_k}; it must be at least 1.")
        wanted = wanted_tags(filters)
        snapshot = self._current()
        if isinstance(query, str):
            terms = [self._vocabulary.get(term) for term in set(self._analyzer.terms(query))]
            return snapshot.by_terms([term for term in terms if term is not None], wanted, top_k)
        vector = checked_vector(query, dim=self._dim, what="the query vector")
        return snapshot.by_vector(vector, wanted, top_k)

    def _current(self) -> _Snapshot:
        snapshot = self._snapshot
        if snapshot is None:
            with self._lock:
                self._check_open()
                snapshot = self._snapshot or _Snapshot(self._documents.values(), len(self._vocabulary))
                self._snapshot = snapshot
        return snapshot

    def _check_open(self) -> None:
        if not self._is_open:
            raise BugError("the index is not open.")

    def _apply(self, batch: Batch) -> None:
        documents = [self._document(point) for point in batch.points]
        for document in documents:
            self._documents[document.point.id] = document
        for point_id in batch.remove:
            self._documents.pop(point_id, None)
        self._dim = self._dim or batch.dim
        self._position = batch.position
        self._snapshot = None

    def _document(self, point: IndexPoint) -> _Document:
        counts = Counter(self._analyzer.terms(point.terms))
        ids = [self._vocabulary.setdefault(term, len(self._vocabulary)) for term in counts]
        return _Document(
            point,
            np.array(ids, dtype=np.int64),
            np.fromiter(counts.values(), dtype=np.int64, count=len(counts)),
            tags_of(point.payload),
        )


def _merged(batches: Iterable[Batch]) -> Batch:
    """One batch that does what `batches` do, one after the other, to an empty index."""
    points: dict[int, IndexPoint] = {}
    position, dim = 0, None
    for batch in batches:
        points |= {point.id: point for point in batch.points}
        for point_id in batch.remove:
            points.pop(point_id, None)
        position, dim = batch.position, dim or batch.dim
    return Batch(tuple(points.values()), (), position, dim)


@dataclass(frozen=True, slots=True)
class _Document:
    """A point, its distinct terms by number, how often each occurs, and its tags."""

    point: IndexPoint
    terms: _Rows
    counts: _Rows
    tags: list[str]


class _Snapshot:
    """Arrays to search at one state of the index. A row is a point, in order of ids."""

    def __init__(self, documents: Collection[_Document], term_count: int) -> None:
        self._documents = sorted(documents, key=lambda document: document.point.id)
        self._ids = np.array([document.point.id for document in self._documents], dtype=np.int64)
        self._term_count = term_count

    def by_terms(self, terms: Sequence[int], wanted: list[list[str]], top_k: int) -> list[ScoredId]:
        offsets, rows, weights = self._postings
        scores = np.zeros(len(self._ids))
        for term in terms:
            # A term that came after this state was taken is in none of its points.
            if term < self._term_count:
                span = slice(offsets[term], offsets[term + 1])
                scores[rows[span]] += weights[span]
        return self._best(np.flatnonzero(self._mask(wanted) & (scores > 0)), scores, top_k)

    def by_vector(self, vector: Vector, wanted: list[list[str]], top_k: int) -> list[ScoredId]:
        rows, matrix = self._vectors
        if len(rows) == 0:
            return []
        scores = np.zeros(len(self._ids))
        scores[rows] = matrix @ (vector / (np.linalg.norm(vector) or 1.0))
        return self._best(rows[self._mask(wanted)[rows]], scores, top_k)

    def _best(self, rows: _Rows, scores: _Scores, top_k: int) -> list[ScoredId]:
        """The `top_k` best of `rows`, which are in order of id."""
        if len(rows) > top_k:
            least = np.partition(scores[rows], -top_k)[-top_k]
            rows = rows[scores[rows] >= least]
        best = rows[np.argsort(-scores[rows], kind="stable")][:top_k]
        return [ScoredId(int(self._ids[row]), float(scores[row])) for row in best]

    def _mask(self, wanted: list[list[str]]) -> NDArray[np.bool_]:
        mask = np.ones(len(self._ids), dtype=np.bool_)
        for tags in wanted:
            allowed = np.zeros_like(mask)
            for tag in tags:
                allowed[self._rows_of_tag.get(tag, [])] = True
            mask &= allowed
        return mask

    @cached_property
    def _rows_of_tag(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, document in enumerate(self._documents):
            for tag in document.tags:
                rows.setdefault(tag, []).append(row)
        return rows

    @cached_property
    def _postings(self) -> tuple[_Rows, _Rows, _Scores]:
        """(offsets, rows, weights): term t is in rows[offsets[t]:offsets[t + 1]] with these weights."""
        none = np.zeros(0, dtype=np.int64)
        terms = np.concatenate([none, *(document.terms for document in self._documents)])
        counts = np.concatenate([none, *(document.counts for document in self._documents)])
        rows = np.repeat(
            np.arange(len(self._documents)), [len(document.terms) for document in self._documents]
        )
        order = np.argsort(terms, kind="stable")
        terms, counts, rows = terms[order], counts[order], rows[order]
        offsets = np.searchsorted(terms, np.arange(self._term_count + 1))
        lengths = np.bincount(rows, weights=counts, minlength=len(self._documents))
        total = np.count_nonzero(lengths)
        norms = BM25_K1 * (1 - BM25_B + BM25_B * lengths * total / max(1.0, lengths.sum()))
        frequencies = np.diff(offsets)
        idf = np.log1p((total - frequencies + 0.5) / (frequencies + 0.5))
        return offsets, rows, idf[terms] * counts * (BM25_K1 + 1) / (counts + norms[rows])

    @cached_property
    def _vectors(self) -> tuple[_Rows, NDArray[np.float32]]:
        """Rows that have a vector, and their unit vectors."""
        vectors = [document.point.vector for document in self._documents]
        rows = np.array([row for row, vector in enumerate(vectors) if vector is not None], dtype=np.int64)
        matrix = np.array([vector for vector in vectors if vector is not None], dtype=np.float32)
        norms = np.linalg.norm(matrix, axis=1, keepdims=True) if len(rows) else np.ones((0, 1))
        return rows, np.ascontiguousarray(matrix / np.where(norms == 0, 1, norms), dtype=np.float32)
