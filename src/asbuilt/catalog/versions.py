"""Versions of documents: the first is shown at once, a later one is built aside and switched to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import sha256

import sqlalchemy as sa

from asbuilt.catalog import tables as t
from asbuilt.catalog.database import inserted_id
from asbuilt.catalog.feed import announce_versions, search_text
from asbuilt.catalog.receipts import put_receipt
from asbuilt.catalog.records import NewVersion, Receipt, StoredVersion

__all__ = ["add_version", "remove_document", "switch_ready"]


def add_version(connection: sa.Connection, collection: str, draft: NewVersion, job_id: int) -> StoredVersion:
    """Store new content and its receipt; a version that was being built until now is given up."""
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
    version_id = inserted_id(
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
            "search_hash": sha256(search_text(context, chunk.text).encode()).hexdigest(),
        }
        for ordinal, (chunk, context) in enumerate(zip(draft.chunks, draft.contexts, strict=True))
    ]
    if rows:
        connection.execute(t.chunks.insert(), rows)
    if visible:
        announce_versions(connection, [version_id])
    put_receipt(
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


def remove_document(connection: sa.Connection, document_id: int) -> None:
    """Show no version of it, and give up one that was being built."""
    ids = _version_ids(connection, document_id, ("current", "building"))
    _set_state(connection, ids, "removed")
    announce_versions(connection, ids)


def switch_ready(connection: sa.Connection, model_id: str) -> None:
    """Show every version that was built aside and has all its embeddings (or has no chunks)."""
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
        announce_versions(connection, [*old, version.id])


def _document_id(connection: sa.Connection, collection: str, source: str) -> int:
    found = connection.execute(
        sa.select(t.documents.c.id).where(
            t.documents.c.collection == collection, t.documents.c.source == source
        )
    ).scalar_one_or_none()
    if found is not None:
        return int(found)
    return inserted_id(connection.execute(t.documents.insert().values(collection=collection, source=source)))


def _version_ids(connection: sa.Connection, document_id: int, states: Sequence[str]) -> list[int]:
    return list(
        connection.execute(
            sa.select(t.versions.c.id).where(
                t.versions.c.document_id == document_id, t.versions.c.state.in_(states)
            )
        ).scalars()
    )


def _set_state(connection: sa.Connection, ids: Sequence[int], state: str) -> None:
    connection.execute(t.versions.update().where(t.versions.c.id.in_(ids)).values(state=state))
