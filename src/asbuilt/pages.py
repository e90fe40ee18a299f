"""A page as it was read: words with boxes, and the structure that they form.

Every format becomes such pages, a sheet or an e-mail too, so that whatever looks for a value, cites
a place or draws an overlay knows one geometry. Lengths are points (1/72 inch) from the top left
corner of the page as a reader holds it: upright, skew removed. Words stand in reading order, and
lines, blocks and cells are ranges of them. Offsets are character offsets into the page's text.

Frozen, pure values; `page_to_json` and `page_from_json` are their one form on disk and in pipes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

__all__ = [
    "Alternative",
    "Block",
    "BlockKind",
    "Box",
    "Cell",
    "Figure",
    "Line",
    "PageKind",
    "PageLayout",
    "PageMarks",
    "Ruling",
    "Table",
    "Word",
    "page_from_json",
    "page_to_json",
    "union",
]

BlockKind = Literal["heading", "paragraph", "list", "table", "figure", "caption", "header", "footer"]
PageKind = Literal["text", "scan", "mixed", "drawn"]
"""Where a page's words come from: its text layer, its pixels, both; "drawn" has no look of its own
(a sheet, a Word file, an e-mail) and its boxes are a layout that asbuilt gave it."""


class Box(NamedTuple):
    """A rectangle; `top` < `bottom`, as y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    def overlap(self, other: Box) -> float:
        """Area of the intersection."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        shared = self.overlap(other)
        together = self.area + other.area - shared
        return shared / together if together > 0 else 0.0

    def grown(self, by: float) -> Box:
        """Larger by `by` on every side."""
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def rounded(self) -> Box:
        """To hundredths of a point: what is stored, so that a rerun is equal to the byte."""
        return Box(*(round(edge, 2) for edge in self))


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box around all of them (at least one)."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))


class Alternative(NamedTuple):
    """Another reading of a word that its reader thought possible, with the reader's probability."""

    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Word:
    """A run of characters without blanks, as one reader saw it.

    `reader` is "text-layer", an OCR component's name ("rapidocr", "tesseract"), or "file" for
    formats that state their text. `confidence` is the reader's own (0 to 1; 1 where it has none).
    ``page.text[start : start + len(text)] == text``. `place` is where drawn pages have it from, for
    example "Sheet1!B4". `second` is what the second reader read at this place when it disagrees.
    """

    text: str
    box: Box
    reader: str = "text-layer"
    confidence: float = 1.0
    start: int = 0
    font_size: float = 0.0
    bold: bool = False
    alternatives: tuple[Alternative, ...] = ()
    second: str | None = None
    place: str = ""

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class Line(NamedTuple):
    """Words [first, end) on one baseline."""

    first: int
    end: int
    box: Box


@dataclass(frozen=True, slots=True)
class Block:
    """Words [first, end) that belong together. `level` is a heading's, from 1; `item` the number of
    its table or figure in `PageLayout.tables` or `figures`."""

    kind: BlockKind
    first: int
    end: int
    box: Box
    level: int = 0
    item: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """Words [first, end) in one cell. Rows and columns count from 0."""

    row: int
    column: int
    first: int
    end: int
    box: Box
    row_span: int = 1
    column_span: int = 1
    header: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A grid of cells in row order. `ruled`: lines were drawn around its cells. `continues`: its
    first row goes on where a table at the end of the page before broke off."""

    box: Box
    rows: int
    columns: int
    cells: tuple[Cell, ...]
    ruled: bool = False
    continues: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture or drawing. `caption` is the number of its caption in `PageLayout.blocks`."""

    box: Box
    caption: int | None = None


class Ruling(NamedTuple):
    """A drawn horizontal or vertical line, from its upper or left end; `width` is its thickness."""

    x0: float
    y0: float
    x1: float
    y1: float
    width: float = 1.0

    @property
    def horizontal(self) -> bool:
        return abs(self.x1 - self.x0) >= abs(self.y1 - self.y0)


