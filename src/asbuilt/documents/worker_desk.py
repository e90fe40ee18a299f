"""What the page worker does with a request: opens a file, reads a page of it, draws one."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from asbuilt.documents.image_file import ImageFile
from asbuilt.documents.pdf_file import PdfFile
from asbuilt.documents.pdf_page import read_pdf_page
from asbuilt.documents.scan import PixelReaders
from asbuilt.documents.structure import arrange
from asbuilt.documents.upright import straightened
from asbuilt.documents.worker import UNREAD, FileKind, Setup
from asbuilt.errors import BugError, MissingError, ReadError
from asbuilt.pages import Box, PageLayout, PageMarks, page_to_json
from asbuilt.roles import Image

__all__ = ["Desk"]

_Answer = tuple[dict[str, Any], bytes]


class Desk:
    """One open file at a time, and the picture of the page that was drawn last."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._readers = PixelReaders(setup.ocr, setup.second)
        self._file: PdfFile | ImageFile | None = None
        self._drawn: tuple[tuple[int, float, int, float], Image] | None = None

    def do(self, task: tuple[Any, ...]) -> _Answer:
        """Raises ReadError for a file that cannot be read and MissingError for a package that is not
        there."""
        kind, *rest = task
        if kind == "open":
            return self._open(*rest)
        if kind == "page":
            return self._page(*rest)
        if kind == "picture":
            return self._picture(*rest)
        raise BugError(f"a worker has no task {kind!r}.")

    def _open(self, kind: FileKind, name: str, data: bytes, max_pages: int) -> _Answer:
        if self._file is not None:
            self._file.close()
            self._file = self._drawn = None
        if kind == "any":
            kind = "pdf" if b"%PDF-" in data[:1024] else "image"
        opened = PdfFile if kind == "pdf" else ImageFile
        self._file = opened(data, name=name, max_pages=max_pages)
        return {}, json.dumps(asdict(self._file.contents())).encode()

    def _page(self, number: int, may_ocr: bool) -> _Answer:
        try:
            marks = self._marks(number, may_ocr)
            if marks is None:
                return {"needs_ocr": True}, b""
            page = arrange(marks)
        except (MissingError, MemoryError):
            raise
        except Exception as error:  # one page of many: whatever is wrong with it, the others go on
            problem = error.message if isinstance(error, ReadError) else f"{type(error).__name__}: {error}"
            width, height = self._opened.contents().sizes[number - 1]
            page = PageLayout(number, width, height, flags=(UNREAD + problem,))
        return {}, page_to_json(page)

    @property
    def _opened(self) -> PdfFile | ImageFile:
        if self._file is None:
            raise BugError("a worker was asked for a page before a file.")
        return self._file

    def _marks(self, number: int, may_ocr: bool) -> PageMarks | None:
        file = self._opened
        if isinstance(file, ImageFile):
            return file.marks(number, dpi=self._setup.dpi, readers=self._readers) if may_ocr else None
        with file.page(number) as page:
            return read_pdf_page(
                page, number=number, setup=self._setup, readers=self._readers, may_ocr=may_ocr
            )

    def _picture(self, number: int, rotation: int, skew: float, dpi: float, box: Box | None) -> _Answer:
        image = self._page_picture(number, rotation, skew, dpi)
        if box is not None:
            height, width = image.shape[:2]
            scale = dpi / 72
            left, top = (max(0, int(edge * scale)) for edge in box[:2])
            right, bottom = (int(np.ceil(edge * scale)) for edge in box[2:])
            image = image[
                min(top, height - 1) : max(bottom, top + 1), min(left, width - 1) : max(right, left + 1)
            ]
        return {"shape": image.shape}, np.ascontiguousarray(image).tobytes()

    def _page_picture(self, number: int, rotation: int, skew: float, dpi: float) -> Image:
        key = (number, dpi, rotation, skew)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = None  # before the next one, so that there are never two
            file = self._opened
            if isinstance(file, ImageFile):
                image = file.picture(number, dpi=dpi)
            else:
                with file.page(number) as page:
                    image = page.picture(dpi=dpi)
            self._drawn = (key, straightened(image, rotation=rotation, skew=skew))
        return self._drawn[1]
