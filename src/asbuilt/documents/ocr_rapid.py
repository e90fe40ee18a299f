"""PP-OCRv6 on ONNX Runtime, with what later steps need: exact boxes, confidences, other readings."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asbuilt.documents.ink import rulings
from asbuilt.documents.ocr_decode import Glyph, Steps, glyphs, readings
from asbuilt.documents.ocr_detect import TextLine, detect_lines
from asbuilt.documents.ocr_models import (
    DETECTOR,
    RECOGNIZER,
    OcrModels,
    model_file,
    models_version,
    open_models,
)
from asbuilt.documents.ocr_rows import in_rows
from asbuilt.documents.ocr_words import line_ink, line_words
from asbuilt.errors import UserError
from asbuilt.pages import Alternative, Box, Word
from asbuilt.registry import component
from asbuilt.resources.demand import Assumptions, Demand, MemoryPart
from asbuilt.roles import Image

__all__ = ["RapidOcr"]

_NAME = "rapidocr"
_HEIGHT = 48
_STEP = 8
_MAX_RATIO = 120
"""Lines longer than this many heights are read squeezed to it."""
_RULING = 0.75
"""Inches from which on a ruling is painted over."""
_LEAST_DPI = 72.0
_STROKE = 1.6 * _STEP
_NARROWEST, _WIDEST = 0.7, 1.2
_SHARP = 23
"""How wide a line is read: at `_STROKE` pixels, 1.6 time steps, for a stroke of a letter (at 1.1 narrow
fonts lose characters), as the time goes with the width. But small print, of less than `_SHARP` pixels,
is not made narrower, and wider when the crop is much higher than its ink."""


_MIB = 1 << 20
_RUNTIME_BYTES = 52 * _MIB
_WEIGHTS_RATIO = 3.5
_PAGE_BYTES = 574 * _MIB
"""Measured once (x86-64, Python 3.11, two threads): opening both models takes 104 MiB for files of 30,
a page up to 574 while its lines are looked for, 300 of which stay."""


@component("ocr/rapidocr")
class RapidOcr:
    """Words of a page by PP-OCRv6 small (about 50 languages, weights in the wheel of rapidocr).

    `min_confidence` drops lines that are read with less, which are mostly pictures. A picture of more
    than `max_megapixels` is read from a smaller copy. `threads` None takes all cores.
    """

    def __init__(
        self, *, min_confidence: float = 0.5, max_megapixels: float = 24.0, threads: int | None = None
    ) -> None:
        self._min_confidence = min_confidence
        self._max_megapixels = max_megapixels
        self._threads = threads
        self._models: OcrModels | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._opening = Lock()

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:  # noqa: ARG004
        """See `asbuilt.resources.demand`."""
        size = sum(model_file(name).stat().st_size for name in (DETECTOR, RECOGNIZER))
        return Demand(
            (
                MemoryPart("ONNX Runtime", _RUNTIME_BYTES, "measured: libraries", shared="onnxruntime"),
                MemoryPart("weights", round(size * _WEIGHTS_RATIO), "size of the files"),
                MemoryPart("a page", _PAGE_BYTES, "measured: A4 at 200 dpi, 60 lines", when="ingesting"),
            )
        )

    @property
    def recipe(self) -> str:
        """See the role. Raises MissingError without the extra."""
        return (
            f"{_NAME} {models_version()}, {DETECTOR}, {RECOGNIZER}, words 1, "
            f"confidence >= {self._min_confidence:g}, <= {self._max_megapixels:g} megapixels"
        )

    def open(self) -> None:
        """See that the models are there. They are loaded with the first picture, as readers send an
        Ocr to a process of their own. Raises MissingError without the extra."""
        for name in (DETECTOR, RECOGNIZER):
            model_file(name)

    def _load(self) -> None:
        with self._opening:
            if self._models is None:
                threads = self._threads or os.cpu_count() or 1
                self._pool = ThreadPoolExecutor(threads, thread_name_prefix=_NAME)
                self._models = open_models(threads=threads)

    def close(self) -> None:
        """Let go of the models."""
        if self._pool is not None:
            self._pool.shutdown()
        self._models = self._pool = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_models": None, "_pool": None, "_opening": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _opening=Lock())

    def recognize(self, image: Image, *, dpi: float) -> list[Word]:
        """See the role. Raises UserError for what is no picture, MissingError without the extra."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise UserError(f"OCR reads pictures of shape (height, width, 3), not {image.shape}.")
        self._load()
        assert self._models is not None
        assert self._pool is not None
        models = self._models
        scale = min(1.0, math.sqrt(self._max_megapixels * 1e6 / (image.shape[0] * image.shape[1])))
        if scale < 1.0:
            image = _resized(image, scale)
        image = _without_rulings(image, max(dpi * scale, _LEAST_DPI))
        lines = detect_lines(models.detector, image)
        # The longest first, so that no thread is left with one at the end.
        lines.sort(key=lambda line: (-line.width / line.height, line.y, line.x))
        readings = self._pool.map(lambda line: self._read(models, image, line), lines)
        return [_placed(word, image, scale) for word in in_rows(readings)]

    def _read(self, models: OcrModels, image: Image, line: TextLine) -> list[Word]:
        """The best of the ways to hold the line; empty when nothing can be read."""
        turns = (0, 1, 3) if line.height > 1.5 * line.width else (0,)
        found = [self._read_turned(models, image, line, turn) for turn in turns]
        mean, words = max(found, key=lambda each: each[0])
        return words if mean >= self._min_confidence else []

    def _read_turned(
        self, models: OcrModels, image: Image, line: TextLine, turn: int
    ) -> tuple[float, list[Word]]:
        """Mean probability of the characters, and words. `turn`: quarter turns anticlockwise first."""
        import cv2

        crop, to_page = _crop(image, line, turn)
        ink = line_ink(np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.uint8))
        columns = _columns(ink)
        resized = np.asarray(cv2.resize(crop, (columns, _HEIGHT)), np.uint8)
        steps = self._run(models, resized)
        read = glyphs(steps, models.characters)
        if not read:
            return 0.0, []
        mean = float(np.mean([glyph.probability for glyph in read]))
        step = _STEP * crop.shape[1] / columns
        words: list[Word] = []
        for part in line_words(read, ink, step=step):
            word = read[part.first : part.end]
            own = slice(word[0].first, word[-1].end)
            best, *others = readings(Steps(steps.probabilities[own], steps.classes[own]), models.characters)
            words.append(
                Word(
                    _plain(best.text, read),
                    _moved(part.box, to_page),
                    _NAME,
                    round(best.probability, 3),
                    alternatives=tuple(
                        Alternative(_plain(text, read), round(probability, 3)) for text, probability in others
                    ),
                )
            )
        return mean, words

    def _run(self, models: OcrModels, crop: Image) -> Steps:
        # Zero is the grey that the recogniser was trained to see to the right of a line.
        padded = np.zeros((1, 3, _HEIGHT, math.ceil(crop.shape[1] / _STEP) * _STEP), np.float32)
        padded[0, :, :, : crop.shape[1]] = crop[:, :, ::-1].transpose(2, 0, 1) * np.float32(2 / 255) - 1
        probabilities, classes = models.recognizer.run(None, {"x": padded})
        return Steps(probabilities, classes)


