"""The text layer of a PDF page: words with boxes, as PDFium has them.

Words are found in PDFium's character list and measured by their first and last character: a call
through ctypes takes about a microsecond, and a page has thousands of characters.
"""

from __future__ import annotations

import ctypes
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from pypdfium2 import raw

from asbuilt.documents.pdf_file import PdfPage
from asbuilt.pages import Box, Word, union

__all__ = ["LayerWord", "TextLayer", "read_text_layer"]

# PDFium marks a hyphen at a line's end (it gives the two halves as one run) with one of these.
_LINE_END_HYPHENS = "\x02\ufffe"
_RUN = re.compile(rf"[^\s{_LINE_END_HYPHENS}]+[{_LINE_END_HYPHENS}]?|[{_LINE_END_HYPHENS}]")
_NOTHING = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\0"))
_CLEAN = _NOTHING | dict.fromkeys(map(ord, _LINE_END_HYPHENS), "-")
_LIGATURES = re.compile("[\ufb00-\ufb06]")
_BOLD = re.compile(r"bold|black|heavy|demi|BX\d", re.IGNORECASE)  # BX: TeX's bold extended
_FORCE_BOLD = 1 << 18  # bit 19 of a font descriptor's flags
_BOLD_WEIGHT = 700
_MAX_WORDS = 30_000
_SPACED_LETTERS = 4  # fewer may be the columns of a table, or initials


class _Style(NamedTuple):
    """What the words of one text object share. `angle`: degrees clockwise of the baseline as shown."""

    size: float
    bold: bool
    angle: float
    invisible: bool


class LayerWord(NamedTuple):
    """A word of the layer. `angle`: degrees clockwise of its baseline, as shown. `mapped`: the font
    says which characters its glyphs are. `item`: the address of its text object, by which
    `pdf_marks.Drawing.orders` knows when it is drawn."""

    word: Word
    angle: float
    invisible: bool
    mapped: bool
    item: int


@dataclass(frozen=True, slots=True)
class TextLayer:
    """Words in the file's order, on the page as shown. `turn`: degrees clockwise (0, 90, 180, 270) by
    which most characters are turned. `cut`: there is more than 30,000 words."""

    words: tuple[LayerWord, ...]
    turn: int
    cut: bool = False


def read_text_layer(page: PdfPage) -> TextLayer:
    """All words, hidden and off the page too."""
    text_page = raw.FPDFText_LoadPage(page.handle)
    if not text_page:
        return TextLayer((), 0)
    with closing(_Characters(page, text_page)) as characters:
        words: list[LayerWord] = []
        turns: Counter[int] = Counter()
        for run in _RUN.finditer(characters.text):
            for word in characters.words(*run.span()):
                words.append(word)
                turns[round(word.angle / 90) * 90 % 360] += len(word.word.text)
            if len(words) >= _MAX_WORDS:
                break
    turn = turns.most_common(1)[0][0] if turns else 0
    return TextLayer(tuple(_spaced_out(words)), turn, cut=len(words) >= _MAX_WORDS)


