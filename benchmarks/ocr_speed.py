"""Pixels to words: RapidOCR as it comes, asbuilt's reader on the same models, and Tesseract.

    python benchmarks/ocr_speed.py [--rounds 3] [--dpi 200] [--json]

Pages are drawn by this file (ReportLab, rendered by pdfium at `--dpi`), clean and as a mild scan: blur,
grey paper, noise, JPEG. Truth is the PDF's own text with the boxes of its glyphs. All three read the
same pixels in the same process, in turn; seconds are medians over the rounds, after one page to warm up.
CER counts characters of the whole page, line by line. A word counts as found when a word with its text
stands within half an inch; "box" is the largest error of its four edges, in pixels, at median and 95 %.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import psutil
import pypdfium2
from rapidfuzz.distance import Levenshtein
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from asbuilt.documents.ocr_rapid import RapidOcr
from asbuilt.documents.ocr_tesseract import TesseractOcr
from asbuilt.errors import MissingError
from asbuilt.pages import Box
from asbuilt.roles import Image, Ocr

Placed = tuple[str, Box]

FONTS = ("Helvetica", "Times-Roman", "Courier", "Helvetica-Bold")
TEXT = (
    "invoice number date total amount due net tax gross quantity unit price description payment bank "
    "account customer address street city country delivery order reference: No. VAT-ID the and which "
    "agreement parties shall within thirty days 1,234.50 12.00 INV-2026-0417 2026-11-23 EUR 0.19 % "
    "DE89 3704 0044 (see p. 3) A/S & Co. KG #42 $5.00 x2 www.example.org info@example.org +49 30 123456"
)
WORDS = TEXT.split()


@dataclass(frozen=True)
class Page:
    name: str
    image: Image
    words: list[Placed]


@dataclass(frozen=True)
class Result:
    page: str
    engine: str
    seconds: float
    cer: float
    found: float
    box_median: float
    box_95: float


def dense(canvas: Canvas, chance: random.Random, *, lines: int, size: float) -> None:
    for row in range(lines):
        font = chance.choice(FONTS)
        words: list[str] = []
        while stringWidth(" ".join(words), font, size) < 430:
            words.append(chance.choice(WORDS))
        canvas.setFont(font, size)
        canvas.drawString(50, 800 - row * 760 / lines, " ".join(words))


def invoice(canvas: Canvas, chance: random.Random) -> None:
    canvas.setFont("Helvetica-Bold", 18)
    canvas.drawString(50, 780, "INVOICE INV-2026-0417")
    columns = (50, 90, 330, 390, 460, 545)
    for row in range(24):
        y = 700 - 20 * row
        canvas.setFont("Helvetica", 9)
        canvas.line(50, y + 13, 545, y + 13)
        canvas.drawString(53, y, str(row + 1))
        canvas.drawString(93, y, " ".join(chance.choice(WORDS) for _ in range(4)))
        for right, amount in zip(columns[3:], ("7", "12.50", "1,087.50"), strict=True):
            digits = "".join(chance.choice("0123456789") if each.isdigit() else each for each in amount)
            canvas.drawRightString(right - 3, y, digits)
    for x in columns:
        canvas.line(x, 713, x, 233)


def receipt(canvas: Canvas, chance: random.Random) -> None:
    canvas.setPageSize((220, 420))
    canvas.setFont("Courier", 10)
    canvas.drawCentredString(110, 390, "CAFE CENTRAL")
    for row in range(12):
        canvas.drawString(12, 350 - 14 * row, chance.choice(("Espresso", "Bagel", "Tea", "Croissant")))
        canvas.drawRightString(208, 350 - 14 * row, f"{chance.random() * 30:.2f}")
    canvas.setFont("Courier-Bold", 14)
    canvas.drawString(12, 150, "TOTAL")
    canvas.drawRightString(208, 150, "141.37")


def render(name: str, draw: Callable[..., None], *, dpi: int, seed: int, **options: Any) -> Page:
    data = io.BytesIO()
    canvas = Canvas(data, pagesize=A4, invariant=True)
    draw(canvas, random.Random(seed), **options)
    canvas.save()
    page = pypdfium2.PdfDocument(data.getvalue())[0]
    scale, height = dpi / 72, page.get_height()
    image = np.ascontiguousarray(page.render(scale=scale, rev_byteorder=True).to_numpy()[:, :, :3])
    text = page.get_textpage()
    words: list[Placed] = []
    letters: list[tuple[str, Box]] = []

    def end_word() -> None:
        if letters:
            boxes = np.array([box for _, box in letters])
            box = Box(*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())
            words.append(("".join(each for each, _ in letters), box))
            letters.clear()

    for number in range(text.count_chars()):
        letter = text.get_text_range(number, 1)
        left, bottom, right, top = text.get_charbox(number)
        box = Box(left * scale, (height - top) * scale, right * scale, (height - bottom) * scale)
        if not letter.strip():
            end_word()
            continue
        if letters and box.top > letters[-1][1].bottom + 5:
            end_word()
        letters.append((letter, box))
    end_word()
    return Page(name, image, words)


def mild_scan(page: Page, *, seed: int) -> Page:
    noise = np.random.default_rng(seed).normal(0, 6, (*page.image.shape[:2], 1))
    grey = cv2.GaussianBlur(page.image, (0, 0), 0.8).astype(np.float32) * 0.9 + 12 + noise
    _, packed = cv2.imencode(".jpg", grey.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 60])
    image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return Page(f"{page.name}, scan", image, page.words)


def with_role(ocr: Ocr, dpi: int) -> Callable[[Image], tuple[list[Placed], list[Placed]]]:
    def read(image: Image) -> tuple[list[Placed], list[Placed]]:
        words = [(word.text, word.box) for word in ocr.recognize(image, dpi=dpi)]
        return words, words

    return read


def plain_rapidocr() -> Callable[[Image], tuple[list[Placed], list[Placed]]]:
    from rapidocr import RapidOCR

    logging.disable(logging.INFO)
    engine: Any = RapidOCR()

    def box(corners: Any) -> Box:
        points = np.asarray(corners, float)
        return Box(*points.min(axis=0).tolist(), *points.max(axis=0).tolist())

    def read(image: Image) -> tuple[list[Placed], list[Placed]]:
        said = engine(image[:, :, ::-1], return_word_box=True)
        if said.txts is None:
            return [], []
        lines = [(text, box(corners)) for text, corners in zip(said.txts, said.boxes, strict=True)]
        return lines, [(text, box(corners)) for line in said.word_results for text, _, corners in line]

    return read


def page_text(pieces: Sequence[Placed]) -> str:
    """Pieces in rows: a piece belongs to a row when its middle lies in the row's first piece."""
    rows: list[list[Placed]] = []
    for text, box in sorted(pieces, key=lambda each: each[1].top + each[1].bottom):
        middle = (box.top + box.bottom) / 2
        if rows and rows[-1][0][1].top <= middle <= rows[-1][0][1].bottom:
            rows[-1].append((text, box))
        else:
            rows.append([(text, box)])
    ordered = (sorted(row, key=lambda each: each[1].left) for row in rows)
    return "\n".join(" ".join(text for text, _ in row) for row in ordered)


