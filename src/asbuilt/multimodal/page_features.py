"""What a page looks like, as a vector that needs no weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asbuilt.modalities import Sight
from asbuilt.pages import Box, PageLayout
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import Image
from asbuilt.types import Vector

__all__ = ["PageFeaturesEncoder"]

_RECIPE = "page-features 1"
_ROWS, _COLUMNS = 8, 6
_BINS = 8
_DARK = 128
_STRIDE = 2
"""Every second pixel of a picture is looked at: a page at 72 dpi still has 125,000."""


@component("vision-encoder/page-features")
class PageFeaturesEncoder:
    """Where words, tables, lines and colour are on a page. No model is behind it.

    Seven blocks, each brought to length 1, so that none outweighs the others: the place of words, of
    tables and figures, of drawn lines; left edges of text; kinds of words and sizes of type; the
    place of ink and of colour, which pages without a picture lack.
    """

    def __init__(self) -> None: ...

    demand = staticmethod(holds_nothing)

    @property
    def name(self) -> str:
        return "page-features"

    @property
    def describes(self) -> str:
        return (
            "It knows what a page looks like (layout, lines, ink and colour), not what is depicted; no "
            "model is behind it."
        )

    @property
    def recipe(self) -> str:
        return _RECIPE

    def encode(self, picture: Image | None, page: PageLayout) -> Sight | None:
        """See the role. A page without words and without a picture cannot be seen."""
        if picture is None and not page.words:
            return None
        blocks = [*_layout(page), *_look(picture)]
        joined = np.concatenate([_unit(block) for block in blocks])
        length = float(np.linalg.norm(joined))
        return Sight(np.asarray(joined / length, np.float32)) if length else None

    def encode_query(self, query: str) -> Vector | None:
        """Always None: it cannot tell words from pictures."""
        return None


def _layout(page: PageLayout) -> list[NDArray[np.float64]]:
    words = _grid(page, [word.box for word in page.words])
    areas = _grid(page, [*(table.box for table in page.tables), *(figure.box for figure in page.figures)])
    lines = _grid(page, [Box(each.x0, each.y0, each.x1, each.y1).grown(1.0) for each in page.rulings])
    edges = np.histogram([line.box.left / page.width for line in page.lines], 2 * _BINS, (0, 1))[0]
    sizes = np.histogram([word.font_size or word.box.height for word in page.words], _BINS, (4, 28))[0]
    figures = sum(any(each.isdigit() for each in word.text) for word in page.words)
    bold = sum(word.bold for word in page.words)
    capitals = sum(word.text.isupper() and len(word.text) > 1 for word in page.words)
    kinds = np.array([figures, bold, capitals, len(page.words) / 4])
    return [
        np.sqrt(words),
        areas,
        np.sqrt(lines),
        np.sqrt(edges.astype(np.float64)),
        np.concatenate([_unit(np.sqrt(sizes.astype(np.float64))), _unit(kinds)]),
    ]


def _look(picture: Image | None) -> list[NDArray[np.float64]]:
    if picture is None:
        return [np.zeros(_ROWS * _COLUMNS), np.zeros(_ROWS * _COLUMNS + _BINS)]
    seen = picture[::_STRIDE, ::_STRIDE].astype(np.float64)
    ink = (seen.mean(axis=2) < _DARK).astype(np.float64)
    high, low = seen.max(axis=2), seen.min(axis=2)
    strength = np.divide(high - low, high, out=np.zeros_like(high), where=high > 0)
    middle = seen.mean(axis=2, keepdims=True)
    # The direction of a colour from grey, in the plane where hues lie, in eight sectors.
    red, green, blue = np.moveaxis(seen - middle, 2, 0)
    hue = np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)
    hues = np.histogram(hue, _BINS, (-np.pi, np.pi), weights=strength)[0]
    return [
        np.sqrt(_cells(ink)),
        np.concatenate([np.sqrt(_cells(strength)), np.sqrt(hues / max(1, strength.size))]),
    ]


def _cells(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of the cells of a grid over a picture, however small it is."""
    rows = np.minimum(np.arange(values.shape[0]) * _ROWS // values.shape[0], _ROWS - 1)
    columns = np.minimum(np.arange(values.shape[1]) * _COLUMNS // values.shape[1], _COLUMNS - 1)
    cell = rows[:, None] * _COLUMNS + columns[None, :]
    sums = np.bincount(cell.ravel(), values.ravel(), minlength=_ROWS * _COLUMNS)
    counts = np.bincount(cell.ravel(), minlength=_ROWS * _COLUMNS)
    return np.asarray(sums / np.maximum(counts, 1), np.float64)


def _grid(page: PageLayout, boxes: list[Box]) -> NDArray[np.float64]:
    """The share of each cell of a grid over the page that is under boxes."""
    shares = np.zeros((_ROWS, _COLUMNS))
    if not boxes:
        return shares.ravel()
    edges = np.array(boxes)
    xs = np.linspace(0, page.width, _COLUMNS + 1)
    ys = np.linspace(0, page.height, _ROWS + 1)
    wide = np.minimum(edges[:, 2:3], xs[1:]) - np.maximum(edges[:, 0:1], xs[:-1])
    high = np.minimum(edges[:, 3:4], ys[1:]) - np.maximum(edges[:, 1:2], ys[:-1])
    shares += np.einsum("nr,nc->rc", np.maximum(high, 0), np.maximum(wide, 0))
    return np.asarray(shares.ravel() / (page.width * page.height / shares.size), np.float64)


def _unit(block: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(block))
    return block / length if length else block
