"""The input router: a file of any kind -> pages taken apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from asbuilt import registry
from asbuilt.documents.choose import choose_reader
from asbuilt.documents.drawn import drawn_pages
from asbuilt.documents.render import page_picture
from asbuilt.errors import BugError, ReadError, UserError
from asbuilt.modalities import RoutedPage
from asbuilt.multimodal.passages import parts_of
from asbuilt.pages import PageLayout
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import Image, PagedReader, Reader

__all__ = ["PageRouter"]

_ROUTING = 1  # raised by whatever changes the parts that a page is taken into


@component("router/pages")
class PageRouter:
    """Goes by what a file holds, never by its name: each page gives passages, tables and its picture.

    `readers` are those that the blueprint names; every other kind of file goes to the reader that is
    shipped for it. Pictures of pages are drawn at `dpi`, which is enough for encoders that look at
    256 to 800 pixels; pages of files that state text alone have none.
    """

    def __init__(self, *, readers: Sequence[Reader] = (), dpi: float = 72.0, max_pages: int = 500) -> None:
        if not 18 <= dpi <= 300:
            raise UserError(f"dpi is {dpi}; it must be 18 to 300.")
        if max_pages < 1:
            raise UserError(f"max_pages is {max_pages}; it must be at least 1.")
        self._given = tuple(readers)
        self._dpi = dpi
        self._max_pages = max_pages
        self._readers: dict[str, Reader] = {}
        self._own: list[Any] = []

    demand = staticmethod(holds_nothing)

    @property
    def recipe(self) -> str:
        readers = [each.recipe for each in self._readers.values() if isinstance(each, PagedReader)]
        return f"pages {_ROUTING} at {self._dpi} dpi; {'; '.join(sorted(readers))}"

    def open(self) -> None:
        """Open readers for what `readers` do not read."""
        self._readers = {f"given {number}": reader for number, reader in enumerate(self._given)}
        known = {suffix for reader in self._given for suffix in reader.suffixes}
        for name in registry.names("reader"):
            reader = registry.resolve(name)()
            if not reader.suffixes <= known:
                getattr(reader, "open", lambda: None)()
                self._own.append(reader)
                self._readers[name] = reader

    def close(self) -> None:
        """Close the readers that `open` opened."""
        while self._own:
            getattr(self._own.pop(), "close", lambda: None)()
        self._readers = {}

    def route(self, data: bytes, *, name: str) -> Iterator[RoutedPage]:
        """See the role. Pages beyond `max_pages` are left out, and the last one's flags say so."""
        for page in self._pages(data, name=name):
            if page.number > self._max_pages:
                raise ReadError(
                    f"{name!r} has more than {self._max_pages:,} pages.", hint="Raise max_pages, or split it."
                )
            picture = self.picture(data, name=name, page=page, dpi=self._dpi)
            yield RoutedPage(name, page, parts_of(page), picture)

    def picture(self, data: bytes, *, name: str, page: PageLayout, dpi: float) -> Image | None:
        if page.kind == "drawn":
            return None
        try:
            return np.ascontiguousarray(page_picture(data, name=name, page=page, dpi=dpi))
        except ReadError:
            return None  # its words were read all the same

    def _pages(self, data: bytes, *, name: str) -> Iterator[PageLayout]:
        if not self._readers:
            raise BugError("the router is used before open() or after close().")
        _, reader = choose_reader(name, data, self._readers)
        if isinstance(reader, PagedReader):
            return reader.pages(data, name=name)
        return drawn_pages(reader.read(data, name=name))
