"""An image file as pages: decoded within limits, turned as its EXIF data says, in a known scale.

Runs in the page worker only, as decoders may bring the process down.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath

import numpy as np
from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as Pillow

from asbuilt.documents.paged import Contents
from asbuilt.documents.scan import PixelReaders, read_scan
from asbuilt.errors import ReadError
from asbuilt.pages import PageMarks
from asbuilt.roles import Image

__all__ = ["ImageFile"]

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
_MAX_BYTES = 600_000_000  # of one decoded page
_MAX_PIXELS = 36_000_000  # that are worked on: A4 at 600 dpi
_MAX_SIDE = 65_500
_BELIEVED_DPI = (99.0, 1300.0)  # 72 and 96 are what programs write that know no better
_LONG_SIDE_IN = 11.0  # of a page whose scale is unknown
_TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""What undoes each value of EXIF's Orientation."""


class ImageFile:
    """An open image of one page or, for TIFF, several. Raises ReadError for what is none."""

    def __init__(self, data: bytes, *, name: str, max_pages: int) -> None:
        Pillow.MAX_IMAGE_PIXELS = None  # our own limit counts bytes, and is no warning
        with _damage_as(f"{name!r} is a damaged image"):
            try:
                self._image = Pillow.open(io.BytesIO(data), formats=_FORMATS)
            except UnidentifiedImageError as error:
                hint = f"Readable: {', '.join(_FORMATS)}."
                raise ReadError(f"{name!r} is no image that can be read.", hint=hint) from error
            # WebP with several frames is an animation; TIFF with several is a document.
            self.pages = getattr(self._image, "n_frames", 1) if self._image.format == "TIFF" else 1
        self._name = name
        if self.pages > max_pages:
            raise ReadError(
                f"{name!r} has {self.pages:,} pages, over the limit of {max_pages:,} (max_pages)."
            )

    def close(self) -> None:
        self._image.close()

    def contents(self) -> Contents:
        sizes = []
        for number in range(1, self.pages + 1):
            try:
                with self._frame(number) as frame:
                    dpi, aspect = _scale(frame)
                    width, height = frame.size[0] * 72 / dpi, frame.size[1] * aspect * 72 / dpi
                    turned = _orientation(frame) >= 5
                    sizes.append((height, width) if turned else (width, height))
            except ReadError:
                sizes.append((612.0, 792.0))
        return Contents(self.pages, PurePath(self._name).stem, sizes=tuple(sizes))

    def marks(self, number: int, *, dpi: float, readers: PixelReaders) -> PageMarks:
        """Page `number` (from 1), read by OCR in the scale next above `dpi` that is a whole part of its
        own. Raises ReadError for a damaged page."""
        image, own = self._pixels(number)
        factor = max(1, int(own / dpi + 0.01))  # PNG states 399.999 for 400
        if factor > 1:
            image = np.asarray(Pillow.fromarray(image).reduce(factor), np.uint8)
        dpi = own / factor
        if readers.missing:
            height, width = image.shape[:2]
            flag = f"page has no text, and was not read from its pixels: {readers.missing}"
            return PageMarks(
                number,
                round(width * 72 / dpi, 2),
                round(height * 72 / dpi, 2),
                (),
                kind="scan",
                flags=(flag,),
            )
        return read_scan(image, number=number, dpi=dpi, readers=readers)

    def picture(self, number: int, *, dpi: float) -> Image:
        """Page `number` in the scale that makes `dpi` pixels an inch."""
        image, own = self._pixels(number)
        height, width = (max(1, round(side * dpi / own)) for side in image.shape[:2])
        if (height, width) == image.shape[:2]:
            return image
        resized = Pillow.fromarray(image).resize((width, height), Pillow.Resampling.LANCZOS, reducing_gap=2.0)
        return np.asarray(resized, np.uint8)

    def _pixels(self, number: int) -> tuple[Image, float]:
        """The page as shown, and its dots per inch."""
        with self._frame(number) as frame:
            width = frame.size[0]
            dpi, aspect = _scale(frame)
            turn = _TURNS.get(_orientation(frame))
            with _damage_as("the image is damaged"):
                image = _reduced(frame, aspect)
                dpi *= image.size[0] / width
                image = _on_white(image if turn is None else image.transpose(turn))
        return np.ascontiguousarray(image, np.uint8), dpi

    @contextmanager
    def _frame(self, number: int) -> Iterator[Pillow.Image]:
        """One page, not decoded yet. A fresh copy of a single image, as decoding changes it."""
        with _damage_as(f"page {number} is damaged"):
            self._image.seek(number - 1)
        width, height = self._image.size
        decoded = width * height * len(self._image.getbands())
        if (self._image.format != "JPEG" and decoded > _MAX_BYTES) or max(width, height) > _MAX_SIDE:
            raise ReadError(
                f"the image has {width:,} x {height:,} pixels, {decoded / 1e6:,.0f} MB when decoded; the "
                f"limits are {_MAX_SIDE:,} pixels a side and {_MAX_BYTES / 1e6:,.0f} MB"
            )
        yield self._image


@contextmanager
def _damage_as(what: str) -> Iterator[None]:
    """Whatever a decoder trips over becomes a ReadError: they raise TypeError and KeyError too."""
    try:
        yield
    except (ReadError, MemoryError):
        raise
    except Exception as error:
        raise ReadError(f"{what}: {error}.") from error


def _reduced(frame: Pillow.Image, aspect: float) -> Pillow.Image:
    """Decoded, with square dots, and by a whole number smaller where it has more than 36 megapixels."""
    width, height = frame.size
    factor = int(np.ceil(np.sqrt(max(1.0, width * height / _MAX_PIXELS))))
    frame.draft("RGB", (width // factor, height // factor))  # JPEG alone can: decodes a smaller copy
    frame.load()
    factor = int(np.ceil(np.sqrt(max(1.0, frame.size[0] * frame.size[1] / _MAX_PIXELS))))
    image = _eight_bits(frame)
    if factor > 1:
        image = image.convert("L").reduce(factor) if image.mode == "1" else image.reduce(factor)
    else:
        image = image.copy()
    if aspect != 1.0:
        image = image.convert("RGB").resize((image.size[0], max(1, round(image.size[1] * aspect))))
    return image


def _orientation(frame: Pillow.Image) -> int:
    """EXIF's value, where Pillow does not apply it itself."""
    if frame.format == "TIFF":
        return 1
    try:
        return int(frame.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the data of a broken camera say nothing, in many ways
        return 1


def _eight_bits(image: Pillow.Image) -> Pillow.Image:
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image, np.float32)
    most = 65_535.0 if image.mode.startswith("I") else max(1e-9, float(values.max()))
    return Pillow.fromarray(np.clip(values * (255.0 / most), 0, 255).astype(np.uint8))


def _on_white(image: Pillow.Image) -> Pillow.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Pillow.new("RGBA", image.size, "white")
        ground.alpha_composite(image)
        image = ground
    return image.convert("RGB")


def _scale(frame: Pillow.Image) -> tuple[float, float]:
    """Dots per inch across, and how many times higher than wide a dot is (fax pages: about 2)."""
    low, high = _BELIEVED_DPI
    try:
        across, down = (float(each) for each in frame.info.get("dpi", (0.0, 0.0)))
    except (TypeError, ValueError, ZeroDivisionError):
        across = down = 0.0
    if low <= across <= high and low * 0.5 <= down <= high:
        return across, 1.0 if abs(across / down - 1) < 0.05 else across / down
    return min(600.0, max(96.0, max(frame.size) / _LONG_SIDE_IN)), 1.0
