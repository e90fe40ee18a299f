"""Pages and parts of pages that are read from their pixels."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from rapidfuzz import fuzz

from asbuilt.documents.ink import pictures as pictures_of
from asbuilt.documents.ink import rulings as rulings_of
from asbuilt.documents.upright import upright
from asbuilt.errors import MissingError, WorldError
from asbuilt.pages import Box, PageMarks, Ruling, Word, union
from asbuilt.roles import Image, Ocr

__all__ = ["PixelReaders", "read_region", "read_scan", "with_second"]

_SAMPLED_PARTS = 3
_ALIKE = 60.0  # rapidfuzz ratio of letters: OCR layers of poor scans reach 70 and more, other texts 40
_SAME_DIGITS = 90.0


class PixelReaders:
    """The OCR of a reader and its second one, opened when they are first needed."""

    def __init__(self, ocr: Ocr | None, second: Ocr | None) -> None:
        self._ocr, self._second = ocr, second
        self._open: list[Ocr] = []
        self.missing = ""
        if ocr is None:
            self.missing = "no OCR is installed, 'pip install asbuilt[ocr]' adds one"

    def read(self, image: Image, *, dpi: float) -> tuple[list[Word], tuple[str, ...]]:
        """Words of an upright picture, boxes in pixels, each with what the second reader has there if
        that differs; and a flag when the second reader failed.

        Raises MissingError when the package of either is not there.
        """
        words = self.read_once(image, dpi=dpi)
        if self._second is None:
            return words, ()
        try:
            return with_second(words, self._opened(self._second).recognize(image, dpi=dpi)), ()
        except WorldError as error:
            return words, (f"second reader failed: {error.message}",)

    def read_once(self, image: Image, *, dpi: float) -> list[Word]:
        """By the first reader alone."""
        if self._ocr is None:
            hint = "pip install asbuilt[ocr]"
            raise MissingError("pages are to be read from their pixels, and no OCR is installed.", hint=hint)
        return self._opened(self._ocr).recognize(image, dpi=dpi)

    @property
    def ocr(self) -> Ocr | None:
        """The first reader, open."""
        return None if self._ocr is None else self._opened(self._ocr)

    def agree(self, image: Image, words: Sequence[Word], *, dpi: float) -> bool:
        """Whether a few of the lines that `words` (in points) make read alike in the upright picture."""
        scale = dpi / 72
        for line in _sample(words):
            box = union(word.box for word in line).grown(2.0)
            part = _crop(image, box, scale)
            read = " ".join(word.text for word in self.read_once(part, dpi=dpi))
            stated = " ".join(word.text for word in line)
            if fuzz.ratio(_letters(read), _letters(stated)) < _ALIKE:
                return False
            digits = _digits(stated)
            if len(digits) >= 3 and fuzz.ratio(_digits(read), digits) < _SAME_DIGITS:
                return False
        return True

    def _opened(self, ocr: Ocr) -> Ocr:
        if not any(each is ocr for each in self._open):
            open_it: Any = getattr(ocr, "open", None)
            if open_it is not None:
                open_it()
            self._open.append(ocr)
        return ocr


def read_scan(
    image: Image, *, number: int, dpi: float, readers: PixelReaders, flags: tuple[str, ...] = ()
) -> PageMarks:
    """The marks of a page that is a picture, of any orientation and somewhat askew."""
    straight = upright(image, ocr=readers.ocr)
    words, failed = readers.read(straight.image, dpi=dpi)
    height, width = straight.image.shape[:2]
    scale = 72 / dpi
    return PageMarks(
        number,
        round(width * scale, 2),
        round(height * scale, 2),
        tuple(_in_points(word, scale) for word in words),
        tuple(_ruling_in_points(each, scale) for each in rulings_of(straight.image, dpi=dpi)),
        tuple(
            Box(*(edge * scale for edge in box)).rounded()
            for box in pictures_of(straight.image, words, dpi=dpi)
        ),
        kind="scan",
        rotation=straight.rotation,
        skew=straight.skew,
        flags=(*flags, *failed),
    )


def read_region(
    marks: PageMarks, image: Image, region: Box, *, dpi: float, readers: PixelReaders
) -> PageMarks:
    """`marks` with the words that a part of the page's upright picture shows and they do not have."""
    scale = dpi / 72
    part = _crop(image, region, scale)
    left, top = max(0, int(region.left * scale)), max(0, int(region.top * scale))
    found = []
    words, failed = readers.read(part, dpi=dpi)
    for word in words:
        box = Box(word.box.left + left, word.box.top + top, word.box.right + left, word.box.bottom + top)
        moved = _in_points(replace(word, box=box), 1 / scale)
        if not any(moved.box.overlap(known.box) > 0.5 * moved.box.area for known in marks.words):
            found.append(moved)
    marks = replace(marks, flags=(*marks.flags, *failed))
    if not found:
        return marks
    pictures = tuple(box for box in marks.pictures if box != region)
    return replace(marks, words=(*marks.words, *found), pictures=pictures, kind="mixed")


