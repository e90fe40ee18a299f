"""Ingestion jobs, and receipts: what became of each file."""

from __future__ import annotations

import time

import sqlalchemy as sa

from asbuilt.catalog import tables as t
from asbuilt.catalog.database import inserted_id
from asbuilt.catalog.records import Receipt

__all__ = ["finish_job", "put_receipt", "receipts", "start_job"]


def start_job(connection: sa.Connection, collection: str) -> int:
    """Note that an ingestion begins; returns its id."""
    row = {"collection": collection, "started_at": time.time()}
    return inserted_id(connection.execute(t.jobs.insert().values(row)))


def finish_job(connection: sa.Connection, job_id: int) -> None:
    """Note that an ingestion came to its end."""
    connection.execute(t.jobs.update().where(t.jobs.c.id == job_id).values(finished_at=time.time()))


def put_receipt(connection: sa.Connection, collection: str, job_id: int, receipt: Receipt) -> None:
    """Replace the receipt of this source."""
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


def receipts(connection: sa.Connection, collection: str, *, job_id: int | None) -> dict[str, Receipt]:
    """By source, in its order: the latest of each, or of those that one job touched."""
    query = sa.select(t.receipts).where(t.receipts.c.collection == collection)
    if job_id is not None:
        query = query.where(t.receipts.c.job_id == job_id)
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
