"""The catalogue: one SQLite file in WAL mode, through SQLAlchemy Core.

Every public method is one transaction, and may be called from any thread. Several processes may
have the same catalogue open; writers wait for each other.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from asbuilt.catalog import tables as t
from asbuilt.catalog.answers import AnswerLog
from asbuilt.catalog.records import (
    IndexFeed,
    KnownDocument,
    NewVersion,
    Pending,
    Progress,
    Receipt,
    StoredVersion,
)
from asbuilt.errors import NotFoundError, StorageError
from asbuilt.types import Chunk, IndexPoint, Scalar, Vector

__all__ = ["Catalog"]

_BUSY_TIMEOUT_S = 30
_SCHEMA_HEAD = "0002"
_FEED_BATCH = 512
# SQLite refuses statements with more variables than this (32766 since 3.32).
_MAX_VARIABLES = 30_000


class Catalog:
    """The documents of a project and everything that is known of them.

    `file` is created, with its folder, by `open`; older schemas are migrated in place. Raises
    StorageError when the disk is full, read-only, or the file is not a catalogue.
    """

    def __init__(self, *, file: Path) -> None:
        self.file = file
        self.answers = AnswerLog(read=self._read, write=self._write)
        self._engine: sa.Engine | None = None

    # ------------------------------------------------------------ life

    def open(self) -> None:
        """Connect and migrate."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot create {self.file.parent}: {error.strerror}.") from error
        engine = sa.create_engine(f"sqlite:///{self.file}", connect_args={"timeout": _BUSY_TIMEOUT_S})
        sa.event.listen(engine, "connect", _on_connect)
        sa.event.listen(engine, "begin", _on_begin)
        self._engine = engine
        with self._write() as connection:
            _migrate(connection)

    def close(self) -> None:
        """Let go of the file."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with self._connection(writes=False) as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with self._connection(writes=True) as connection:
            yield connection

    @contextmanager
    def _connection(self, *, writes: bool) -> Iterator[sa.Connection]:
        if self._engine is None:
            raise StorageError(f"the catalogue {self.file} is not open.")
        try:
            with (
                self._engine.connect().execution_options(asbuilt_writes=writes) as connection,
                connection.begin(),
            ):
                yield connection
        except DBAPIError as error:
            raise StorageError(
                f"the catalogue {self.file} cannot be {'written' if writes else 'read'}: {error.orig}.",
                hint="What was stored before is intact; free disk space or fix the permissions, then retry.",
            ) from error

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
        with self._read() as connection:
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
        with self._write() as connection:
            return [self._add_version(connection, collection, draft, job_id) for draft in drafts]

    def _add_version(
        self, connection: sa.Connection, collection: str, draft: NewVersion, job_id: int
    ) -> StoredVersion:
        document_id = _document_id(connection, collection, draft.source)
        earlier = connection.execute(
            sa.select(t.versions.c.id, t.versions.c.number, t.versions.c.state)
            .where(t.versions.c.document_id == document_id)
            .order_by(t.versions.c.number)
        ).all()
        abandoned = [row.id for row in earlier if row.state == "building"]
        if abandoned:
            _set_state(connection, abandoned, "superseded")
        visible = not any(row.state == "current" for row in earlier)
        number = earlier[-1].number + 1 if earlier else 1
        version_id = _inserted_id(
            connection.execute(
                t.versions.insert().values(
                    document_id=document_id,
                    number=number,
                    state="current" if visible else "building",
                    content_hash=draft.content_hash,
                    recipe=draft.recipe,
                    media_type=draft.document.media_type,
                    title=draft.document.title,
                    text=draft.document.text,
                    metadata=dict(draft.document.metadata),
                    created_at=time.time(),
                )
            )
        )
        rows = [
            {
                "version_id": version_id,
                "ordinal": ordinal,
                "start": chunk.start,
                "end": chunk.end,
                "page": chunk.page,
                "headings": list(chunk.headings),
                "context": context,
                "text": chunk.text,
                "search_hash": _hash(_search_text(context, chunk.text)),
            }
            for ordinal, (chunk, context) in enumerate(zip(draft.chunks, draft.contexts, strict=True))
        ]
        if rows:
            connection.execute(t.chunks.insert(), rows)
        if visible:
            _announce(connection, [version_id])
        _put_receipt(
            connection,
            collection,
            job_id,
            Receipt(
                source=draft.source,
                status="stored",
                content_hash=draft.content_hash,
                document_id=document_id,
                version=number,
                chunks=len(rows),
            ),
        )
        return StoredVersion(document_id, version_id, number, len(rows), visible)

    def remove_documents(self, collection: str, sources: Iterable[str], *, job_id: int) -> int:
        """Hide documents; their versions stay so that old citations still resolve. Returns how many."""
        known = self.known_documents(collection)
        gone = [known[source] for source in sources if source in known]
        with self._write() as connection:
            for document in gone:
                ids = _version_ids(connection, document.id, ("current", "building"))
                _set_state(connection, ids, "removed")
                _announce(connection, ids)
                receipt = Receipt(source=document.source, status="removed")
                _put_receipt(connection, collection, job_id, receipt)
        return len(gone)

    def version_text(self, document_id: int, number: int) -> str:
        """The whole text of one version, also of one that is no longer shown."""
        query = sa.select(t.versions.c.text).where(
            t.versions.c.document_id == document_id, t.versions.c.number == number
        )
        with self._read() as connection:
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
        with self._read() as connection:
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
        with self._read() as connection:
            return list(connection.execute(query).scalars())

    # ------------------------------------------------------------ chunks

    def chunks(self, ids: Sequence[int]) -> dict[int, Chunk]:
        """The visible chunks among `ids`."""
        with self._read() as connection:
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
        with self._read() as connection:
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
        with self._read() as connection:
            rows = connection.execute(query).all()
        pending = {
            row.search_hash: Pending(row.search_hash, _search_text(row.context, row.text), row.context)
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
        with self._write() as connection:
            connection.execute(t.embeddings.insert().prefix_with("OR REPLACE"), rows)
            touched = (
                sa.select(t.chunks.c.id)
                .join(t.versions, t.versions.c.id == t.chunks.c.version_id)
                .where(t.chunks.c.search_hash.in_(list(vectors)), t.versions.c.state == "current")
            )
            connection.execute(t.changes.insert().from_select(["chunk_id"], touched))
            _switch_ready(connection, model_id)

    def switch_ready(self, model_id: str) -> None:
        """Show every version that was built aside and has all its embeddings (or has no chunks)."""
        with self._write() as connection:
            _switch_ready(connection, model_id)

    # ------------------------------------------------------------ the feed of index projections

    @property
    def position(self) -> int:
        """The newest change."""
        with self._read() as connection:
            return _position(connection)

    def feed(self, after: int, model_id: str) -> Iterator[IndexFeed]:
        """Batches that bring an index from position `after` to the newest change.

        An index at 0 gets every chunk in order of its id; those batches say position 0 until the
        last one, so that a rebuild that was killed starts over. Each batch reads the state of its
        chunks when it is asked for, so applying one twice, or late, does no harm.
        """
        newest = self.position
        at = 0
        while True:
            with self._read() as connection:
                if after == 0:
                    ids = set(connection.execute(_NEXT_CHUNKS, {"at": at}).scalars())
                    at = max(ids, default=at)
                    complete = len(ids) < _FEED_BATCH
                    position = newest if complete else 0
                else:
                    changed = connection.execute(_NEXT_CHANGES, {"at": max(at, after)}).all()
                    ids = {row.chunk_id for row in changed}
                    at = position = changed[-1].seq if changed else max(at, after)
                    complete = position >= newest
                rows = connection.execute(_POINTS.where(t.chunks.c.id.in_(ids)), {"model": model_id}).all()
            shown = [row for row in rows if row.state == "current"]
            hidden = tuple(sorted(ids - {row.id for row in shown}))
            yield IndexFeed(_points(shown), hidden, position)
            if complete:
                return

    # ------------------------------------------------------------ jobs and receipts

    def start_job(self, collection: str) -> int:
        """Note that an ingestion begins; returns its id."""
        with self._write() as connection:
            return _inserted_id(
                connection.execute(t.jobs.insert().values(collection=collection, started_at=time.time()))
            )

    def finish_job(self, job_id: int) -> None:
        """Note that an ingestion came to its end."""
        with self._write() as connection:
            connection.execute(t.jobs.update().where(t.jobs.c.id == job_id).values(finished_at=time.time()))

    def put_receipts(self, collection: str, receipts: Sequence[Receipt], *, job_id: int) -> None:
        """Replace the receipts of these sources."""
        with self._write() as connection:
            for receipt in receipts:
                _put_receipt(connection, collection, job_id, receipt)

    def receipts(self, collection: str, *, job_id: int | None = None) -> dict[str, Receipt]:
        """The latest receipt of every source, or of those that one job touched."""
        query = sa.select(t.receipts).where(t.receipts.c.collection == collection)
        if job_id is not None:
            query = query.where(t.receipts.c.job_id == job_id)
        with self._read() as connection:
            rows = connection.execute(query.order_by(t.receipts.c.source)).all()
        return {
            row.source: Receipt(
                source=row.source,
                status=row.status,
                content_hash=row.content_hash,
                attempts=row.attempts,
                document_id=row.document_id,
                version=row.version,
                chunks=row.chunks,
                embedded=row.embedded,
                found=row.found,
                reason=row.reason,
            )
            for row in rows
        }

    # ------------------------------------------------------------ facts

    def put_fact(self, key: str, value: Any) -> None:
        """Remember a JSON value under a key, in place of an earlier one."""
        row = {"key": key, "value": value, "updated_at": time.time()}
        with self._write() as connection:
            connection.execute(t.facts.insert().prefix_with("OR REPLACE"), row)

    def fact(self, key: str) -> Any:
        """The JSON value under `key`; None when nothing was measured."""
        with self._read() as connection:
            return connection.execute(
                sa.select(t.facts.c.value).where(t.facts.c.key == key)
            ).scalar_one_or_none()

    # ------------------------------------------------------------ API keys

    def add_api_key(self, name: str, key: str) -> None:
        """Keep the hash of a key under a name; an existing name gets the new key."""
        row = {"name": name, "key_hash": _hash(key), "created_at": time.time()}
        with self._write() as connection:
            connection.execute(t.api_keys.delete().where(t.api_keys.c.name == name))
            connection.execute(t.api_keys.insert().values(row))

    def remove_api_key(self, name: str) -> None:
        """Forget a key. Raises NotFoundError."""
        with self._write() as connection:
            if not connection.execute(t.api_keys.delete().where(t.api_keys.c.name == name)).rowcount:
                raise NotFoundError(f"there is no API key named {name!r}.")

    def api_key_name(self, key: str) -> str | None:
        """Whose key this is; None for an unknown one."""
        query = sa.select(t.api_keys.c.name).where(t.api_keys.c.key_hash == _hash(key))
        with self._read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def api_key_names(self) -> list[str]:
        """All key names."""
        with self._read() as connection:
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

_NEXT_CHUNKS = (
    sa.select(t.chunks.c.id)
    .where(t.chunks.c.id > sa.bindparam("at"))
    .order_by(t.chunks.c.id)
    .limit(_FEED_BATCH)
)
_NEXT_CHANGES = (
    sa.select(t.changes.c.seq, t.changes.c.chunk_id)
    .where(t.changes.c.seq > sa.bindparam("at"))
    .order_by(t.changes.c.seq)
    .limit(_FEED_BATCH)
)

_POINTS = (
    sa.select(
        t.chunks.c.id,
        t.chunks.c.context,
        t.chunks.c.text,
        t.chunks.c.page,
        t.versions.c.state,
        t.versions.c.document_id,
        t.versions.c.media_type,
        t.versions.c.metadata,
        t.documents.c.source,
        t.documents.c.collection,
        t.embeddings.c.vector,
    )
    .join(t.versions, t.versions.c.id == t.chunks.c.version_id)
    .join(t.documents, t.documents.c.id == t.versions.c.document_id)
    .outerjoin(
        t.embeddings,
        sa.and_(
            t.embeddings.c.search_hash == t.chunks.c.search_hash,
            t.embeddings.c.model_id == sa.bindparam("model"),
        ),
    )
)


def _points(rows: Sequence[Any]) -> tuple[IndexPoint, ...]:
    points = []
    for row in rows:
        payload: dict[str, Scalar] = {
            **row.metadata,
            "collection": row.collection,
            "source": row.source,
            "document_id": row.document_id,
            "media_type": row.media_type,
        }
        if row.page is not None:
            payload["page"] = row.page
        vector = None if row.vector is None else np.frombuffer(row.vector, "<f4")
        points.append(IndexPoint(row.id, _search_text(row.context, row.text), vector, payload))
    return tuple(points)


def _search_text(context: str, text: str) -> str:
    return f"{context}\n{text}" if context else text


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _document_id(connection: sa.Connection, collection: str, source: str) -> int:
    found = connection.execute(
        sa.select(t.documents.c.id).where(
            t.documents.c.collection == collection, t.documents.c.source == source
        )
    ).scalar_one_or_none()
    if found is not None:
        return int(found)
    return _inserted_id(connection.execute(t.documents.insert().values(collection=collection, source=source)))


def _inserted_id(result: sa.CursorResult[Any]) -> int:
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def _version_ids(connection: sa.Connection, document_id: int, states: Sequence[str]) -> list[int]:
    return list(
        connection.execute(
            sa.select(t.versions.c.id).where(
                t.versions.c.document_id == document_id, t.versions.c.state.in_(states)
            )
        ).scalars()
    )


def _set_state(connection: sa.Connection, version_ids: Sequence[int], state: str) -> None:
    connection.execute(t.versions.update().where(t.versions.c.id.in_(version_ids)).values(state=state))


def _announce(connection: sa.Connection, version_ids: Sequence[int]) -> None:
    """Tell index projections to look at the chunks of these versions again."""
    touched = sa.select(t.chunks.c.id).where(t.chunks.c.version_id.in_(version_ids))
    connection.execute(t.changes.insert().from_select(["chunk_id"], touched))


def _switch_ready(connection: sa.Connection, model_id: str) -> None:
    building = connection.execute(
        sa.select(t.versions.c.id, t.versions.c.document_id).where(t.versions.c.state == "building")
    ).all()
    for version in building:
        missing = connection.execute(
            sa.select(sa.func.count())
            .select_from(t.chunks)
            .outerjoin(
                t.embeddings,
                sa.and_(
                    t.embeddings.c.search_hash == t.chunks.c.search_hash,
                    t.embeddings.c.model_id == model_id,
                ),
            )
            .where(t.chunks.c.version_id == version.id, t.embeddings.c.search_hash.is_(None))
        ).scalar_one()
        if missing:
            continue
        old = _version_ids(connection, version.document_id, ("current",))
        _set_state(connection, old, "superseded")
        _set_state(connection, [version.id], "current")
        _announce(connection, [*old, version.id])


def _position(connection: sa.Connection) -> int:
    return connection.execute(sa.select(sa.func.max(t.changes.c.seq))).scalar_one() or 0


def _put_receipt(connection: sa.Connection, collection: str, job_id: int, receipt: Receipt) -> None:
    row = {
        "collection": collection,
        "source": receipt.source,
        "job_id": job_id,
        "status": receipt.status,
        "content_hash": receipt.content_hash,
        "attempts": receipt.attempts,
        "document_id": receipt.document_id,
        "version": receipt.version,
        "chunks": receipt.chunks,
        "embedded": receipt.embedded,
        "found": receipt.found,
        "reason": receipt.reason,
        "updated_at": time.time(),
    }
    connection.execute(t.receipts.insert().prefix_with("OR REPLACE"), row)


def _on_connect(dbapi_connection: Any, _record: Any) -> None:
    # Transactions are begun by `_on_begin`, not guessed by the driver.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # what was acknowledged survives a power cut too
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _on_begin(connection: sa.Connection) -> None:
    # A writer takes its lock at once, so that it waits its turn and cannot fail half way.
    writes = connection.get_execution_options().get("asbuilt_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(connection: sa.Connection) -> None:
    if sa.inspect(connection).has_table("alembic_version"):
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
        if version == _SCHEMA_HEAD:
            return  # alembic itself takes longer to import than a search takes
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(
            f"this catalogue was made by a newer asbuilt ({error}).", hint="Upgrade asbuilt."
        ) from error
