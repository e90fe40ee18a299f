"""Pictures of the places that values stand at, named by their SHA-256."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

import numpy as np
from PIL import Image as Pillow

from asbuilt.documents.render import page_picture
from asbuilt.errors import ReadError
from asbuilt.fields import Evidence, Extraction
from asbuilt.pages import Box, PageLayout, union
from asbuilt.roles import Image

__all__ = ["CROP_DPI", "CROP_MARGIN_PT", "PagePicture", "crop_box", "from_png", "to_png", "with_crops"]

CROP_DPI = 200.0
CROP_MARGIN_PT = 8.0
"""Around the words, so that a reader sees where they begin and end, and OCR too."""

_ZLIB_LEVEL = 6

PagePicture = Callable[..., Image]
"""Called as `asbuilt.documents.render.page_picture` is."""


@dataclass(slots=True)
class _Crops:
    data: bytes
    name: str
    pages: Mapping[int, PageLayout]
    picture: PagePicture
    files: dict[str, bytes] = field(default_factory=dict)

    def of(self, evidence: Evidence | None) -> Evidence | None:
        """`evidence` with its crop, which is kept in `files`."""
        if evidence is None or not evidence.boxes:
            return evidence
        page = self.pages.get(evidence.page)
        if page is None or page.kind == "drawn":
            return evidence
        picture = self.picture(
            self.data, name=self.name, page=page, dpi=CROP_DPI, box=crop_box(evidence.boxes, page)
        )
        content = to_png(picture)
        digest = sha256(content).hexdigest()
        self.files[digest] = content
        return replace(evidence, crop=digest)


def with_crops(
    extraction: Extraction,
    pages: Sequence[PageLayout],
    data: bytes,
    *,
    picture: PagePicture = page_picture,
) -> tuple[Extraction, dict[str, bytes]]:
    """`extraction` with a crop for each value and repair that stands on a page with a look of its own,
    and the crops as PNG by SHA-256. `pages` are those of the file whose bytes are `data`.

    Raises ReadError when the file cannot be drawn.
    """
    crops = _Crops(data, extraction.document, {page.number: page for page in pages}, picture)
    values = list(extraction.values)
    # Page by page, as the source of pictures keeps one page.
    for index in sorted(range(len(values)), key=lambda each: _page_of(values[each].evidence)):
        values[index] = replace(values[index], evidence=crops.of(values[index].evidence))
    repairs = tuple(
        replace(repair, evidence=crops.of(repair.evidence) or repair.evidence)
        for repair in extraction.repairs
    )
    return replace(extraction, values=tuple(values), repairs=repairs), crops.files


def crop_box(boxes: Sequence[Box], page: PageLayout) -> Box:
    """What of the page is pictured: around all boxes, with a margin, not over the page's edge."""
    box = union(boxes).grown(CROP_MARGIN_PT)
    return Box(
        max(0.0, box.left), max(0.0, box.top), min(page.width, box.right), min(page.height, box.bottom)
    )


def to_png(picture: Image) -> bytes:
    """Equal pictures give equal bytes, with the same Pillow and zlib."""
    out = io.BytesIO()
    Pillow.fromarray(picture).save(out, "PNG", compress_level=_ZLIB_LEVEL)
    return out.getvalue()


def from_png(content: bytes) -> Image:
    """The picture. Raises ReadError for what is no PNG."""
    try:
        with Pillow.open(io.BytesIO(content), formats=("PNG",)) as image:
            return np.ascontiguousarray(image.convert("RGB"), np.uint8)
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise ReadError(f"it is no PNG: {error}") from error


def _page_of(evidence: Evidence | None) -> int:
    return 0 if evidence is None else evidence.page
