"""A page that is drawn and remembered: each word with its box, each value with its words."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from reportlab.lib.pagesizes import A4
from reportlab.pdfbase.pdfmetrics import getAscentDescent, stringWidth
from reportlab.pdfgen.canvas import Canvas

from asbuilt.pages import Box

__all__ = ["Made", "Placed", "Sheet", "TrueTable", "TrueWord", "Truth"]

Align = Literal["left", "right", "center"]


@dataclass(frozen=True, slots=True)
class TrueWord:
    """A word as it was drawn; words of a document stand in reading order."""

    text: str
    page: int
    box: Box


@dataclass(frozen=True, slots=True)
class TrueTable:
    """Rows of cells as (text, columns it spans)."""

    page: int
    rows: tuple[tuple[tuple[str, int], ...], ...]
    ruled: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """What a document holds, by construction. `size` of a page in points."""

    size: tuple[float, float]
    words: tuple[TrueWord, ...]
    fields: dict[str, Any]
    evidence: dict[str, tuple[int, ...]]
    absent: tuple[str, ...] = ()
    tables: tuple[TrueTable, ...] = ()

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Placed:
    """Words [first, end) as they were drawn: one text, or one cell of the sheet's grid number `grid`."""

    first: int
    end: int
    page: int
    x: float
    y: float
    size: float
    bold: bool
    value: Any
    grid: int | None
    row: int
    column: int
    span: int


@dataclass(frozen=True, slots=True)
class Made:
    """A document and the truth about it; `placed` is how it was drawn, where it is a PDF as it was made."""

    name: str
    data: bytes
    kind: str
    layout: str
    truth: Truth
    placed: tuple[Placed, ...] = ()


@dataclass
class Sheet:
    """A PDF in the making; y counts from the top, as boxes do."""

    font: str = "Helvetica"
    bold: str = "Helvetica-Bold"
    size: float = 10.0
    width: float = A4[0]
    height: float = A4[1]
    words: list[TrueWord] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, tuple[int, ...]] = field(default_factory=dict)
    tables: list[TrueTable] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    page: int = 1

    def __post_init__(self) -> None:
        self._buffer = io.BytesIO()
        self._canvas = Canvas(self._buffer, pagesize=(self.width, self.height), invariant=1)

    def text(
        self,
        x: float,
        y: float,
        string: str,
        *,
        size: float | None = None,
        bold: bool = False,
        align: Align = "left",
        key: str | None = None,
        value: Any = None,
        cell: tuple[int, int, int] | None = None,
    ) -> float:
        """Draw a line whose baseline is at `y`; with `key` it is the value of a field. `cell` is row,
        column and span in the grid that is being drawn. Gives its width."""
        font, size = (self.bold if bold else self.font), size or self.size
        total: float = stringWidth(string, font, size)
        left = x - (total if align == "right" else total / 2 if align == "center" else 0)
        self._canvas.setFont(font, size)
        self._canvas.drawString(left, self.height - y, string)
        ascent, descent = getAscentDescent(font, size)
        first = len(self.words)
        at = 0
        for word in string.split():
            start = string.index(word, at)
            at = start + len(word)
            x0 = left + stringWidth(string[:start], font, size)
            box = Box(x0, y - ascent, x0 + stringWidth(word, font, size), y - descent)
            self.words.append(TrueWord(word, self.page, box))
        row, column, span = cell or (0, 0, 1)
        grid = None if cell is None else len(self.tables)
        placed = (first, len(self.words), self.page, left, y, size, bold, value, grid, row, column, span)
        self.placed.append(Placed(*placed))
        if key is not None:
            self.fields[key] = string if value is None else value
            self.evidence[key] = (*self.evidence.get(key, ()), *range(first, len(self.words)))
        return total

    def line(self, x0: float, y0: float, x1: float, y1: float, width: float = 0.7) -> None:
        self._canvas.setLineWidth(width)
        self._canvas.line(x0, self.height - y0, x1, self.height - y1)

    def box(self, x: float, y: float, width: float, height: float, *, fill: float | None = None) -> None:
        if fill is not None:
            self._canvas.setFillGray(fill)
        self._canvas.rect(
            x, self.height - y - height, width, height, stroke=int(fill is None), fill=int(fill is not None)
        )
        self._canvas.setFillGray(0)

    def logo(self, x: float, y: float, size: float) -> None:
        self._canvas.setFillColorRGB(0.16, 0.37, 0.62)
        self._canvas.circle(x + size / 2, self.height - y - size / 2, size / 2, stroke=0, fill=1)
        self._canvas.setFillColorRGB(0, 0, 0)

    def grid(
        self,
        x: float,
        y: float,
        widths: Sequence[float],
        rows: Sequence[Sequence[tuple[str, int, Align, str | None, Any]]],
        *,
        rules: Literal["all", "rows", "head", "none"],
        leading: float = 16.0,
        headers: int = 1,
    ) -> float:
        """A table of cells (text, span, align, key, value); returns the y below it."""
        total = sum(widths)
        told: list[tuple[tuple[str, int], ...]] = []
        for number, row in enumerate(rows):
            baseline = y + leading * number + leading * 0.7
            column = 0
            for text, span, align, key, value in row:
                left = x + sum(widths[:column])
                width = sum(widths[column : column + span])
                at = {"left": left + 4, "right": left + width - 4, "center": left + width / 2}[align]
                if text:
                    self.text(
                        at,
                        baseline,
                        text,
                        align=align,
                        bold=number < headers,
                        key=key,
                        value=value,
                        cell=(number, column, span),
                    )
                if rules == "all":
                    self.box(left, y + leading * number, width, leading)
                column += span
            told.append(tuple((text, span) for text, span, *_ in row))
            if rules == "rows" or (rules == "head" and number < headers):
                self.line(x, y + leading * (number + 1), x + total, y + leading * (number + 1))
        if rules == "rows":
            self.line(x, y, x + total, y)
        self.tables.append(TrueTable(self.page, tuple(told), rules in ("all",)))
        return y + leading * len(rows)

    def next_page(self) -> None:
        self._canvas.showPage()
        self.page += 1

    def made(self, name: str, kind: str, layout: str, absent: Sequence[str] = ()) -> Made:
        self._canvas.showPage()
        self._canvas.save()
        truth = Truth(
            (self.width, self.height),
            tuple(self.words),
            self.fields,
            self.evidence,
            tuple(absent),
            tuple(self.tables),
        )
        return Made(f"{name}.pdf", self._buffer.getvalue(), kind, layout, truth, tuple(self.placed))