@dataclass(frozen=True, slots=True)
class PageMarks:
    """What stands on a page before its structure is known: words in any order, drawn lines, pictures.

    `rotation` (0, 90, 180, 270 degrees clockwise) and `skew` (degrees clockwise) are what was undone
    to bring the page as it is in the file upright. `flags` are remarks for the user, for example
    "text layer disagrees with the pixels".
    """

    number: int
    width: float
    height: float
    words: tuple[Word, ...]
    rulings: tuple[Ruling, ...] = ()
    pictures: tuple[Box, ...] = ()
    kind: PageKind = "text"
    rotation: int = 0
    skew: float = 0.0
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageLayout:
    """A page with its text in reading order. `number` counts from 1; `name` is a sheet's or slide's."""

    number: int
    width: float
    height: float
    text: str = ""
    words: tuple[Word, ...] = ()
    lines: tuple[Line, ...] = ()
    blocks: tuple[Block, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    rulings: tuple[Ruling, ...] = ()
    kind: PageKind = "text"
    rotation: int = 0
    skew: float = 0.0
    flags: tuple[str, ...] = ()
    name: str = ""

    def words_in(self, start: int, end: int) -> range:
        """Numbers of the words that have characters in ``text[start:end]``. Words stand in the order
        of the text."""
        low, high = 0, len(self.words)
        while low < high:
            middle = (low + high) // 2
            if self.words[middle].end <= start:
                low = middle + 1
            else:
                high = middle
        last = low
        while last < len(self.words) and self.words[last].start < end:
            last += 1
        return range(low, last)

    def boxes(self, words: Iterable[int]) -> tuple[Box, ...]:
        """One box for each line that has some of these words, in reading order."""
        wanted = sorted(set(words))
        found: list[Box] = []
        for line in self.lines:
            inside = [number for number in wanted if line.first <= number < line.end]
            if inside:
                found.append(union(self.words[number].box for number in inside))
        return tuple(found)


def page_to_json(page: PageLayout) -> bytes:
    """Equal pages give equal bytes."""
    return json.dumps(_plain(page), ensure_ascii=False, separators=(",", ":")).encode()


def page_from_json(data: bytes | str) -> PageLayout:
    """The page that `page_to_json` wrote."""
    raw: dict[str, Any] = json.loads(data)
    return PageLayout(
        number=raw["number"],
        width=raw["width"],
        height=raw["height"],
        text=raw["text"],
        words=tuple(_word(each) for each in raw["words"]),
        lines=tuple(Line(first, end, Box(*box)) for first, end, box in raw["lines"]),
        blocks=tuple(
            Block(kind, first, end, Box(*box), level, item)
            for kind, first, end, box, level, item in raw["blocks"]
        ),
        tables=tuple(
            Table(
                Box(*box),
                rows,
                columns,
                tuple(
                    Cell(row, column, first, end, Box(*cell_box), row_span, column_span, header)
                    for row, column, first, end, cell_box, row_span, column_span, header in cells
                ),
                ruled,
                continues,
            )
            for box, rows, columns, cells, ruled, continues in raw["tables"]
        ),
        figures=tuple(Figure(Box(*box), caption) for box, caption in raw["figures"]),
        rulings=tuple(Ruling(*each) for each in raw["rulings"]),
        kind=raw["kind"],
        rotation=raw["rotation"],
        skew=raw["skew"],
        flags=tuple(raw["flags"]),
        name=raw["name"],
    )


def _plain(page: PageLayout) -> dict[str, Any]:
    return {
        "number": page.number,
        "width": page.width,
        "height": page.height,
        "text": page.text,
        "words": [
            [
                word.text,
                word.box,
                word.reader,
                word.confidence,
                word.start,
                word.font_size,
                word.bold,
                word.alternatives,
                word.second,
                word.place,
            ]
            for word in page.words
        ],
        "lines": page.lines,
        "blocks": [
            [block.kind, block.first, block.end, block.box, block.level, block.item] for block in page.blocks
        ],
        "tables": [
            [
                table.box,
                table.rows,
                table.columns,
                [
                    [
                        cell.row,
                        cell.column,
                        cell.first,
                        cell.end,
                        cell.box,
                        cell.row_span,
                        cell.column_span,
                        cell.header,
                    ]
                    for cell in table.cells
                ],
                table.ruled,
                table.continues,
            ]
            for table in page.tables
        ],
        "figures": [[figure.box, figure.caption] for figure in page.figures],
        "rulings": page.rulings,
        "kind": page.kind,
        "rotation": page.rotation,
        "skew": page.skew,
        "flags": page.flags,
        "name": page.name,
    }


def _word(raw: Sequence[Any]) -> Word:
    text, box, reader, confidence, start, font_size, bold, alternatives, second, place = raw
    return Word(
        text,
        Box(*box),
        reader,
        confidence,
        start,
        font_size,
        bold,
        tuple(Alternative(*each) for each in alternatives),
        second,
        place,
    )
