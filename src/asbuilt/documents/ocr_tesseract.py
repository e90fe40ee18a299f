"""Tesseract, where it is installed: a second reader that is built quite differently from the first."""

from __future__ import annotations

import io
import math
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import PIL.Image

from asbuilt.documents.ocr_rows import in_rows
from asbuilt.errors import MissingError, UserError, WorldError
from asbuilt.pages import Box, Word
from asbuilt.registry import component
from asbuilt.resources.demand import Assumptions, Demand, MemoryPart
from asbuilt.roles import Image

__all__ = ["TesseractOcr"]

_NAME = "tesseract"
_WORD = "5"
_MIB = 1 << 20


@component("ocr/tesseract")
class TesseractOcr:
    """Words of a page by the program `tesseract`, in a process of its own for each page.

    `languages` are names of its language packs, joined by "+" ("eng+deu"). A page that takes longer
    than `timeout_s` is an error.
    """

    def __init__(
        self, *, languages: str = "eng", timeout_s: float = 60.0, max_megapixels: float = 24.0
    ) -> None:
        self._languages = languages
        self._timeout_s = timeout_s
        self._max_megapixels = max_megapixels

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:  # noqa: ARG004
        """See `asbuilt.resources.demand`."""
        size = 130 * _MIB
        return Demand(
            (MemoryPart("the program on a page", size, "measured: A4 at 200 dpi", when="ingesting"),)
        )

    @property
    def recipe(self) -> str:
        """See the role. Raises MissingError without the program."""
        return f"{self._version}, {self._languages}, <= {self._max_megapixels:g} megapixels"

    def open(self) -> None:
        """Find the program and its language packs. Raises MissingError."""
        listed = self._run(["--list-langs"]).decode(errors="replace").split("\n")[1:]
        for language in self._languages.split("+"):
            if language not in (each.strip() for each in listed):
                raise MissingError(
                    f"tesseract has no language pack {language!r}.",
                    hint=f"Run: sudo apt install tesseract-ocr-{language.replace('_', '-')}",
                )

    def close(self) -> None:
        """Nothing is held between pages."""

    def recognize(self, image: Image, *, dpi: float) -> list[Word]:
        """See the role. Raises WorldError when the program fails or takes too long."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise UserError(f"OCR reads pictures of shape (height, width, 3), not {image.shape}.")
        picture = PIL.Image.fromarray(image).convert("L")
        step = math.ceil(math.sqrt(image.shape[0] * image.shape[1] / (self._max_megapixels * 1e6)))
        data = io.BytesIO()
        picture.reduce(step).save(data, "PPM")
        resolution = str(round(max(70.0, dpi / step)))
        arguments = ["-", "-", "-l", self._languages, "--dpi", resolution, "tsv"]
        table = self._run(arguments, data=data.getvalue()).decode("utf-8", errors="replace")
        lines: dict[tuple[str, ...], list[Word]] = {}
        for row in table.split("\n"):
            cells = row.split("\t")
            word = _word(cells, step, image.shape[1], image.shape[0])
            if word is not None:
                lines.setdefault(tuple(cells[1:5]), []).append(word)
        return in_rows(lines.values())

    @cached_property
    def _version(self) -> str:
        return self._run(["--version"]).decode(errors="replace").split("\n", 1)[0].strip()

    def _run(self, arguments: list[str], *, data: bytes = b"") -> bytes:
        program = shutil.which("tesseract")
        if program is None:
            raise MissingError(
                "the program tesseract is not installed.", hint="Run: sudo apt install tesseract-ocr"
            )
        try:
            done = subprocess.run(
                [program, *arguments],
                input=data,
                capture_output=True,
                timeout=self._timeout_s,
                # Its threads wait for one another more than they compute.
                env={**os.environ, "OMP_THREAD_LIMIT": "1"},
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise WorldError(f"tesseract took more than {self._timeout_s:g} s for a page.") from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().split("\n")[-1]
            raise WorldError(f"tesseract ended with {done.returncode}: {said}")
        return done.stdout


def _word(cells: list[str], step: int, width: int, height: int) -> Word | None:
    """A row of the table: level, five numbers of its place in the page, box, confidence, text."""
    if len(cells) < 12 or cells[0] != _WORD or not cells[11].strip():
        return None
    left, top, wide, high = (int(each) * step for each in cells[6:10])
    box = Box(
        float(min(left, width - 1)),
        float(min(top, height - 1)),
        float(min(max(left + wide, left + 1), width)),
        float(min(max(top + high, top + 1), height)),
    )
    confidence = min(1.0, max(0.0, float(cells[10]) / 100))
    return Word("".join(cells[11].split()), box, _NAME, round(confidence, 3))
