"""Reading a file page by page, each page kept as soon as it is there, so that none is read twice."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from asbuilt.catalog.pages import PageStore
from asbuilt.pages import PageLayout
from asbuilt.roles import PagedReader, Reader
from asbuilt.types import Document

__all__ = ["read_document", "read_pages"]


def read_pages(reader: PagedReader, data: bytes, *, name: str, store: PageStore) -> Iterator[PageLayout]:
    """The pages of a file: those in the store, then the others as the reader gives them.

    A page is stored before it is handed on: work that was killed goes on at the page it was at.
    Raises what the reader raises.
    """
    content_hash = sha256(data).hexdigest()
    number = 0
    for page in store.read(content_hash, reader.recipe):
        number = page.number
        yield page
    if store.complete(content_hash, reader.recipe):
        return
    for page in reader.pages(data, name=name, first=number + 1):
        store.add(content_hash, reader.recipe, page)
        yield page
    store.finish(content_hash, reader.recipe)


def read_document(reader: Reader, data: bytes, *, name: str, store: PageStore) -> Document:
    """What `reader` makes of a file; pages, where it gives any, are kept in `store`."""
    if not isinstance(reader, PagedReader):
        return reader.read(data, name=name)
    return reader.read(data, name=name, pages=read_pages(reader, data, name=name, store=store))
