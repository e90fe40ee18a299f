"""The default index: Qdrant's engine inside this process, one shard on disk.

How it is laid out, and why (figures: 100,000 points of 384 dimensions, two cores):

- Terms: the engine's own BM25 over a text field. The field holds the terms of `TermAnalyzer`, joined
  by spaces, and the engine splits at spaces only, so that analysis stays ours and the statistics
  (document frequencies, average length) are the engine's, always those of the present content.
- Vectors: a scan, not a graph. Each is stored twice: in 8 bits a dimension, which is scanned, and in
  float32, by which the best are scored again. That takes 2 ms with recall@10 of 1.00, right after a
  write. HNSW takes 1 ms after 128 s of building, during which `optimize` holds Python's global lock
  and the whole process stands still. A scan grows with the collection: beyond some hundred thousand
  points use a cluster.
- Filters: tags in one keyword field (see `tags`), applied by the engine while it searches.
- One segment, never indexed further: a second one would count replaced points in document frequencies.
- Durability: the engine runs without its own log, which it does not replay when it opens. Each batch is
  first written whole, by a rename, to one file; then applied; then flushed. After a kill that file is
  applied again, which brings every point that the unfinished batch may have touched to its new state.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from shutil import disk_usage
from typing import Any

import numpy as np
import qdrant_edge as qdrant

from asbuilt.errors import BugError, StorageError, UserError
from asbuilt.registry import component
from asbuilt.retrieval.batches import Batch, checked_batch, checked_vector, decode, encode
from asbuilt.retrieval.index_demand import qdrant_edge_demand
from asbuilt.retrieval.index_folder import IndexFolder, replace_file
from asbuilt.retrieval.shared_lock import SharedLock
from asbuilt.retrieval.tags import tags_of, wanted_tags
from asbuilt.retrieval.terms import TermAnalyzer
from asbuilt.types import Filters, IndexPoint, Scalar, ScoredId, Vector

__all__ = ["QdrantEdgeIndex"]

_SHARD = "shard"
_BATCH = "last-batch"

_TERMS = "terms"
_TAGS = "tags"
_COARSE = "coarse"
_DENSE = "dense"

_CANDIDATES = 64
"""Points of the coarse scan, at least, that are scored again."""

_MIN_FREE_BYTES = 256 << 20
"""Free disk space below which nothing is written: the engine maps its files into memory, and a
mapped page that finds no space kills the process."""


@component("index/qdrant-edge")
class QdrantEdgeIndex:
    """BM25 and cosine by Qdrant Edge, with the scores of `ExactIndex`.

    `folder` is its own as long as it is open; without one it uses a temporary folder. `dim` is the
    length of vectors, learnt from the first one when not given. `language` names the stemmer.

    Scores differ from those of `ExactIndex` by float32 rounding. When a fifth of the stored points has
    been removed, the next write reclaims their space, and with it stops the process for about 50 ms
    per thousand points.
    """

    def __init__(
        self, *, folder: Path | None = None, dim: int | None = None, language: str = "english"
    ) -> None:
        self._folder = IndexFolder(folder, names=(_SHARD, _BATCH, f"{_BATCH}.new"))
        self._given_dim = dim
        self._analyzer = TermAnalyzer(language=language)
        self._lock = SharedLock()
        self._writer = threading.Lock()
        self._shard: Any = None
        self._dim = dim
        self._position = 0

    demand = staticmethod(qdrant_edge_demand)

    # ------------------------------------------------------------ life

    def open(self) -> None:
        """Load the shard and finish a write that was cut short.

        Content that is damaged, or was made by another version or analysis, is dropped: position 0.
        Raises StorageError when another index holds the folder or the disk fails.
        """
        self._folder.open()
        try:
            if not self._load():
                self._create()
        except BaseException:
            self._shard = None
            self._folder.close()
            raise

    def _load(self) -> bool:
        """Take up what the folder holds; False when that is not possible."""
        label = self._folder.label()
        dim = label.get("dim")
        if label != self._label(dim) or self._given_dim not in (None, dim):
            return False
        try:
            last = decode((self._folder.path / _BATCH).read_bytes())
            # At position 0 the feed starts over, so that what it once sent must not linger.
            if last.position == 0:
                return False
            with _engine_errors("load"):
                self._shard = qdrant.EdgeShard.load(str(self._folder.path / _SHARD))
                self._dim = dim if isinstance(dim, int) else None
                self._check_content(last)
                self._apply(last)
        except (OSError, ValueError, StorageError):
            self._shard = None
            return False
        self._position = last.position
        return True

    def _check_content(self, last: Batch) -> None:
        """Raise StorageError when the shard cannot be searched or lacks what it held when it was closed."""
        self.search("anything", top_k=1)
        if self._dim is not None:
            self.search(np.ones(self._dim, dtype=np.float32), top_k=1)
        if last.held and last.held != self._held():
            raise StorageError("the index lost content.")

    def _held(self) -> tuple[int, ...]:
        """Numbers of points and, once there are vectors, of coarse and of float32 vectors."""
        names = () if self._dim is None else (_COARSE, _DENSE)
        chosen = [qdrant.Filter(must=[qdrant.HasVectorCondition(name)]) for name in names]
        return tuple(self._shard.count(qdrant.CountRequest(filter=each)) for each in (None, *chosen))

    def _create(self) -> None:
        self._dim, self._position = self._given_dim, 0
        shard = self._folder.path / _SHARD
        with _engine_errors("create"):
            self._folder.clear()
            shard.mkdir()
            self._shard = qdrant.EdgeShard.create(str(shard), _shard_config())
            for field, index in _field_indexes():
                self._shard.update(qdrant.UpdateOperation.create_field_index(field, index))
            self._create_dense()
            self._shard.flush()
            self._folder.write_label(self._label(self._dim))

    def close(self) -> None:
        """Flush, and let go of shard and folder."""
        with self._writer, self._lock.exclusive():
            if self._shard is None:
                return
            try:
                with _engine_errors("close"):
                    # Nothing is left to finish at the next open, and what is here can be counted then.
                    rest = Batch((), (), self._position, self._dim, held=self._held())
                    replace_file(self._folder.path / _BATCH, encode(rest))
                    self._shard.close()
            finally:
                self._shard = None
                self._folder.close()

    # ------------------------------------------------------------ write

    @property
    def position(self) -> int:
        return self._position

    def write(self, points: Sequence[IndexPoint], *, remove: Sequence[int] = (), position: int) -> None:
        """See `Index.write`. Raises UserError for a bad vector and StorageError for a full disk."""
        with self._writer:
            self._check_open()
            batch = checked_batch(points, remove, position, dim=self._dim)
            with _engine_errors("write"):
                self._check_space()
                if self._dim is None and batch.dim is not None:
                    self._folder.write_label(self._label(batch.dim))
                replace_file(self._folder.path / _BATCH, encode(batch))
                self._apply(batch)
                self._position = position
                self._shard.optimize()

    def _apply(self, batch: Batch) -> None:
        """Bring the shard to the state after `batch`, durably."""
        points = [self._point(point) for point in batch.points]
        with self._lock.exclusive():
            if batch.dim is not None:
                self._dim = batch.dim
                self._create_dense()
            if points:
                self._shard.update(qdrant.UpdateOperation.upsert_points(points))
            if batch.remove:
                self._shard.update(qdrant.UpdateOperation.delete_points(list(batch.remove)))
        self._shard.flush()

    def _create_dense(self) -> None:
        """Make room for vectors, once their length is known; does nothing the second time."""
        if self._dim is None:
            return
        for name, datatype in (
            (_COARSE, qdrant.VectorStorageDatatype.Turbo8),
            (_DENSE, qdrant.VectorStorageDatatype.Float32),
        ):
            self._shard.update(
                qdrant.UpdateOperation.create_dense_vector(
                    name, self._dim, qdrant.Distance.Cosine, datatype=datatype
                )
            )

    def _point(self, point: IndexPoint) -> Any:
        vectors: dict[str, Any] = (
            {} if point.vector is None else {_COARSE: point.vector, _DENSE: point.vector}
        )
        terms = " ".join(self._analyzer.terms(point.terms))
        return qdrant.Point(point.id, vectors, {_TERMS: terms, _TAGS: tags_of(point.payload)})

    def _check_space(self) -> None:
        free = disk_usage(self._folder.path).free
        if free < _MIN_FREE_BYTES:
            raise StorageError(
                f"only {free >> 20} MiB are free for the index in {self._folder.path}.",
                hint=f"Make room for at least {_MIN_FREE_BYTES >> 20} MiB.",
            )

    def _check_open(self) -> None:
        if self._shard is None:
            raise BugError("the index is not open.")

    def _label(self, dim: Scalar | None) -> dict[str, Scalar | None]:
        return {"format": _FORMAT, "terms": self._analyzer.recipe, "dim": dim}

    # ------------------------------------------------------------ search

    def search(self, query: str | Vector, *, top_k: int, filters: Filters | None = None) -> list[ScoredId]:
        """See `Index.search`. Raises UserError for a bad vector, filter or `top_k`."""
        if top_k < 1:
            raise UserError(f"top_k is {top_k}; it must be at least 1.")
        wanted = wanted_tags(filters)
        if not all(wanted):
            return []
        conditions: list[Any] = [qdrant.FieldCondition(_TAGS, match=qdrant.MatchAny(tags)) for tags in wanted]
        condition = qdrant.Filter(must=conditions) if conditions else None
        if isinstance(query, str):
            terms = " ".join(dict.fromkeys(self._analyzer.terms(query)))
            request = qdrant.QueryRequest(top_k, query=qdrant.TextQuery(_TERMS, terms), filter=condition)
            return self._found(request) if terms else []
        vector: Any = checked_vector(query, dim=self._dim, what="the query vector")
        scan = qdrant.Prefetch(
            max(_CANDIDATES, 2 * top_k), query=qdrant.Query.Nearest(vector, using=_COARSE), filter=condition
        )
        request = qdrant.QueryRequest(
            top_k, query=qdrant.Query.Nearest(vector, using=_DENSE), prefetches=[scan]
        )
        return [] if self._dim is None else self._found(request)

    def _found(self, request: Any) -> list[ScoredId]:
        with self._lock.shared():
            self._check_open()
            with _engine_errors("search"):
                found = self._shard.query(request)
        # The engine leaves the order of equal scores open.
        return sorted(
            (ScoredId(point.id, point.score) for point in found),
            key=lambda scored: (-scored.score, scored.id),
        )


_FORMAT = f"qdrant-edge {version('qdrant-edge-py')}, 1"


def _shard_config() -> Any:
    return qdrant.EdgeConfig(
        # A shard must be made with some vector; ours come when their length is known.
        sparse_vectors={"none": qdrant.EdgeSparseVectorParams()},
        hnsw_config=qdrant.HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=0),
        optimizers=qdrant.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=0),
        wal_enabled=False,
    )


def _field_indexes() -> Iterator[tuple[str, Any]]:
    yield (
        _TERMS,
        qdrant.TextIndexParams(
            tokenizer=qdrant.TokenizerType.Whitespace,
            lowercase=False,
            stemmer=qdrant.DisabledStemmer(),
            scoring=True,
        ),
    )
    yield _TAGS, qdrant.KeywordIndexParams()


@contextmanager
def _engine_errors(doing: str) -> Iterator[None]:
    """Turn what the engine or the disk raises into StorageError."""
    try:
        yield
    except (UserError, StorageError, BugError):
        raise
    except OSError as error:
        raise StorageError(f"index: cannot {doing}: {error}.") from error
    except BaseException as error:
        # The engine raises bare Exceptions; a panic of it is no Exception at all.
        if type(error) is Exception or type(error).__name__ == "PanicException":
            raise StorageError(f"index: cannot {doing}: {error}.") from error
        raise
