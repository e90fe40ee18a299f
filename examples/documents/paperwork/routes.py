"""The ways by which a document comes: as a PDF, as pictures that scanners make of it, as an Office file."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from random import Random
from typing import Literal

import numpy as np
import pypdfium2
from PIL import Image, ImageFilter

from paperwork.office import as_docx, as_xlsx
from paperwork.sheet import Made

__all__ = ["ROUTES", "Route", "routed"]

Route = Literal["text", "clean", "scan", "turned", "docx", "xlsx"]
ROUTES: tuple[Route, ...] = ("text", "clean", "scan", "turned", "docx", "xlsx")
"""text: the PDF as it was made; clean: a picture of it; scan: a mildly worn one (skew, blur, noise, grey
paper, JPEG); turned: the worn one upside down; docx, xlsx: the same in an Office file."""

DPI = 200


def routed(made: Made, route: Route, *, seed: int = 0) -> Made:
    """The same document by another way. Truth stays in points of the upright page; Office files have the
    truth's words in their own order."""
    if route == "text":
        return made
    if route in ("docx", "xlsx"):
        return as_docx(made) if route == "docx" else as_xlsx(made)
    document = pypdfium2.PdfDocument(made.data)
    pictures = [page.render(scale=DPI / 72).to_pil().convert("RGB") for page in document]
    document.close()
    if route != "clean":
        pictures = [
            _worn(picture, Random(f"{made.name} {seed} {number}")) for number, picture in enumerate(pictures)
        ]
    if route == "turned":
        pictures = [picture.rotate(180) for picture in pictures]
    buffer = io.BytesIO()
    dated = time.gmtime(0)  # else the file would say when it was made
    pictures[0].save(
        buffer,
        "PDF",
        resolution=DPI,
        save_all=True,
        append_images=pictures[1:],
        quality=80,
        creationDate=dated,
        modDate=dated,
    )
    return replace(made, name=made.name.replace(".pdf", f"-{route}.pdf"), data=buffer.getvalue())


def _worn(picture: Image.Image, random: Random) -> Image.Image:
    angle = random.uniform(-1.5, 1.5)
    picture = picture.rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor=(255, 255, 255))
    picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0.4, 0.9)))
    grain = np.random.default_rng(random.randrange(2**32))
    pixels = np.asarray(picture, float)
    paper = random.uniform(225, 250)
    shade = np.linspace(1.0, random.uniform(0.88, 0.97), pixels.shape[1])[None, :, None]
    pixels = (20 + pixels * (paper - 20) / 255) * shade + grain.normal(0, random.uniform(2, 6), pixels.shape)
    worn = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    buffer = io.BytesIO()
    worn.save(buffer, "JPEG", quality=random.randrange(55, 80))
    return Image.open(buffer).convert("RGB")
