"""The source of truth on disk: documents, versions, chunks, embeddings, receipts and keys."""

from asbuilt.catalog.records import (
    IndexFeed,
    KnownDocument,
    NewVersion,
    Pending,
    Progress,
    Receipt,
    StoredVersion,
)
from asbuilt.catalog.store import Catalog

__all__ = [
    "Catalog",
    "IndexFeed",
    "KnownDocument",
    "NewVersion",
    "Pending",
    "Progress",
    "Receipt",
    "StoredVersion",
]
