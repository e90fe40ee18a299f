"""A hand-made document, schema and extraction that the tests of proof and export share."""

from __future__ import annotations

import io
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from reportlab.pdfgen.canvas import Canvas

from asbuilt.extraction.schema import load_schema
from asbuilt.fields import (
    Candidate,
    ConstraintOutcome,
    Evidence,
    ExtractedValue,
    Extraction,
    FieldKind,
    Searched,
)
from asbuilt.pages import Box, PageLayout
from asbuilt.testing.sketch import sketch_page

SOURCE: dict[str, Any] = {
    "title": "Invoice",
    "type": "object",
    "required": ["number"],
    "x-constraints": ["sum(lines[].amount) == total"],
    "properties": {
        "number": {"type": "string"},
        "total": {"type": "number"},
        "note": {"type": "string"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"item": {"type": "string"}, "amount": {"type": "number"}},
            },
        },
    },
}
SCHEMA = load_schema(SOURCE)
PAGE = sketch_page("""
Invoice No   INV-4711

Item         Amount
Oak shelf    1,200.00
=cmd()       34.50

Total        1,234.50
""")
CONTENT_HASH = sha256(b"the file").hexdigest()


def found(
    path: str, kind: FieldKind, value: object, words: Sequence[int], page: PageLayout = PAGE
) -> ExtractedValue:
    """A value of `page` that stands in these words."""
    quote = " ".join(page.words[number].text for number in words)
    reader = page.words[words[0]].reader
    evidence = Evidence(page.number, tuple(words), page.boxes(words), quote, reader)
    return ExtractedValue(
        path,
        kind,
        "found",
        value,
        0.97,
        evidence,
        "layout",
        "beside it",
        {"score": 0.9},
    )


def invoice(page: PageLayout = PAGE, *, document: str = "invoice.pdf") -> Extraction:
    """Every status, a list, a rival, a constraint."""
    rival = Candidate("total", 34.5, "34.50", page.number, (9,), "model", 0.4, "in the last line")
    conflict = found("total", "number", 1234.5, (11,), page)
    total = ExtractedValue(
        conflict.path, "number", "conflict", 1234.5, 0.6, conflict.evidence, "layout", "right of 'Total'",
        rivals=(rival,),
    )  # fmt: skip
    missing = ExtractedValue(
        "note",
        "string",
        "not_found",
        confidence=0.99,
        searched=(Searched(1, Box(36, 36, 99, 50), "right of 'Note'"),),
    )
    values = (
        found("number", "string", "INV-4711", (2,), page),
        total,
        missing,
        found("lines[0].item", "string", "Oak shelf", (5, 6), page),
        found("lines[0].amount", "number", 1200.0, (7,), page),
        found("lines[1].item", "string", "=cmd()", (8,), page),
        found("lines[1].amount", "number", 34.5, (9,), page),
    )
    data = {
        "number": "INV-4711",
        "total": 1234.5,
        "note": None,
        "lines": [{"item": "Oak shelf", "amount": 1200.0}, {"item": "=cmd()", "amount": 34.5}],
    }
    outcome = ConstraintOutcome("sum(lines[].amount) == total", True)
    return Extraction(document, CONTENT_HASH, SCHEMA.digest, values, data, (outcome,), flags=("page 1: odd",))


def pdf_of(page: PageLayout) -> bytes:
    """A PDF whose page looks as the sketch: Courier is as wide as the sketch's pitch."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(page.width, page.height), invariant=True)
    canvas.setFont("Courier", 10)
    for word in page.words:
        canvas.drawString(word.box.left, page.height - word.box.bottom + 2, word.text)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def scan_of(page: PageLayout, *, dpi: float = 200.0) -> bytes:
    """The same as a picture in a PNG file."""
    scale = dpi / 72
    picture = Pillow.new("RGB", (round(page.width * scale), round(page.height * scale)), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(10 * scale)
    for word in page.words:
        pen.text((word.box.left * scale, word.box.top * scale), word.text, fill="black", font=font)
    out = io.BytesIO()
    picture.save(out, "PNG", dpi=(dpi, dpi))
    return out.getvalue()
