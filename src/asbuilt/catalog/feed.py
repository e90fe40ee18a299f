"""The feed of index projections: which chunks to look at again, and what is to be seen there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from asbuilt.catalog import tables as t
from asbuilt.catalog.database import Database
from asbuilt.catalog.records import IndexFeed
from asbuilt.types import IndexPoint, Scalar

__all__ = ["announce_texts", "announce_versions", "batches", "position", "search_text"]

_BATCH = 512


def search_text(context: str, text: str) -> str:
    """What of a chunk is searched and embedded."""
    return f"{context}\n{text}" if context else text


def announce_versions(connection: sa.Connection, version_ids: Sequence[int]) -> None:
    """Tell index projections to look at the chunks of these versions again."""
    touched = sa.select(t.chunks.c.id).where(t.chunks.c.version_id.in_(version_ids))
    connection.execute(t.changes.insert().from_select(["chunk_id"], touched))


def announce_texts(connection: sa.Connection, search_hashes: Sequence[str]) -> None:
    """Tell index projections to look at the visible chunks with these search texts again."""
    touched = (
        sa.select(t.chunks.c.id)
        .join(t.versions, t.versions.c.id == t.chunks.c.version_id)
        .where(t.chunks.c.search_hash.in_(search_hashes), t.versions.c.state == "current")
    )
    connection.execute(t.changes.insert().from_select(["chunk_id"], touched))


def position(connection: sa.Connection) -> int:
    """The newest change; 0 before the first."""
    return connection.execute(sa.select(sa.func.max(t.changes.c.seq))).scalar_one() or 0


def batches(database: Database, after: int, model_id: str) -> Iterator[IndexFeed]:
    """See `Catalog.feed`. Each batch is a transaction of its own."""
    with database.read() as connection:
        newest = position(connection)
    at = 0
    while True:
        with database.read() as connection:
            if after == 0:
                ids = set(connection.execute(_NEXT_CHUNKS, {"at": at}).scalars())
                at = max(ids, default=at)
                complete = len(ids) < _BATCH
                reached = newest if complete else 0
            else:
                changed = connection.execute(_NEXT_CHANGES, {"at": max(at, after)}).all()
                ids = {row.chunk_id for row in changed}
                at = reached = changed[-1].seq if changed else max(at, after)
                complete = reached >= newest
            rows = connection.execute(_POINTS.where(t.chunks.c.id.in_(ids)), {"model": model_id}).all()
        shown = [row for row in rows if row.state == "current"]
        hidden = tuple(sorted(ids - {row.id for row in shown}))
        yield IndexFeed(_points(shown), hidden, reached)
        if complete:
            return


_NEXT_CHUNKS = (
    sa.select(t.chunks.c.id).where(t.chunks.c.id > sa.bindparam("at")).order_by(t.chunks.c.id).limit(_BATCH)
)
_NEXT_CHANGES = (
    sa.select(t.changes.c.seq, t.changes.c.chunk_id)
    .where(t.changes.c.seq > sa.bindparam("at"))
    .order_by(t.changes.c.seq)
    .limit(_BATCH)
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
        points.append(IndexPoint(row.id, search_text(row.context, row.text), vector, payload))
    return tuple(points)
