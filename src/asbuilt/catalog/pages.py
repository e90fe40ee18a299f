"""Pages of documents as they were read, kept by the content of the file and the recipe of the reader."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

import sqlalchemy as sa

from asbuilt.catalog import tables as t
from asbuilt.catalog.database import Database
from asbuilt.pages import Box, PageLayout, page_from_json, page_to_json

__all__ = ["PAGE_BREAK", "READING", "PageSpan", "PageStore"]

READING = "reading"
"""The key in a document's metadata under which its reader's recipe stands."""

PAGE_BREAK = "\n\n"
"""What stands between the texts of two pages in the text of their document."""

_LEVEL = 6  # of zlib: a page of 500 words has about 12 kB


class PageSpan(NamedTuple):
    """Characters [start, end) of one page's text. The page begins at character `offset` of its
    document's text."""

    page: PageLayout
    start: int
    end: int
    offset: int

    @property
    def boxes(self) -> tuple[Box, ...]:
        """One box a line."""
        return self.page.boxes(self.page.words_in(self.start, self.end))


class PageStore:
    """Part of a catalogue; every method is one transaction.

    Pages of one reading are added in order, so that what is there after a kill is a beginning of
    the document, and `complete` says whether it is all of it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, content_hash: str, recipe: str, page: PageLayout) -> None:
        """Keep one page. The same page once more changes nothing."""
        layout = zlib.compress(page_to_json(page), _LEVEL)
        with self._database.write() as connection:
            reading = _reading_id(connection, content_hash, recipe)
            row = {
                "reading_id": reading,
                "number": page.number,
                "characters": len(page.text),
                "layout": layout,
            }
            connection.execute(t.pages.insert().prefix_with("OR IGNORE"), row)

    def finish(self, content_hash: str, recipe: str) -> None:
        """Note that every page of this reading has been added."""
        with self._database.write() as connection:
            reading = _reading_id(connection, content_hash, recipe)
            count = sa.select(sa.func.count()).where(t.pages.c.reading_id == reading).scalar_subquery()
            connection.execute(t.readings.update().where(t.readings.c.id == reading).values(pages=count))

    def complete(self, content_hash: str, recipe: str) -> bool:
        """Whether every page is there."""
        query = sa.select(t.readings.c.pages).where(_is(content_hash, recipe))
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none() is not None

    def read(self, content_hash: str, recipe: str, *, first: int = 1) -> Iterator[PageLayout]:
        """The pages from number `first` on that are there, in order, one in memory at a time."""
        number = first
        while (page := self.page(content_hash, recipe, number)) is not None:
            yield page
            number += 1

    def page(self, content_hash: str, recipe: str, number: int) -> PageLayout | None:
        """One page; None when it has not been read."""
        query = (
            sa.select(t.pages.c.layout)
            .join(t.readings, t.readings.c.id == t.pages.c.reading_id)
            .where(_is(content_hash, recipe), t.pages.c.number == number)
        )
        with self._database.read() as connection:
            layout = connection.execute(query).scalar_one_or_none()
        return None if layout is None else page_from_json(zlib.decompress(layout))

    def places(self, document_id: int, version: int, start: int, end: int) -> list[PageSpan]:
        """Where characters [start, end) of a version's text stand, page by page; nothing when its
        reader gave no pages."""
        spans = []
        for key, number, characters, offset in self._pages_of(document_id, version):
            low, high = max(start - offset, 0), min(end - offset, characters)
            page = self.page(*key, number) if low < high else None
            if page is not None:
                spans.append(PageSpan(page, low, high, offset))
        return spans

    def whole(self, document_id: int, version: int, *, first: int = 1) -> Iterator[PageSpan]:
        """The pages of a version from number `first` on, one in memory at a time."""
        for key, number, characters, offset in self._pages_of(document_id, version):
            page = self.page(*key, number) if number >= first else None
            if page is not None:
                yield PageSpan(page, 0, characters, offset)

    def _pages_of(self, document_id: int, version: int) -> Iterator[tuple[tuple[str, str], int, int, int]]:
        """(content hash and recipe, number, characters, offset in the document's text) of each page."""
        with self._database.read() as connection:
            found = connection.execute(
                sa.select(t.versions.c.content_hash, t.versions.c.metadata).where(
                    t.versions.c.document_id == document_id, t.versions.c.number == version
                )
            ).one_or_none()
            recipe = None if found is None else found.metadata.get(READING)
            if found is None or recipe is None:
                return
            sizes = connection.execute(
                sa.select(t.pages.c.number, t.pages.c.characters)
                .join(t.readings, t.readings.c.id == t.pages.c.reading_id)
                .where(_is(found.content_hash, recipe))
                .order_by(t.pages.c.number)
            ).all()
        offset = 0
        for number, characters in sizes:
            yield (found.content_hash, recipe), number, characters, offset
            offset += characters + len(PAGE_BREAK)


def _is(content_hash: str, recipe: str) -> sa.ColumnElement[bool]:
    return sa.and_(t.readings.c.content_hash == content_hash, t.readings.c.recipe == recipe)


def _reading_id(connection: sa.Connection, content_hash: str, recipe: str) -> int:
    row = {"content_hash": content_hash, "recipe": recipe}
    connection.execute(t.readings.insert().prefix_with("OR IGNORE"), row)
    return int(connection.execute(sa.select(t.readings.c.id).where(_is(content_hash, recipe))).scalar_one())
