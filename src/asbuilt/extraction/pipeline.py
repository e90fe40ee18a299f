"""Files -> pages -> extractions, one file after another; a file that cannot be read stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from asbuilt.catalog.pages import PageStore
from asbuilt.documents.drawn import drawn_pages
from asbuilt.documents.sources import SourceFile
from asbuilt.documents.stored import read_pages
from asbuilt.errors import AsbuiltError, ReadError, StorageError
from asbuilt.extraction.learned import Learned
from asbuilt.extraction.run import extract
from asbuilt.fields import Extraction, FieldSchema, PagedDocument
from asbuilt.pages import PageLayout
from asbuilt.roles import Extractor, PagedReader, Reader

__all__ = ["ExtractionPipeline", "ExtractionStopped", "OnPage", "OpenedFile", "Stopping", "unread"]

OnPage = Callable[[str, int, int], None]
"""Called with a file's name, the number of the page that was just read, and how many there are (or
that number, where the format does not say)."""

Stopping = Callable[[], bool]
"""Asked after each page whether to stop."""


class ExtractionStopped(Exception):  # noqa: N818
    """Work ended between two pages because it was told to; what was read is kept."""


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """The bytes of a file and who reads them."""

    name: str
    source: str
    data: bytes
    content_hash: str
    reader_name: str
    reader: Reader

    @property
    def recipe(self) -> str:
        """Identifies the reading."""
        return self.reader.recipe if isinstance(self.reader, PagedReader) else self.reader_name

    @property
    def page_count(self) -> int:
        """What the file states; 0 where its format states nothing. Raises ReadError."""
        contents = getattr(self.reader, "contents", None)
        return contents(self.data, name=self.name).pages if contents is not None else 0


class ExtractionPipeline:
    """Reads files through the page store and takes a schema's values out of them.

    `choose_reader` gives the name and reader for a file's name and bytes, or raises ReadError.
    `recipe` says what the extractors are, with what else changes their results; `learned` is what
    users taught the project.
    """

    def __init__(
        self,
        *,
        choose_reader: Callable[[str, bytes], tuple[str, Reader]],
        store: PageStore,
        extractors: Sequence[Extractor],
        recipe: tuple[str, ...] = (),
        learned: Learned,
    ) -> None:
        self._choose_reader = choose_reader
        self._store = store
        self._extractors = (*extractors, learned.extractor)
        self.recipe = recipe
        self.learned = learned

    def open(self, file: SourceFile) -> OpenedFile:
        """The file's bytes and its reader. Raises ReadError."""
        try:
            if file.problem:
                raise ReadError(file.problem)
            data = file.load()
        except OSError as error:
            raise ReadError(f"{file.name!r} cannot be read: {error.strerror or error}.") from error
        name, reader = self._choose_reader(file.name, data)
        return OpenedFile(file.name, file.source, data, sha256(data).hexdigest(), name, reader)

    def pages(self, opened: OpenedFile) -> Iterator[PageLayout]:
        """Its pages, those first that were read before."""
        if isinstance(opened.reader, PagedReader):
            return read_pages(opened.reader, opened.data, name=opened.name, store=self._store)
        return self.reread(opened)

    def reread(self, opened: OpenedFile) -> Iterator[PageLayout]:
        """Its pages, read anew whatever is stored."""
        if isinstance(opened.reader, PagedReader):
            return opened.reader.pages(opened.data, name=opened.name)
        return drawn_pages(opened.reader.read(opened.data, name=opened.name))

    def extract(
        self,
        opened: OpenedFile,
        schema: FieldSchema,
        *,
        on_page: OnPage | None = None,
        stopping: Stopping | None = None,
    ) -> tuple[Extraction, Sequence[PageLayout]]:
        """The schema's values in a file, and its pages. Raises ReadError, and ExtractionStopped."""
        pages: list[PageLayout] = []
        count = opened.page_count if on_page is not None else 0
        for page in self.pages(opened):
            pages.append(page)
            if on_page is not None:
                on_page(opened.name, page.number, max(count, page.number))
            if stopping is not None and stopping():
                raise ExtractionStopped
        document = PagedDocument(opened.name, opened.content_hash, tuple(pages))
        extraction = extract(document, schema, extractors=self._extractors)
        return self.learned.apply(extraction, schema, pages), pages

    def run(
        self,
        files: Sequence[SourceFile],
        schema: FieldSchema,
        *,
        on_page: OnPage | None = None,
        stopping: Stopping | None = None,
    ) -> Iterator[Extraction]:
        """One extraction a file, in their order; with a `fault` where a file could not be read.

        Raises ExtractionStopped, and StorageError when pages cannot be kept.
        """
        for file in files:
            try:
                extraction, _ = self.extract(self.open(file), schema, on_page=on_page, stopping=stopping)
            except StorageError:
                raise
            except AsbuiltError as error:
                extraction = unread(file, schema, error)
            yield extraction


def unread(file: SourceFile | OpenedFile, schema: FieldSchema, error: AsbuiltError) -> Extraction:
    """The extraction of a file that could not be read."""
    content_hash = file.content_hash if isinstance(file, OpenedFile) else ""
    return Extraction(file.name, content_hash, schema.digest, fault=str(error))
