"""The input router: a file of any kind -> pages taken apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from asbuilt.catalog import Catalog
from asbuilt.documents.choose import choose_reader
from asbuilt.documents.drawn import drawn_pages
from asbuilt.documents.render import page_picture
from asbuilt.documents.stored import read_pages
from asbuilt.errors import ReadError, UserError
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

    `readers` are those that the blueprint names; every other kind of file goes to the one of
    `unnamed_readers` (by name) that reads it. Pictures of pages are drawn at `dpi`, which is enough
    for encoders that look at 256 to 800 pixels; pages of files that state text alone have none.
    What was read of a file is kept in the catalogue, so that no page is read twice.

    Raises UserError for a `dpi` or `max_pages` out of range.
    """

    def __init__(
        self,
        *,
        readers: Sequence[Reader] = (),
        unnamed_readers: Mapping[str, Reader],
        catalog: Catalog,
        dpi: float = 72.0,
        max_pages: int = 500,
    ) -> None:
        if not 18 <= dpi <= 300:
            raise UserError(f"dpi is {dpi}; it must be 18 to 300.")
        if max_pages < 1:
            raise UserError(f"max_pages is {max_pages}; it must be at least 1.")
        named = {f"named {number}": reader for number, reader in enumerate(readers)}
        # Where two read the same kind of file, the last of the mapping counts.
        self._readers = {**unnamed_readers, **named}
        self._catalog = catalog
        self._dpi = dpi
        self._max_pages = max_pages

    demand = staticmethod(holds_nothing)

    @property
    def recipe(self) -> str:
        readers = [each.recipe for each in self._readers.values() if isinstance(each, PagedReader)]
        return f"pages {_ROUTING} at {self._dpi} dpi; {'; '.join(sorted(readers))}"

    def route(self, data: bytes, *, name: str) -> Iterator[RoutedPage]:
        """See the role. Raises ReadError for a file with more than `max_pages` pages."""
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
        _, reader = choose_reader(name, data, self._readers)
        if isinstance(reader, PagedReader):
            return read_pages(reader, data, name=name, store=self._catalog.pages)
        return drawn_pages(reader.read(data, name=name))
