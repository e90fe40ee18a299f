"""What a page looks like, in the geometry of its boxes."""

from __future__ import annotations

import atexit
from functools import cache

from asbuilt.documents.worker import Setup
from asbuilt.documents.worker_pages import Limits, WorkerPages
from asbuilt.errors import ReadError
from asbuilt.pages import Box, PageLayout
from asbuilt.roles import Image

__all__ = ["page_picture"]


def page_picture(
    data: bytes, *, name: str, page: PageLayout, dpi: float = 200.0, box: Box | None = None
) -> Image:
    """A page of a PDF or image file as it was read: upright and straight, a point `dpi`/72 pixels.

    With `box` (points) only that part, widened to whole pixels. Drawn in a worker process, which
    keeps the file and the page it drew last. Raises ReadError when the file or the page cannot be
    drawn, and for a page of kind "drawn", which has no look of its own.
    """
    if page.kind == "drawn":
        raise ReadError(f"page {page.number} of {name!r} has no picture: the file states text alone.")
    return _source().picture(data, name=name, page=page, dpi=dpi, box=box)


@cache
def _source() -> WorkerPages:
    source = WorkerPages(Setup(), kind="any", limits=Limits(), max_pages=1_000_000, workers=1)
    atexit.register(source.close)
    return source
