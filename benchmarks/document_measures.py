"""What reading and extraction are measured by. Everything is a share of 1 unless it says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from apted import APTED, Config
from rapidfuzz.distance import Levenshtein
from scipy.stats import kendalltau

from asbuilt.pages import Box, PageLayout, Table, union

__all__ = [
    "calibration_error",
    "character_error",
    "order_tau",
    "points_at",
    "rows_of",
    "same_value",
    "teds",
]

_SAME_PLACE = 0.5  # of the smaller box


def character_error(read: str, true: str) -> float:
    """Edit distance over the length of the truth, both with single blanks (CER; Morris et al. 2004)."""
    true = " ".join(true.split())
    return Levenshtein.distance(" ".join(read.split()), true) / max(1, len(true))


def order_tau(pages: Sequence[PageLayout], true: Sequence[tuple[str, int, Box]]) -> float:
    """Kendall's tau-b between the true order of words and the order they were read in, over words that
    have one counterpart: the same page, at least half of the smaller box shared."""
    ranks: list[int] = []
    at = 0
    by_page: dict[int, list[tuple[int, Box]]] = {}
    for page in pages:
        for word in page.words:
            by_page.setdefault(page.number, []).append((at, word.box))
            at += 1
    for _, number, box in true:
        best = max(by_page.get(number, ()), key=lambda each: box.overlap(each[1]), default=None)
        if best is not None and _shared(box, best[1]) >= _SAME_PLACE:
            ranks.append(best[0])
    return float(kendalltau(range(len(ranks)), ranks).statistic) if len(ranks) > 1 else 0.0


def points_at(boxes: Sequence[Box], true: Sequence[Box]) -> bool:
    """Whether evidence stands where the value does: half of the smaller of the two areas is shared."""
    return bool(boxes and true) and _shared(union(boxes), union(true)) >= _SAME_PLACE


def _shared(one: Box, other: Box) -> float:
    return one.overlap(other) / max(1e-9, min(one.area, other.area))


class _Node:
    """A table, row or cell, as TEDS sees it."""

    def __init__(self, tag: str, text: str = "", span: int = 1) -> None:
        self.tag, self.text, self.span = tag, text, span
        self.children: list[_Node] = []


class _Costs(Config):  # type: ignore[misc]
    """A cell of another tag or span costs 1, one of another text its normalised edit distance."""

    def rename(self, one: _Node, other: _Node) -> float:
        if one.tag != other.tag or one.span != other.span:
            return 1.0
        return float(Levenshtein.normalized_distance(one.text, other.text))

    def children(self, node: _Node) -> list[_Node]:
        return node.children


Rows = Sequence[Sequence[tuple[str, int]]]
"""Cells as (text, columns it spans)."""


def teds(read: Rows, true: Rows) -> float:
    """Tree-edit-distance-based similarity of tables (Zhong et al. 2020): 1 - distance / larger tree."""
    trees = _tree(read), _tree(true)
    size = max(1 + sum(1 + len(row) for row in rows) for rows in (read, true))
    distance: float = APTED(*trees, _Costs()).compute_edit_distance()
    return max(0.0, 1.0 - distance / size)


def _tree(rows: Rows) -> _Node:
    table = _Node("table")
    for row in rows:
        node = _Node("row")
        node.children = [_Node("cell", " ".join(text.split()), span) for text, span in row]
        table.children.append(node)
    return table


def rows_of(page: PageLayout, table: Table) -> list[list[tuple[str, int]]]:
    """A read table as rows of (text, span)."""
    rows: list[list[tuple[str, int]]] = [[] for _ in range(table.rows)]
    for cell in sorted(table.cells, key=lambda each: (each.row, each.column)):
        text = " ".join(word.text for word in page.words[cell.first : cell.end])
        rows[cell.row].append((text, cell.column_span))
    return rows


def calibration_error(stated: Sequence[tuple[float, bool]], *, bins: int = 10) -> float:
    """Expected calibration error (Naeini et al. 2015) over bins of equal numbers of values."""
    if not stated:
        return 0.0
    ordered = np.array(sorted(stated), float).reshape(-1, 2)
    parts = np.array_split(ordered, min(bins, len(ordered)))
    return float(sum(len(part) * abs(part[:, 0].mean() - part[:, 1].mean()) for part in parts) / len(ordered))


def same_value(one: Any, other: Any) -> bool:
    """Equal, texts by their words and numbers to a hundredth."""
    if isinstance(one, str) and isinstance(other, str):
        return one.split() == other.split()
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (one, other))
    return abs(one - other) < 0.005 if numbers else type(one) is type(other) and bool(one == other)
