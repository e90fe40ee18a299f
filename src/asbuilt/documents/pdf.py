"""PDF files, read from their text layer or from their pixels, whichever can be believed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version

from asbuilt.documents.paged import Contents, document_of
from asbuilt.documents.structure import RECIPE as STRUCTURE
from asbuilt.documents.worker import OcrPages, Setup
from asbuilt.documents.worker_pages import Limits, WorkerPages, default_ocr
from asbuilt.pages import PageLayout
from asbuilt.registry import component
from asbuilt.roles import Ocr
from asbuilt.types import Document

__all__ = ["PdfReader"]

_READING = 1  # raised by whatever changes the marks that a page is read to


@component("reader/pdf")
class PdfReader:
    """Pages with words, boxes and structure, read in a worker process that may die of a page.

    `ocr` reads pages, and pictures on pages, that have no text layer to go by; None takes
    ``ocr/rapidocr`` where it is installed, else such pages are empty and flagged. `second` reads
    scans again, and `Word.second` has what it reads differently. `ocr_pages` "always" reads every page
    from its pixels, "never" none. `dpi` is the scale that pages are drawn in for OCR. A page may
    take `page_timeout_s`, a worker `memory_gib` of address space. Of `workers` processes all but the
    first read text layers only.
    """

    def __init__(
        self,
        *,
        ocr: Ocr | None = None,
        second: Ocr | None = None,
        max_pages: int = 5000,
        dpi: int = 200,
        ocr_pages: OcrPages = "where-needed",
        page_timeout_s: float = 60.0,
        memory_gib: float = 4.0,
        workers: int = 2,
    ) -> None:
        ocr = None if ocr_pages == "never" else ocr or default_ocr()
        setup = Setup(ocr, None if ocr is None else second, dpi, ocr_pages, memory_gib)
        self._setup = setup
        self._source = WorkerPages(
            setup,
            kind="pdf",
            limits=Limits(page_timeout_s=page_timeout_s),
            max_pages=max_pages,
            workers=workers,
        )

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".pdf"})

    @property
    def recipe(self) -> str:
        """See the role. Raises MissingError when the packages of the OCR are not there."""
        setup = self._setup
        parts = [f"pdf {_READING}", f"pypdfium2 {version('pypdfium2')}", STRUCTURE]
        if setup.ocr is not None:
            parts += [f"ocr {setup.ocr_pages} at {setup.dpi} dpi: {setup.ocr.recipe}"]
        if setup.second is not None:
            parts += [f"second: {setup.second.recipe}"]
        return "; ".join(parts)

    def close(self) -> None:
        """End the worker processes; the next file starts them again."""
        self._source.close()

    def contents(self, data: bytes, *, name: str) -> Contents:
        """Number of pages, title and outline as the file states them. Raises ReadError as `pages` does."""
        return self._source.contents(data, name=name)

    def pages(self, data: bytes, *, name: str, first: int = 1) -> Iterator[PageLayout]:
        """See the role."""
        return self._source.pages(data, name=name, first=first)

    def read(self, data: bytes, *, name: str, pages: Iterable[PageLayout] | None = None) -> Document:
        """See the role and `documents.paged.document_of`."""
        contents = self.contents(data, name=name)
        return document_of(
            self.pages(data, name=name) if pages is None else pages,
            name=name,
            media_type="application/pdf",
            recipe=self.recipe,
            outline=contents.outline,
            title=contents.title,
        )