def score(
    page: Page, engine: str, seconds: float, read: tuple[list[Placed], list[Placed]], dpi: int
) -> Result:
    lines, words = read
    truth = page_text(page.words)
    errors: list[float] = []
    for text, box in page.words:
        far = [
            max(abs(a - b) for a, b in zip(seen, box, strict=True)) for said, seen in words if said == text
        ]
        if far and min(far) <= dpi / 2:
            errors.append(min(far))
    distance = Levenshtein.distance(page_text(lines), truth) / len(truth)
    middle, high = np.percentile(errors, [50, 95]).tolist() if errors else (float("nan"),) * 2
    return Result(page.name, engine, seconds, distance, len(errors) / len(page.words), middle, high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dpi", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    clean = [
        render("dense, 45 lines of 10 pt", dense, dpi=given.dpi, seed=101, lines=45, size=10),
        render("small print, 60 lines of 7 pt", dense, dpi=given.dpi, seed=102, lines=60, size=7),
        render("invoice", invoice, dpi=given.dpi, seed=103),
        render("receipt", receipt, dpi=given.dpi, seed=104),
    ]
    pages = [each for page in clean for each in (page, mild_scan(page, seed=7))]
    ours = RapidOcr()
    ours.open()
    engines = {"asbuilt": with_role(ours, given.dpi), "RapidOCR": plain_rapidocr()}
    tesseract = TesseractOcr()
    try:
        tesseract.open()
        engines["Tesseract"] = with_role(tesseract, given.dpi)
    except MissingError as error:
        print(error)
    for read in engines.values():
        read(clean[-1].image)
    results: list[Result] = []
    for page in pages:
        seconds: dict[str, list[float]] = {name: [] for name in engines}
        said: dict[str, tuple[list[Placed], list[Placed]]] = {}
        for _ in range(given.rounds):
            for name, read in engines.items():
                start = time.perf_counter()
                said[name] = read(page.image)
                seconds[name].append(time.perf_counter() - start)
        results += [
            score(page, name, statistics.median(seconds[name]), said[name], given.dpi) for name in engines
        ]
    if given.json:
        print(json.dumps([vars(each) for each in results]))
        return
    print(f"{'page':36} {'engine':10} {'seconds':>8} {'CER %':>7} {'words %':>8} {'box':>5} {'95 %':>6}")
    for each in results:
        print(
            f"{each.page:36} {each.engine:10} {each.seconds:8.2f} {each.cer * 100:7.2f} "
            f"{each.found * 100:8.1f} {each.box_median:5.1f} {each.box_95:6.1f}"
        )
    print(f"{psutil.cpu_count()} cores, {psutil.Process().memory_info().rss / 2**20:.0f} MiB resident")


if __name__ == "__main__":
    main()