def _resized(image: Image, scale: float) -> Image:
    import cv2

    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _crop(image: Image, line: TextLine, turn: int) -> tuple[Image, NDArray[np.float64]]:
    """The line's picture, and the 2x3 matrix from its pixels to the page's."""
    import cv2

    width, height = max(1, round(line.width)), max(1, round(line.height))
    angle = math.radians(line.angle)
    cos, sin = math.cos(angle), math.sin(angle)
    left = line.x - (cos * width - sin * height) / 2
    top = line.y - (sin * width + cos * height) / 2
    if abs(line.angle) * width < 57.3 * 2:
        # Less than two pixels over the line: cut out without blurring.
        left, top = round(line.x - width / 2), round(line.y - height / 2)
        x0, y0 = max(0, left), max(0, top)
        x1, y1 = min(image.shape[1], left + width), min(image.shape[0], top + height)
        x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
        to_page = np.array([[1.0, 0.0, x0], [0.0, 1.0, y0]])
        crop = image[y0:y1, x0:x1]
    else:
        to_page = np.array([[cos, -sin, left], [sin, cos, top]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        turned = cv2.warpAffine(image, to_page, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        crop = np.asarray(turned, np.uint8)
    if turn:
        rows, columns = crop.shape[:2]
        crop = np.ascontiguousarray(np.rot90(crop, turn))
        back = (
            np.array([[0.0, -1.0, columns], [1.0, 0.0, 0.0]])
            if turn == 1
            else np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, rows]])
        )
        to_page = np.column_stack((to_page[:, :2] @ back[:, :2], to_page[:, :2] @ back[:, 2] + to_page[:, 2]))
    return crop, to_page