def with_second(words: Sequence[Word], others: Sequence[Word]) -> list[Word]:
    """`words`, each with what `others` have at its place where that differs ("" for nothing)."""
    groups = _groups(words, others)
    seconds: dict[int, str] = {}
    for mine, theirs in groups:
        stated = [words[index].text for index in mine]
        read = "".join(others[index].text for index in theirs)
        if "".join(stated) == read:
            continue
        seconds.update(zip(mine, _shared_out(stated, read), strict=True))
    return [
        word if seconds.get(index, word.text) == word.text else replace(word, second=seconds[index])
        for index, word in enumerate(words)
    ]


def _groups(words: Sequence[Word], others: Sequence[Word]) -> list[tuple[list[int], list[int]]]:
    """Numbers of words and of others that lie on one another, each group from left to right."""
    if not words:
        return []
    parent = list(range(len(words)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    theirs: dict[int, list[int]] = {}
    homes: list[tuple[int, int]] = []
    edges = np.array([word.box for word in words], dtype=float)
    for number, other in enumerate(others):
        box = other.box
        across = np.minimum(edges[:, 2], box.right) - np.maximum(edges[:, 0], box.left)
        down = np.minimum(edges[:, 3], box.bottom) - np.maximum(edges[:, 1], box.top)
        low = np.minimum(edges[:, 3] - edges[:, 1], box.height)
        narrow = np.minimum(edges[:, 2] - edges[:, 0], box.width)
        over = np.flatnonzero((across > 0.3 * narrow) & (down > 0.4 * low))
        if not len(over):
            continue
        for index in over[1:]:
            parent[root(int(index))] = root(int(over[0]))
        homes.append((int(over[0]), number))
    for index, number in homes:
        theirs.setdefault(root(index), []).append(number)
    mine: dict[int, list[int]] = {}
    for index in range(len(words)):
        mine.setdefault(root(index), []).append(index)
    return [
        (
            sorted(members, key=lambda index: words[index].box.left),
            sorted(theirs.get(top, []), key=lambda number: others[number].box.left),
        )
        for top, members in mine.items()
    ]


def _shared_out(parts: Sequence[str], text: str) -> list[str]:
    """`text` cut where the boundaries of `parts` lie in it, by the characters that agree."""
    if len(parts) == 1:
        return [text]
    whole = "".join(parts)
    places = [0] * (len(whole) + 1)
    for _, start, end, other_start, other_end in difflib.SequenceMatcher(
        None, whole, text, autojunk=False
    ).get_opcodes():
        for place in range(start, end + 1):
            share = (place - start) / (end - start) if end > start else 1.0
            places[place] = other_start + round(share * (other_end - other_start))
    cuts = [0]
    reached = 0
    for part in parts:
        reached += len(part)
        cuts.append(places[reached])
    cuts[-1] = len(text)
    return [text[start:end] for start, end in pairwise(cuts)]


def _sample(words: Sequence[Word]) -> list[list[Word]]:
    """The longest line and the one with most digits, which are what is forged, of each third."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda each: (each.box.top + each.box.bottom, each.box.left)):
        middle = (word.box.top + word.box.bottom) / 2
        if rows and rows[-1][0].box.top < middle < rows[-1][0].box.bottom:
            rows[-1].append(word)
        else:
            rows.append([word])
    share = max(1, -(-len(rows) // _SAMPLED_PARTS))
    chosen: list[list[Word]] = []
    for start in range(0, len(rows), share):
        part = rows[start : start + share]
        for row in (max(part, key=_length), max(part, key=_digit_count)):
            if row not in chosen:
                chosen.append(row)
    return [sorted(row, key=lambda word: word.box.left) for row in chosen]


def _length(row: Sequence[Word]) -> int:
    return sum(len(word.text) for word in row)


def _digit_count(row: Sequence[Word]) -> int:
    return sum(len(_digits(word.text)) for word in row)


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _crop(image: Image, box: Box, scale: float) -> Image:
    left, top = max(0, int(box.left * scale)), max(0, int(box.top * scale))
    return np.ascontiguousarray(image[top : int(box.bottom * scale) + 1, left : int(box.right * scale) + 1])


def _in_points(word: Word, scale: float) -> Word:
    box = Box(*(edge * scale for edge in word.box)).rounded()
    size = word.font_size * scale if word.font_size else 0.75 * box.height
    return replace(word, box=box, font_size=round(size, 1), confidence=round(word.confidence, 3))


def _ruling_in_points(ruling: Ruling, scale: float) -> Ruling:
    return Ruling(*(round(value * scale, 2) for value in ruling))