class _Characters:
    """PDFium's characters of one page."""

    def __init__(self, page: PdfPage, text_page: Any) -> None:
        self._page, self._text_page = page, text_page
        self._styles: dict[int, _Style] = {}
        self._rectangle = raw.FS_RECTF()
        self.text = self._read()

    def close(self) -> None:
        raw.FPDFText_ClosePage(self._text_page)

    def _read(self) -> str:
        count = max(0, raw.FPDFText_CountChars(self._text_page))
        buffer = (ctypes.c_ushort * (2 * count + 1))()
        written = max(1, raw.FPDFText_GetText(self._text_page, 0, count, buffer))
        text = bytes(buffer)[: 2 * (written - 1)].decode("utf-16-le", "replace")
        if len(text) == count:
            return text
        # The text leaves out characters without a meaning: only one by one do indexes agree.
        codes = (raw.FPDFText_GetUnicode(self._text_page, index) for index in range(count))
        return "".join(
            chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\0" for code in codes
        )

    def words(self, start: int, end: int) -> Iterator[LayerWord]:
        """The word that the run of characters [start, end) is; two or more where it is far wider than
        its letters, as when columns touch no blank."""
        item, style = self._style(start)
        box = self._loose(start)
        if end - start > 1:
            box = _around(box, self._loose(end - 1))
        if max(box.right - box.left, box.bottom - box.top) > 1.25 * style.size * (end - start) + 2:
            cuts = self._cuts(start, end, 0.8 * max(style.size, 1.0))
            if cuts:
                for first, last in zip((start, *cuts), (*cuts, end), strict=True):
                    yield from self.words(first, last)
                return
        text = self.text[start:end]
        if not text.isascii() or text.endswith("\x02"):
            text = _LIGATURES.sub(_letters_of, text.translate(_CLEAN))
        if not text or text.isspace():
            return
        across = box.width if abs(math.sin(math.radians(style.angle))) > 0.7 else box.height
        if not 0.4 * style.size <= across <= 2.5 * style.size:  # fonts lie about their height
            box = union(self._tight(index) for index in range(start, end))
        mapped = raw.FPDFText_HasUnicodeMapError(self._text_page, start) != 1
        word = Word(text, box.rounded(), font_size=style.size, bold=style.bold)
        yield LayerWord(word, style.angle, style.invisible, mapped, item)

    def _cuts(self, start: int, end: int, gap: float) -> tuple[int, ...]:
        """Where characters stand further apart than `gap`."""
        boxes = [self._loose(index) for index in range(start, end)]
        cuts = []
        for index, (before, after) in enumerate(pairwise(boxes), start + 1):
            across = max(after.left - before.right, before.left - after.right)
            down = max(after.top - before.bottom, before.top - after.bottom)
            if max(across, down) > gap:
                cuts.append(index)
        return tuple(cuts)

    def _loose(self, index: int) -> Box:
        rectangle = self._rectangle
        if not raw.FPDFText_GetLooseCharBox(self._text_page, index, ctypes.byref(rectangle)):
            return Box(0, 0, 0, 0)
        return self._page.shown_box(rectangle.left, rectangle.bottom, rectangle.right, rectangle.top)

    def _tight(self, index: int) -> Box:
        edges = [ctypes.c_double() for _ in range(4)]
        raw.FPDFText_GetCharBox(self._text_page, index, *map(ctypes.byref, edges))
        left, right, bottom, top = (edge.value for edge in edges)
        return self._page.shown_box(left, bottom, right, top)

    def _style(self, index: int) -> tuple[int, _Style]:
        item = raw.FPDFText_GetTextObject(self._text_page, index)
        address = ctypes.addressof(item.contents) if item else 0
        style = self._styles.get(address)
        if style is None or not address:
            style = self._styles[address] = self._new_style(index, item)
        return address, style

    def _new_style(self, index: int, item: Any) -> _Style:
        matrix = raw.FS_MATRIX(1, 0, 0, 1, 0, 0)
        raw.FPDFText_GetMatrix(self._text_page, index, ctypes.byref(matrix))
        size = raw.FPDFText_GetFontSize(self._text_page, index) * math.hypot(matrix.c, matrix.d)
        # Page coordinates point up and degrees here run clockwise, so the baseline's angle is negated.
        angle = -math.degrees(math.atan2(matrix.b, matrix.a)) + self._page.own_turn
        mode = raw.FPDFTextObj_GetTextRenderMode(item) if item else raw.FPDF_TEXTRENDERMODE_FILL
        return _Style(
            round(abs(size), 1),
            self._is_bold(index) or mode == raw.FPDF_TEXTRENDERMODE_FILL_STROKE,
            angle % 360,
            mode in (raw.FPDF_TEXTRENDERMODE_INVISIBLE, raw.FPDF_TEXTRENDERMODE_CLIP),
        )

    def _is_bold(self, index: int) -> bool:
        name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
        raw.FPDFText_GetFontInfo(self._text_page, index, name, len(name), ctypes.byref(flags))
        if _BOLD.search(name.value.decode("latin-1")) or flags.value & _FORCE_BOLD:
            return True
        return bool(raw.FPDFText_GetFontWeight(self._text_page, index) >= _BOLD_WEIGHT)


def _spaced_out(words: list[LayerWord]) -> Iterator[LayerWord]:
    """Words of which the letters were set apart (``T O T A L``) made one."""
    for single, group in groupby(words, lambda each: len(each.word.text) == 1 and each.word.text.isalpha()):
        letters = list(group)
        if not single or len(letters) < _SPACED_LETTERS:
            yield from letters
            continue
        run = letters[:1]
        for letter in letters[1:]:
            gap = letter.word.box.left - run[-1].word.box.right
            apart = run[1].word.box.left - run[0].word.box.right if len(run) > 1 else letter.word.font_size
            level = abs(letter.word.box.top - run[-1].word.box.top) < 0.2 * letter.word.font_size
            if level and 0 < gap <= 1.3 * apart:
                run.append(letter)
            else:
                yield from _one_word(run)
                run = [letter]
        yield from _one_word(run)


def _one_word(run: list[LayerWord]) -> Iterator[LayerWord]:
    if len(run) < _SPACED_LETTERS:
        yield from run
        return
    text = "".join(each.word.text for each in run)
    box = union(each.word.box for each in run)
    yield run[0]._replace(word=replace(run[0].word, text=text, box=box))


def _around(a: Box, b: Box) -> Box:
    return Box(min(a.left, b.left), min(a.top, b.top), max(a.right, b.right), max(a.bottom, b.bottom))


def _letters_of(ligature: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", ligature[0])
