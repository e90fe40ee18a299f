"""Image files as documents: scans and photographs of pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version

from asbuilt.documents.paged import Contents, document_of
from asbuilt.documents.structure import RECIPE as STRUCTURE
from asbuilt.documents.worker import Setup
from asbuilt.documents.worker_pages import Limits, WorkerPages, default_ocr
from asbuilt.pages import PageLayout
from asbuilt.registry import component
from asbuilt.roles import Ocr
from asbuilt.types import Document

__all__ = ["ImageReader"]

_READING = 1  # raised by whatever changes the marks that a page is read to
_MEDIA_TYPES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"RIFF", "image/webp"),
    (b"BM", "image/bmp"),
)


@component("reader/image")
class ImageReader:
    """A page for each picture: PNG, JPEG, TIFF with one page or several, WebP, BMP.

    `ocr` None takes ``ocr/rapidocr`` where it is installed, else pages are empty and flagged.
    `second` reads again, and `Word.second` has what it reads differently. Pictures of twice `dpi` and
    more are read smaller; those without a believable scale count as pages of 11 inches. A page may
    take `page_timeout_s`, the worker process `memory_gib` of address space.
    """

    def __init__(
        self,
        *,
        ocr: Ocr | None = None,
        second: Ocr | None = None,
        max_pages: int = 5000,
        dpi: int = 200,
        page_timeout_s: float = 60.0,
        memory_gib: float = 4.0,
    ) -> None:
        ocr = ocr or default_ocr()
        self._setup = Setup(ocr, None if ocr is None else second, dpi, memory_gib=memory_gib)
        self._source = WorkerPages(
            self._setup,
            kind="image",
            limits=Limits(page_timeout_s=page_timeout_s),
            max_pages=max_pages,
            workers=1,
        )

    @property
    def suffixes(self) -> frozenset[str]:
        return frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"})

    @property
    def recipe(self) -> str:
        """See the role. Raises MissingError when the packages of the OCR are not there."""
        parts = [f"image {_READING}", f"pillow {version('pillow')}", STRUCTURE]
        parts += (
            [f"ocr at {self._setup.dpi} dpi: {self._setup.ocr.recipe}"] if self._setup.ocr is not None else []
        )
        parts += [f"second: {self._setup.second.recipe}"] if self._setup.second is not None else []
        return "; ".join(parts)

    def close(self) -> None:
        """End the worker process; the next file starts it again."""
        self._source.close()

    def contents(self, data: bytes, *, name: str) -> Contents:
        """Number and sizes of the pages. Raises ReadError as `pages` does."""
        return self._source.contents(data, name=name)

    def pages(self, data: bytes, *, name: str, first: int = 1) -> Iterator[PageLayout]:
        """See the role."""
        return self._source.pages(data, name=name, first=first)

    def read(self, data: bytes, *, name: str, pages: Iterable[PageLayout] | None = None) -> Document:
        """See the role and `documents.paged.document_of`."""
        media_type = next((kind for magic, kind in _MEDIA_TYPES if data.startswith(magic)), "image/png")
        return document_of(
            self.pages(data, name=name) if pages is None else pages,
            name=name,
            media_type=media_type,
            recipe=self.recipe,
        )