def _without_rulings(image: Image, dpi: float) -> Image:
    """Long rulings painted over with what is beside them: the side of a cell would be read as "|" or "1"."""
    found = rulings(image, dpi=dpi)
    cleaned = image.copy() if found else image
    height, width = image.shape[:2]
    for line in found:
        if max(line.x1 - line.x0, line.y1 - line.y0) < _RULING * dpi:
            continue
        half = line.width / 2 + 1.5
        left, right = max(0, int(line.x0 - half)), min(width, math.ceil(line.x1 + half))
        top, bottom = max(0, int(line.y0 - half)), min(height, math.ceil(line.y1 + half))
        if line.horizontal:
            beside = image[[max(0, top - 1), min(height - 1, bottom)], left:right]
            cleaned[top:bottom, left:right] = beside.max(axis=0)
        else:
            beside = image[top:bottom, [max(0, left - 1), min(width - 1, right)]]
            cleaned[top:bottom, left:right] = beside.max(axis=1)[:, None]
    return cleaned


def _columns(ink: NDArray[np.bool_]) -> int:
    """The width at which a line is read."""
    height, width = (int(each) for each in ink.shape)
    own = min(max(1.0, width / height), _MAX_RATIO) * float(_HEIGHT)
    rows = np.flatnonzero(ink.any(axis=1))
    high = int(rows[-1] - rows[0] + 1) if len(rows) else height
    if high < _SHARP:
        return max(_STEP, round(own * min(max(1.0, 0.8 * height / high), _WIDEST)))
    rises = np.count_nonzero(np.diff(ink.astype(np.int8), axis=1) == 1, axis=1)
    strokes = float(np.percentile(rises, 90))
    return max(_STEP, round(max(min(own, _STROKE * strokes), _NARROWEST * own)))


def _moved(box: Box, to_page: NDArray[np.float64]) -> Box:
    corners = np.array(
        [(box.left, box.top), (box.right, box.top), (box.left, box.bottom), (box.right, box.bottom)]
    )
    x, y = to_page[:, :2] @ corners.T + to_page[:, 2:]
    return Box(float(x.min()), float(y.min()), float(x.max()), float(y.max()))


_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


def _plain(text: str, line: Sequence[Glyph]) -> str:
    """Full-width signs are plain ones where the line has no wide script: the recogniser mixes them."""
    wide = any("\u2e80" <= glyph.text < "\ufb00" for glyph in line)
    return text if wide else text.translate(_FULL_WIDTH)


def _placed(word: Word, image: Image, scale: float) -> Word:
    """With its box inside of the page, in pixels of the page as it was given."""
    height, width = image.shape[:2]
    left, top = min(max(word.box.left, 0.0), width - 1), min(max(word.box.top, 0.0), height - 1)
    right, bottom = min(max(word.box.right, left + 1), width), min(max(word.box.bottom, top + 1), height)
    box = Box(left / scale, top / scale, right / scale, bottom / scale).rounded()
    return Word(word.text, box, word.reader, word.confidence, alternatives=word.alternatives)
