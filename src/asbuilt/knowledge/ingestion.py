"""Files in, receipts out, in three stages that a kill at any instruction may cut short.

1. read: each new or changed file becomes a version with chunks (one transaction a batch); its
   chunks are searchable by terms at once.
2. embed: chunks without a vector get one, in slices; a version built aside is switched to in the
   transaction that completes it.
3. check: every chunk that was embedded is asked back from the index; the receipt says how many
   were found.

Nothing but the catalogue remembers how far an ingestion came, so running it again resumes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from typing import TypeVar

from asbuilt.catalog import Catalog, KnownDocument, NewVersion, Receipt
from asbuilt.catalog.records import ReceiptStatus
from asbuilt.documents.sources import SourceFile
from asbuilt.documents.stored import read_document
from asbuilt.errors import AsbuiltError, ReadError, StorageError
from asbuilt.knowledge.context import RECIPE, context_of, place_of
from asbuilt.knowledge.projection import Projection
from asbuilt.knowledge.vectors import chunk_vectors, vector_id
from asbuilt.roles import Chunker, Embedder, Index, PagedReader, Progress, Reader

__all__ = ["Ingestion", "IngestionReport"]

_T = TypeVar("_T")

_READ_BATCH = 64
_EMBED_SLICE = 512
_PROBE_DEPTH = 10
_MAX_ATTEMPTS = 3
_SAME = 0.999  # cosine from which two chunks count as the same text for a probe


@dataclass(slots=True)
class IngestionReport:
    """What one ingestion did. `receipts` has one entry for each file given, in order; `created`
    counts the chunks that this run made."""

    receipts: list[Receipt] = field(default_factory=list)
    unchanged: int = 0
    created: int = 0
    removed: int = 0
    embedded: int = 0

    @property
    def quarantined(self) -> list[Receipt]:
        return [receipt for receipt in self.receipts if receipt.status == "quarantined"]

    @property
    def changed(self) -> bool:
        """Whether anything that can be found is different now."""
        return bool(
            self.embedded or self.removed or self.unchanged < len(self.receipts) - len(self.quarantined)
        )

    @property
    def chunks(self) -> int:
        return sum(receipt.chunks for receipt in self.receipts)


class Ingestion:
    """One run over some files of one collection."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        choose_reader: Callable[[str, bytes], tuple[str, Reader]],
        chunker: Chunker,
        embedder: Embedder,
        index: Index,
        projection: Projection,
        collection: str,
        progress: Progress | None = None,
        stop: threading.Event | None = None,
        retry: bool = False,
    ) -> None:
        self._catalog = catalog
        self._choose_reader = choose_reader
        self._chunker = chunker
        self._embedder = embedder
        self._index = index
        self._projection = projection
        self._collection = collection
        self._progress = progress or (lambda _stage, _done, _total: None)
        self._stop = stop or threading.Event()
        self._retry = retry
        self._report = IngestionReport()

    def run(self, files: Sequence[SourceFile], *, prune_under: Sequence[str] = ()) -> IngestionReport:
        """Ingest `files`; with `prune_under`, hide documents below those paths that are not in `files`.

        Raises StorageError when the catalogue or index cannot be written and EndpointError when
        a remote embedder fails; what was done until then is kept.
        """
        job_id = self._catalog.start_job(self._collection)
        self._catalog.switch_ready(vector_id(self._embedder))
        self._read(files, job_id)
        if prune_under:
            self._prune(files, prune_under, job_id)
        self._embed()
        self._check(job_id)
        receipts = self._catalog.receipts(self._collection)
        self._report.receipts = [receipts[file.source] for file in files if file.source in receipts]
        if not self._stop.is_set():
            self._catalog.finish_job(job_id)
        return self._report

    # ------------------------------------------------------------ read

    def _read(self, files: Sequence[SourceFile], job_id: int) -> None:
        known = self._catalog.known_documents(self._collection)
        receipts = self._catalog.receipts(self._collection)
        done = 0
        for batch in _batches(files, receipts):
            if self._stop.is_set():
                return
            self._read_batch(batch, known, receipts, job_id)
            self._projection.catch_up()
            done += len(batch)
            self._progress("read", done, len(files))

    def _read_batch(
        self,
        batch: Sequence[SourceFile],
        known: Mapping[str, KnownDocument],
        receipts: Mapping[str, Receipt],
        job_id: int,
    ) -> None:
        changed: list[tuple[SourceFile, bytes, str]] = []
        refused: list[Receipt] = []
        for file in batch:
            try:
                if file.problem:
                    raise ReadError(file.problem)
                data = file.load()
            except (ReadError, OSError) as error:
                refused.append(Receipt(file.source, "quarantined", reason=_reason(error)))
                continue
            content_hash = sha256(data).hexdigest()
            if self._is_settled(file, data, content_hash, known, receipts):
                self._report.unchanged += 1
            else:
                changed.append((file, data, content_hash))
        # Noted before parsing: if a parser takes the process down, the next run knows the suspects.
        attempts = {
            file.source: _attempts(receipts.get(file.source), content_hash) + (len(batch) == 1)
            for file, _, content_hash in changed
        }
        if changed or refused:
            reading = [
                Receipt(file.source, "reading", content_hash, attempts=attempts[file.source])
                for file, _, content_hash in changed
            ]
            self._catalog.put_receipts(self._collection, [*refused, *reading], job_id=job_id)
        drafts: list[NewVersion] = []
        broken: list[Receipt] = []
        for file, data, content_hash in changed:
            try:
                if attempts[file.source] > _MAX_ATTEMPTS and not self._retry:
                    raise ReadError(f"the process died {_MAX_ATTEMPTS} times while it read this file")
                drafts.append(self._draft(file, data, content_hash))
            except Exception as error:  # a parser may raise anything; one file must not stop the others
                broken.append(Receipt(file.source, "quarantined", content_hash, reason=_reason(error)))
        if broken:
            self._catalog.put_receipts(self._collection, broken, job_id=job_id)
        if drafts:
            stored = self._catalog.add_versions(self._collection, drafts, job_id=job_id)
            self._report.created += sum(version.chunks for version in stored)

    def _is_settled(
        self,
        file: SourceFile,
        data: bytes,
        content_hash: str,
        known: Mapping[str, KnownDocument],
        receipts: Mapping[str, Receipt],
    ) -> bool:
        receipt = receipts.get(file.source)
        if receipt and receipt.status == "quarantined" and receipt.content_hash == content_hash:
            return not self._retry
        document = known.get(file.source)
        if document is None or document.content_hash != content_hash:
            return False
        try:
            return document.recipe == self._recipe(*self._choose_reader(file.name, data))
        except ReadError:  # its reader is gone from the blueprint: found out again while it is read
            return False

    def _recipe(self, reader_name: str, reader: Reader) -> str:
        """What made a version: other readers, models or settings make another one."""
        reading = reader_name
        if isinstance(reader, PagedReader):
            reading += f":{sha256(reader.recipe.encode()).hexdigest()[:12]}"
        return f"{reading}|{self._chunker.recipe}|{RECIPE}"

    def _draft(self, file: SourceFile, data: bytes, content_hash: str) -> NewVersion:
        reader_name, reader = self._choose_reader(file.name, data)
        document = read_document(reader, data, name=file.name, store=self._catalog.pages)
        document = replace(document, metadata={**document.metadata, **place_of(file.source)})
        chunks = self._chunker.chunk(document)
        if not chunks:
            raise ReadError("it has no text")
        return NewVersion(
            source=file.source,
            document=document,
            content_hash=content_hash,
            recipe=self._recipe(reader_name, reader),
            chunks=chunks,
            contexts=[context_of(file.source, document.title, chunk.headings) for chunk in chunks],
        )

    # ------------------------------------------------------------ prune

    def _prune(self, files: Sequence[SourceFile], roots: Sequence[str], job_id: int) -> None:
        present = {file.source for file in files}
        gone = [
            source
            for source in self._catalog.known_documents(self._collection)
            if source not in present
            and any(source == root or source.startswith(f"{root}/") for root in roots)
        ]
        self._report.removed = self._catalog.remove_documents(self._collection, gone, job_id=job_id)
        self._projection.catch_up()

    # ------------------------------------------------------------ embed

    def _embed(self) -> None:
        model_id = vector_id(self._embedder)
        while not self._stop.is_set():
            pending = self._catalog.pending(model_id, limit=_EMBED_SLICE)
            if not pending:
                break
            vectors = chunk_vectors(self._embedder, pending)
            self._catalog.store_embeddings(
                model_id, dict(zip((item.search_hash for item in pending), vectors, strict=True))
            )
            self._report.embedded += len(pending)
            self._projection.catch_up()
            state = self._catalog.progress(model_id)
            self._progress("embed", state.embedded, state.chunks)
        self._catalog.switch_ready(model_id)
        self._projection.catch_up()

    # ------------------------------------------------------------ check

    def _check(self, job_id: int) -> None:
        receipts = self._catalog.receipts(self._collection)
        waiting = [receipt for receipt in receipts.values() if receipt.status == "stored"]
        done = 0
        for batch in _sliced(iter(waiting), _READ_BATCH):
            if self._stop.is_set():
                return
            checked = [self._checked(receipt) for receipt in batch]
            self._catalog.put_receipts(self._collection, checked, job_id=job_id)
            done += len(batch)
            self._progress("check", done, len(waiting))

    def _checked(self, receipt: Receipt) -> Receipt:
        """The receipt with what the index really gives back for this document."""
        assert receipt.document_id is not None
        assert receipt.version is not None
        vectors = self._catalog.vectors(receipt.document_id, receipt.version, vector_id(self._embedder))
        embedded = {chunk_id: vector for chunk_id, vector in vectors.items() if vector is not None}
        found = 0
        for chunk_id, vector in embedded.items():
            hits = self._index.search(vector, top_k=_PROBE_DEPTH)
            # Copies of one text tie; any of them proves that this one can be found.
            found += any(hit.id == chunk_id for hit in hits) or (
                len(hits) == _PROBE_DEPTH and hits[-1].score >= _SAME
            )
        status: ReceiptStatus = "indexed" if found == len(vectors) else "stored"
        return replace(receipt, status=status, embedded=len(embedded), found=found)


def _batches(files: Sequence[SourceFile], receipts: Mapping[str, Receipt]) -> Iterator[list[SourceFile]]:
    """Batches of files; one that was being read when an earlier run died comes alone."""
    suspects = {source for source, receipt in receipts.items() if receipt.status == "reading"}
    yield from _sliced((file for file in files if file.source not in suspects), _READ_BATCH)
    yield from ([file] for file in files if file.source in suspects)


def _sliced(items: Iterator[_T], size: int) -> Iterator[list[_T]]:
    while batch := list(islice(items, size)):
        yield batch


def _attempts(receipt: Receipt | None, content_hash: str) -> int:
    if receipt is None or receipt.status != "reading" or receipt.content_hash != content_hash:
        return 0
    return receipt.attempts


def _reason(error: BaseException) -> str:
    if isinstance(error, StorageError):
        raise error
    if isinstance(error, AsbuiltError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "the file vanished before it was read"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return f"the reader failed: {type(error).__name__}: {error}"
