"""The catalogue: one SQLite file in WAL mode, through SQLAlchemy Core.

Every public method is one transaction, and may be called from any thread. Several processes may
have the same catalogue open; writers wait for each other.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from asbuilt.catalog import feed, receipts, versions
from asbuilt.catalog import tables as t
from asbuilt.catalog.agent_facts import AgentFacts
from asbuilt.catalog.answers import AnswerLog
from asbuilt.catalog.database import Database
from asbuilt.catalog.pages import PageStore
from asbuilt.catalog.records import (
    IndexFeed,
    KnownDocument,
    NewVersion,
    Pending,
    Progress,
    Receipt,
    StoredVersion,
)
from asbuilt.catalog.runs import RunStore
from asbuilt.errors import NotFoundError
from asbuilt.types import Chunk, Vector

__all__ = ["Catalog"]

# SQLite refuses statements with more variables than this (32766 since 3.32).
_MAX_VARIABLES = 30_000


class Catalog:
    """The documents of a project and everything that is known of them.

    `file` is created, with its folder, by `open`; older schemas are migrated in place. Raises
    StorageError when the disk is full, read-only, or the file is not a catalogue.
    """

    def __init__(self, *, file: Path) -> None:
        self.file = file
        self._database = Database(file=file)
        self.agent_facts = AgentFacts(self._database)
        self.answers = AnswerLog(self._database)
        self.pages = PageStore(self._database)
        self.runs = RunStore(self._database)

    # ------------------------------------------------------------ life

    def open(self) -> None:
        """Connect and migrate."""
        self._database.open()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    # ------------------------------------------------------------ documents and versions

    def known_documents(self, collection: str) -> dict[str, KnownDocument]:
        """By source: what is stored of each document that is not removed; a version being built wins."""
        query = (
            sa.select(
                t.documents.c.id,
                t.documents.c.source,
                t.versions.c.content_hash,
                t.versions.c.recipe,
                t.versions.c.state,
            )
            .join(t.versions, t.versions.c.document_id == t.documents.c.id)
            .where(t.documents.c.collection == collection, t.versions.c.state.in_(("current", "building")))
            .order_by(t.versions.c.number)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {
            row.source: KnownDocument(
                row.id, row.source, row.content_hash, row.recipe, row.state == "building"
            )
            for row in rows
        }

    def add_versions(
        self, collection: str, drafts: Sequence[NewVersion], *, job_id: int
    ) -> list[StoredVersion]:
        """Store new content with its receipts, all of it or nothing.

        The first version of a document is visible at once. A later one is built aside:
        readers keep the old one until `store_embeddings` or `switch_ready` finds it embedded.
        """
        with self._database.write() as connection:
            return [versions.add_version(connection, collection, draft, job_id) for draft in drafts]

    def remove_documents(self, collection: str, sources: Iterable[str], *, job_id: int) -> int:
        """Hide documents; their versions stay so that old citations still resolve. Returns how many."""
        known = self.known_documents(collection)
        gone = [known[source] for source in sources if source in known]
        with self._database.write() as connection:
            for document in gone:
                versions.remove_document(connection, document.id)
                receipt = Receipt(source=document.source, status="removed")
                receipts.put_receipt(connection, collection, job_id, receipt)
        return len(gone)

    def version_text(self, document_id: int, number: int) -> str:
        """The whole text of one version, also of one that is no longer shown."""
        query = sa.select(t.versions.c.text).where(
            t.versions.c.document_id == document_id, t.versions.c.number == number
        )
        with self._database.read() as connection:
            text = connection.execute(query).scalar_one_or_none()
        if text is None:
            raise NotFoundError(f"document {document_id} has no version {number}.")
        return str(text)

    def progress(self, model_id: str, collection: str | None = None) -> Progress:
        """Visible documents and chunks, and how many chunks have an embedding of `model_id`."""
        visible = (
            sa.select(t.chunks.c.search_hash, t.versions.c.document_id)
            .join(t.versions, t.versions.c.id == t.chunks.c.version_id)
            .join(t.documents, t.documents.c.id == t.versions.c.document_id)
            .where(t.versions.c.state == "current")
        )
        if collection is not None:
            visible = visible.where(t.documents.c.collection == collection)
        rows = visible.subquery()
        query = (
            sa.select(
                sa.func.count(sa.distinct(rows.c.document_id)),
                sa.func.count(),
                sa.func.count(t.embeddings.c.search_hash),
            )
            .select_from(rows)
            .outerjoin(
                t.embeddings,
                sa.and_(
                    t.embeddings.c.search_hash == rows.c.search_hash, t.embeddings.c.model_id == model_id
                ),
            )
        )
        with self._database.read() as connection:
            documents, chunks, embedded = connection.execute(query).one()
        return Progress(documents, chunks, embedded)

    def collections(self) -> list[str]:
        """Names of the collections that hold visible documents."""
        query = (
            sa.select(t.documents.c.collection)
            .join(t.versions, t.versions.c.document_id == t.documents.c.id)
            .where(t.versions.c.state == "current")
            .distinct()
            .order_by(t.documents.c.collection)
        )
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    # ------------------------------------------------------------ chunks

    def chunks(self, ids: Sequence[int]) -> dict[int, Chunk]:
        """The visible chunks among `ids`."""
        with self._database.read() as connection:
            rows = connection.execute(_CHUNKS.where(t.chunks.c.id.in_(ids[:_MAX_VARIABLES]))).all()
        return {
            row.id: Chunk(
                id=row.id,
                document_id=row.document_id,
                version=row.number,
                source=row.source,
                collection=row.collection,
                text=row.text,
                start=row.start,
                end=row.end,
                headings=tuple(row.headings),
                page=row.page,
                metadata={"title": row.title, **row.metadata},
            )
            for row in rows
            if row.state == "current"  # not in SQL: the planner would start from the state's index
        }

    def search_texts(self, ids: Sequence[int]) -> dict[int, str]:
        """What is searched and embedded of each of `ids`, chunks of earlier versions among them."""
        query = sa.select(t.chunks.c.id, t.chunks.c.context, t.chunks.c.text)
        with self._database.read() as connection:
            rows = connection.execute(query.where(t.chunks.c.id.in_(ids[:_MAX_VARIABLES]))).all()
        return {row.id: feed.search_text(row.context, row.text) for row in rows}

    def first_chunks(self) -> dict[str, int]:
        """By source, the id of the first chunk of each visible document."""
        query = (
            sa.select(t.documents.c.source, sa.func.min(t.chunks.c.id))
            .join(t.versions, t.versions.c.document_id == t.documents.c.id)
            .join(t.chunks, t.chunks.c.version_id == t.versions.c.id)
            .where(t.versions.c.state == "current")
            .group_by(t.documents.c.source)
        )
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def vectors(self, document_id: int, number: int, model_id: str) -> dict[int, Vector | None]:
        """By chunk id, in order: the embeddings of one version, None where there is none yet."""
        query = (
            sa.select(t.chunks.c.id, t.embeddings.c.vector)
            .join(t.versions, t.versions.c.id == t.chunks.c.version_id)
            .outerjoin(
                t.embeddings,
                sa.and_(
                    t.embeddings.c.search_hash == t.chunks.c.search_hash, t.embeddings.c.model_id == model_id
                ),
            )
            .where(t.versions.c.document_id == document_id, t.versions.c.number == number)
            .order_by(t.chunks.c.ordinal)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {row.id: None if row.vector is None else np.frombuffer(row.vector, "<f4") for row in rows}

    # ------------------------------------------------------------ embeddings

    def pending(self, model_id: str, *, limit: int) -> list[Pending]:
        """Search texts of visible or building versions that `model_id` has not embedded, oldest first."""
        has_vector = (
            sa.select(sa.literal(1))
            .where(t.embeddings.c.search_hash == t.chunks.c.search_hash, t.embeddings.c.model_id == model_id)
            .exists()
        )
        query = (
            sa.select(t.chunks.c.search_hash, t.chunks.c.context, t.chunks.c.text)
            .join(t.versions, t.versions.c.id == t.chunks.c.version_id)
            .where(t.versions.c.state.in_(("current", "building")), ~has_vector)
            .order_by(t.chunks.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        pending = {
            row.search_hash: Pending(row.search_hash, feed.search_text(row.context, row.text), row.context)
            for row in rows
        }
        return list(pending.values())

    def store_embeddings(self, model_id: str, vectors: Mapping[str, Vector]) -> None:
        """Keep vectors by search hash, announce the chunks they belong to, and switch to every
        version that is now fully embedded."""
        rows = [
            {"search_hash": key, "model_id": model_id, "vector": np.asarray(vector, "<f4").tobytes()}
            for key, vector in vectors.items()
        ]
        if not rows:
            return
        with self._database.write() as connection:
            connection.execute(t.embeddings.insert().prefix_with("OR REPLACE"), rows)
            feed.announce_texts(connection, list(vectors))
            versions.switch_ready(connection, model_id)

    def switch_ready(self, model_id: str) -> None:
        """Show every version that was built aside and has all its embeddings (or has no chunks)."""
        with self._database.write() as connection:
            versions.switch_ready(connection, model_id)

    # ------------------------------------------------------------ the feed of index projections

    @property
    def position(self) -> int:
        """The newest change."""
        with self._database.read() as connection:
            return feed.position(connection)

    def feed(self, after: int, model_id: str) -> Iterator[IndexFeed]:
        """Batches that bring an index from position `after` to the newest change.

        An index at 0 gets every chunk in order of its id; those batches say position 0 until the
        last one, so that a rebuild that was killed starts over. Each batch reads the state of its
        chunks when it is asked for, so applying one twice, or late, does no harm.
        """
        return feed.batches(self._database, after, model_id)

    # ------------------------------------------------------------ jobs and receipts

    def start_job(self, collection: str) -> int:
        """Note that an ingestion begins; returns its id."""
        with self._database.write() as connection:
            return receipts.start_job(connection, collection)

    def finish_job(self, job_id: int) -> None:
        """Note that an ingestion came to its end."""
        with self._database.write() as connection:
            receipts.finish_job(connection, job_id)

    def put_receipts(self, collection: str, given: Sequence[Receipt], *, job_id: int) -> None:
        """Replace the receipts of these sources."""
        with self._database.write() as connection:
            for receipt in given:
                receipts.put_receipt(connection, collection, job_id, receipt)

    def receipts(self, collection: str, *, job_id: int | None = None) -> dict[str, Receipt]:
        """The latest receipt of every source, or of those that one job touched."""
        with self._database.read() as connection:
            return receipts.receipts(connection, collection, job_id=job_id)

    # ------------------------------------------------------------ facts

    def put_fact(self, key: str, value: Any) -> None:
        """Remember a JSON value under a key, in place of an earlier one."""
        row = {"key": key, "value": value, "updated_at": time.time()}
        with self._database.write() as connection:
            connection.execute(t.facts.insert().prefix_with("OR REPLACE"), row)

    def fact(self, key: str) -> Any:
        """The JSON value under `key`; None when nothing was measured."""
        with self._database.read() as connection:
            return connection.execute(
                sa.select(t.facts.c.value).where(t.facts.c.key == key)
            ).scalar_one_or_none()

    # ------------------------------------------------------------ API keys

    def add_api_key(self, name: str, key: str) -> None:
        """Keep the hash of a key under a name; an existing name gets the new key."""
        row = {"name": name, "key_hash": _hash(key), "created_at": time.time()}
        with self._database.write() as connection:
            connection.execute(t.api_keys.delete().where(t.api_keys.c.name == name))
            connection.execute(t.api_keys.insert().values(row))

    def remove_api_key(self, name: str) -> None:
        """Forget a key. Raises NotFoundError."""
        with self._database.write() as connection:
            if not connection.execute(t.api_keys.delete().where(t.api_keys.c.name == name)).rowcount:
                raise NotFoundError(f"there is no API key named {name!r}.")

    def api_key_name(self, key: str) -> str | None:
        """Whose key this is; None for an unknown one."""
        query = sa.select(t.api_keys.c.name).where(t.api_keys.c.key_hash == _hash(key))
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def api_key_names(self) -> list[str]:
        """All key names."""
        with self._database.read() as connection:
            query = sa.select(t.api_keys.c.name).order_by(t.api_keys.c.name)
            return list(connection.execute(query).scalars())


_CHUNKS = (
    sa.select(
        t.chunks.c.id,
        t.chunks.c.start,
        t.chunks.c.end,
        t.chunks.c.page,
        t.chunks.c.headings,
        t.chunks.c.text,
        t.versions.c.document_id,
        t.versions.c.number,
        t.versions.c.state,
        t.versions.c.title,
        t.versions.c.metadata,
        t.documents.c.source,
        t.documents.c.collection,
    )
    .join(t.versions, t.versions.c.id == t.chunks.c.version_id)
    .join(t.documents, t.documents.c.id == t.versions.c.document_id)
)


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()
