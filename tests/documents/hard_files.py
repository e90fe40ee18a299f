"""Files that a reader of pages has to survive or see through, and components that fail on demand."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pypdfium2
from PIL import Image as Pillow
from reportlab.lib.utils import ImageReader as EmbeddedImage
from reportlab.pdfgen.canvas import Canvas

from asbuilt.pages import Box, Word
from asbuilt.roles import Image

SIZE: tuple[float, float] = (400, 300)
LINES = (
    "Invoice number 4832 of the fourth of May",
    "The amount due is 250.00 EUR in thirty days",
    "Payment goes to the account of Maple Works",
    "Please state the invoice number with it",
)


def drawn(*pages: Callable[[Canvas], None], size: tuple[float, float] = SIZE) -> bytes:
    """A PDF; each function draws one page."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=size, invariant=True)
    for page in pages:
        page(canvas)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def printed(canvas: Canvas, lines: Sequence[str] = LINES, *, mode: Literal[0, 3] = 0) -> None:
    """Lines of 12 points from the top; `mode` is the text's rendering mode (3: invisible)."""
    for row, line in enumerate(lines):
        text = canvas.beginText(30, SIZE[1] - 40 - 22 * row)
        text.setFont("Helvetica", 12)
        text.setTextRenderMode(mode)
        text.textOut(line)
        canvas.drawText(text)


def photographed(lines: Sequence[str] = LINES, *, dpi: int = 200) -> Pillow.Image:
    """How a page with these lines looks."""
    document = pypdfium2.PdfDocument(drawn(lambda canvas: printed(canvas, lines)))
    image: Pillow.Image = document[0].render(scale=dpi / 72).to_pil().convert("RGB")
    document.close()
    return image


def placed(canvas: Canvas, image: Pillow.Image, box: tuple[float, float, float, float] | None = None) -> None:
    """The picture over the page, or over a box (left, bottom, width, height)."""
    left, bottom, width, height = box or (0, 0, *SIZE)
    canvas.drawImage(EmbeddedImage(image), left, bottom, width, height)


def shape(canvas: Canvas) -> None:
    """Something to see and nothing to read."""
    canvas.bezier(50, 50, 100, 250, 250, 20, 350, 250)


def encoded(image: Pillow.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A white grey-scale PNG of any size, written without ever holding its pixels."""
    packer = zlib.compressobj(9)
    row = b"\0" + b"\xff" * width
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def raw_pdf(contents: Sequence[bytes], *, packed: bool = False) -> bytes:
    """A PDF written by hand; `contents` are the content streams of its pages."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b""]
    kids = []
    for content in contents:
        filters = b""
        if packed:
            content, filters = zlib.compress(content, 9), b"/Filter/FlateDecode"
        objects.append(b"<</Length %d%s>>stream\n%s\nendstream" % (len(content), filters, content))
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 300]/Contents %d 0 R/Resources<</Font<</F1"
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(kids))
    result = b"%PDF-1.7\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(result))
        result += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    head = b"xref\n0 %d\n0000000000 65535 f \n%s" % (count, table)
    return result + head + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (count, len(result))


class FixedOcr:
    """Reads the same line on every picture."""

    def __init__(self, *, text: str = "read from pixels") -> None:
        self._text = text

    @property
    def recipe(self) -> str:
        return f"fixed {self._text}"

    def recognize(self, image: Image, *, dpi: float) -> list[Word]:
        height, width = (side // 10 for side in image.shape[:2])
        return [
            Word(
                text, Box(width * (1 + 2 * place), height, width * (2 + 2 * place), 2 * height), "fixed", 0.9
            )
            for place, text in enumerate(self._text.split())
        ]


class FailingOcr(FixedOcr):
    """Fails in the way it is told to."""

    def recognize(self, image: Image, *, dpi: float) -> list[Word]:
        if self._text == "exit":
            os._exit(9)
        if self._text == "hang":
            time.sleep(600)
        if self._text == "fill the memory":
            hoard = [np.ones(2**27, np.uint8) for _ in range(1_000)]
            assert not hoard
        raise RuntimeError(self._text)
