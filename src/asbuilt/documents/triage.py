"""Which source to believe for a page: its text layer, its pixels, or each for a part.

A text layer is data that nobody sees. Words without ink where they claim to stand are left out; a
layer of characters that no language has is not used; one that lies over or under a picture of the
page is compared with the picture. All but the comparison looks at the layer and at one small grey
rendering, so that an honest page costs a few milliseconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asbuilt.documents.pdf_marks import Drawing, Placed
from asbuilt.documents.pdf_text import LayerWord, TextLayer
from asbuilt.pages import Box

__all__ = ["Triage", "garbled", "has_ink", "looks_like_text", "triage"]

_CONTRAST = 10  # grey levels of 255 between ink and ground: fainter is not seen

_REGION = 0.02  # share of the page below which a picture is not searched for text
_RECENT = 100  # words of one text that a second printing is looked for among
_COVERED = 0.6  # share of a word's box
_NOT_TEXT = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f\x7f-\x9f]")
_LATIN_WORD = re.compile(r"[A-Za-z]{4,}")
_VOWELS = re.compile("[aeiouyAEIOUY]")


@dataclass(frozen=True, slots=True)
class Triage:
    """`words`: those of the layer that can be believed. `whole`: read the page from its pixels.
    `regions`: parts to read from the pixels besides. `compare`: believe the words only if a few lines
    of them agree with the pixels."""

    words: tuple[LayerWord, ...] = ()
    whole: bool = False
    regions: tuple[Box, ...] = ()
    compare: bool = False
    flags: tuple[str, ...] = ()


def triage(
    layer: TextLayer, drawing: Drawing, page: Box, grey: NDArray[np.uint8], *, scale: float = 1.0
) -> Triage:
    """`grey` shows the page, `scale` pixels a point; `page` is its box, as shown."""
    flags = ["text layer is too long: cut"] if layer.cut else []
    on_page = [word for word in layer.words if _mostly_inside(word.word.box, page)]
    _note(flags, len(layer.words) - len(on_page), "off the page")
    bare = [word for word in on_page if not _is_covered(word, drawing)]
    words = _without_doubles(bare)
    straight = [word for word in words if _along_an_axis(word.angle)]
    if len(straight) < len(words) / 2:
        return Triage(whole=True, flags=(*flags, "text layer is slanted: read from the pixels"))
    if slanted := [word.word.text for word in words if not _along_an_axis(word.angle)]:
        flags.append(f"slanted text left out: {' '.join(slanted)[:60]!r}")
    claims, plain = _split_claims(straight, drawing)
    # On a page that is shown much smaller, letters are too faint to be missed.
    seen = plain if scale < 0.5 else [word for word in plain if has_ink(grey, word.word.box, scale=scale)]
    _note(flags, len(on_page) - len(bare) + len(plain) - len(seen), "that cannot be seen")
    if not seen and not claims:
        return Triage(whole=_any_ink(grey), flags=tuple(flags))
    if garbled([*seen, *claims]):
        return Triage(whole=True, flags=(*flags, "text layer is garbled: read from the pixels"))
    if len(claims) > len(seen):
        return Triage((*seen, *claims), compare=True, flags=tuple(flags))
    _note(flags, len(claims), "under a picture")
    regions = _unread_pictures(drawing.pictures, seen, claims, page, grey, scale)
    return Triage(tuple(seen), regions=regions, flags=tuple(flags))


def has_ink(grey: NDArray[np.uint8], box: Box, *, scale: float = 1.0) -> bool:
    """Whether anything stands out in the box; `grey` has `scale` pixels a point."""
    # Less what neighbours and rulings reach into from above and below.
    trim = 0.15 * box.height if box.height > 6 else 0.0
    left, right = max(0, int(box.left * scale)), math.ceil(box.right * scale)
    top, bottom = max(0, int((box.top + trim) * scale)), math.ceil((box.bottom - trim) * scale)
    part = grey[top : max(top + 1, bottom), left : max(left + 1, right)]
    if part.size == 0:
        return False
    middle = part[len(part) // 2].tobytes()  # of nearly all words one row tells, and bytes are quicker
    return max(middle) - min(middle) >= _CONTRAST or int(part.max()) - int(part.min()) >= _CONTRAST


def garbled(words: Sequence[LayerWord]) -> bool:
    """Whether the characters cannot be what is printed: fonts without a character map, codes of no
    script, or Latin words without vowels."""
    texts = [word.word.text for word in words]
    characters = sum(map(len, texts))
    if not characters:
        return False
    odd = sum(len(_NOT_TEXT.findall(text)) for text in texts)
    unmapped = sum(len(word.word.text) for word in words if not word.mapped)
    if (odd + unmapped) / characters > 0.2:
        return True
    latin = "".join(word for text in texts for word in _LATIN_WORD.findall(text))
    # Of the plain letters in languages with Latin script 33 % and more are vowels; of letters in the
    # codes of another font, or moved along the alphabet, as many as chance gives.
    return len(latin) >= 100 and len(_VOWELS.findall(latin)) < 0.28 * len(latin)


def looks_like_text(grey: NDArray[np.uint8]) -> bool:
    """Whether a picture, at 72 dpi, may hold lines of text: much of it one light or dark ground, and
    bands of rows that change often between ink and ground with calmer rows between them."""
    if min(grey.shape) < 8:
        return False
    step = np.abs(np.diff(grey.astype(np.int16), axis=1)) > 40
    ground = np.bincount(grey.ravel() >> 4, minlength=16).max() / grey.size
    changes = step.sum(axis=1)
    busy = changes >= max(6, 0.03 * grey.shape[1])
    bands = int(np.count_nonzero(np.diff(busy.astype(np.int8)) == 1)) + int(busy[0])
    return bool(ground > 0.35 and bands >= 1 and 0.02 < busy.mean() < 0.95)


def _note(flags: list[str], count: int, where: str) -> None:
    if count:
        flags.append(f"hidden text left out: {count} {'word' if count == 1 else 'words'} {where}")


def _any_ink(grey: NDArray[np.uint8]) -> bool:
    return int(grey.max()) - int(grey.min()) >= _CONTRAST


def _mostly_inside(box: Box, page: Box) -> bool:
    left, top, right, bottom = box
    if left >= 0 and top >= 0 and right <= page.right and bottom <= page.bottom:  # nearly all
        return True
    shared = box.overlap(page)
    return shared > 0 and shared >= 0.5 * box.area


def _along_an_axis(angle: float) -> bool:
    return min(angle % 90, 90 - angle % 90) <= 8


def _without_doubles(words: Sequence[LayerWord]) -> list[LayerWord]:
    """Shadows and bold type made by printing twice leave one word."""
    kept: dict[str, list[Box]] = {}
    result = []
    for word in words:
        box = word.word.box
        reach = 0.25 * max(1.0, min(box.width, box.height))
        others = kept.get(word.word.text)
        if others is None:
            kept[word.word.text] = [box]
        else:
            left, top = box.left, box.top
            if any(abs(left - x) <= reach and abs(top - y) <= reach for x, y, _, _ in others[-_RECENT:]):
                continue
            others.append(box)
        result.append(word)
    return result


def _split_claims(words: Sequence[LayerWord], drawing: Drawing) -> tuple[list[LayerWord], list[LayerWord]]:
    """Words that claim what a picture shows, as they are invisible on it or lie under it, and the
    others. What is invisible and on no picture is among the others, and will have no ink."""
    if not drawing.pictures:
        return [], list(words)
    claims, plain = [], []
    for word in words:
        box = word.word.box
        wanted = _COVERED * box.area
        over = [picture for picture in drawing.pictures if picture.box.overlap(box) >= wanted]
        order = drawing.orders.get(word.item, len(drawing.orders))
        if any(word.invisible or picture.order > order for picture in over):
            claims.append(word)
        else:
            plain.append(word)
    return claims, plain


def _is_covered(word: LayerWord, drawing: Drawing) -> bool:
    """Whether an opaque area was drawn over the word later: it cannot be seen, whatever stands there."""
    if not drawing.covers:
        return False
    box, order = word.word.box, drawing.orders.get(word.item, len(drawing.orders))
    return any(cover.order > order and cover.box.overlap(box) >= 0.8 * box.area for cover in drawing.covers)


def _unread_pictures(
    pictures: Sequence[Placed],
    seen: Sequence[LayerWord],
    claims: Sequence[LayerWord],
    page: Box,
    grey: NDArray[np.uint8],
    scale: float,
) -> tuple[Box, ...]:
    """Pictures that may hold text that the layer does not have."""
    regions = []
    for picture in pictures:
        box = picture.box
        if box.area < _REGION * page.area or min(box.width, box.height) < 12:
            continue
        inside = sum(word.word.box.area for word in seen if box.overlap(word.word.box) > 0)
        claimed = any(box.overlap(word.word.box) > 0 for word in claims)
        left, top, right, bottom = (int(edge * scale) for edge in box)
        part = grey[top : bottom + 1, left : right + 1]
        if claimed or (inside < 0.03 * box.area and looks_like_text(part)):
            regions.append(box)
    return tuple(regions)
