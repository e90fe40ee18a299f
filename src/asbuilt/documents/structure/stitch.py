"""Pages one after the other: tables that go on over a page, running lines that come again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

from asbuilt.pages import Block, PageLayout, Table

__all__ = ["stitch"]

_EDGE = 0.12  # share of the page's height in which running lines stand
_RUNNING = 4  # blocks at an edge that may be running lines
_SAME_PLACE = 6.0  # points
_SAME_COLUMN = 0.6  # share of the narrower width that columns of one table have in common
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b")
_TEXTS = ("paragraph", "heading", "list", "header", "footer", "caption")


def stitch(pages: Iterable[PageLayout]) -> Iterator[PageLayout]:
    """The same pages with what only their neighbours tell: `Table.continues`, and headers and footers
    that come again on the page after or before. Words and text stay as they are.

    A page depends on the one before it and the one after it alone, so that reading may begin again at
    any page. It is held until the next one has come, or failed to.
    """
    before: PageLayout | None = None
    page: PageLayout | None = None
    source = iter(pages)
    while True:
        try:
            after = next(source, None)
        except Exception:
            if page is not None:
                yield _with_running(page, before, None)
            raise
        if page is not None:
            yield _with_running(page, before, after)
        if after is None:
            return
        before, page = page, after if page is None else _continued(page, after)


def _with_running(page: PageLayout, before: PageLayout | None, after: PageLayout | None) -> PageLayout:
    running: dict[int, Literal["header", "footer"]] = {}
    for other in (before, after):
        if other is None:
            continue
        there = [edge for _, edge in _edge_blocks(other)]
        for number, (kind, text, top) in _edge_blocks(page):
            if any((kind, text) == each[:2] and abs(top - each[2]) <= _SAME_PLACE for each in there):
                running[number] = kind
    changed = {n: kind for n, kind in running.items() if page.blocks[n].kind != kind}
    if not changed:
        return page
    blocks = [
        replace(block, kind=changed[number], level=0) if number in changed else block
        for number, block in enumerate(page.blocks)
    ]
    return replace(page, blocks=tuple(blocks))


_Edge = tuple[Literal["header", "footer"], str, float]


def _edge_blocks(page: PageLayout) -> Iterator[tuple[int, _Edge]]:
    """Blocks at the top and bottom of a page: number, side, text without numbers, height."""
    texts = [number for number, block in enumerate(page.blocks) if block.kind in _TEXTS]
    for number in sorted({*texts[:_RUNNING], *texts[-_RUNNING:]}):
        block = page.blocks[number]
        if block.end <= block.first or block.end - block.first > 40:
            continue
        text = _DIGITS.sub("0", _text(page, block).casefold())
        if block.box.bottom <= _EDGE * page.height:
            yield number, ("header", text, block.box.top)
        elif block.box.top >= (1 - _EDGE) * page.height:
            yield number, ("footer", text, block.box.top)


def _text(page: PageLayout, block: Block) -> str:
    return page.text[page.words[block.first].start : page.words[block.end - 1].end]


def _continued(page: PageLayout, after: PageLayout) -> PageLayout:
    """`after` with its first table going on where the last one of `page` broke off."""
    last, first = _table_at(page, end=True), _table_at(after, end=False)
    if last is None or first is None or not _goes_on(page, page.tables[last], after, after.tables[first]):
        return after
    tables = list(after.tables)
    tables[first] = replace(tables[first], continues=True)
    return replace(after, tables=tuple(tables))


def _table_at(page: PageLayout, *, end: bool) -> int | None:
    """The table that ends or begins a page, but for running lines and what says that it goes on."""
    blocks = [block for block in page.blocks if block.kind not in ("header", "footer")]
    for place, block in enumerate(reversed(blocks) if end else blocks):
        if block.kind == "table":
            return block.item
        box = block.box
        running = box.bottom <= _EDGE * page.height or box.top >= (1 - _EDGE) * page.height
        if not running and (place > 0 or block.end - block.first > 6):
            return None
    return None


def _goes_on(page: PageLayout, above: Table, after: PageLayout, below: Table) -> bool:
    if above.columns != below.columns or not all(map(_above_one_another, _columns(above), _columns(below))):
        return False
    header = _header(after, below)
    return not header or header == _header(page, above)


def _columns(table: Table) -> list[tuple[float, float]]:
    """Edges of each column, from cells of it alone; the table's where there are none."""
    edges = [(table.box.left, table.box.right)] * table.columns
    for cell in reversed(table.cells):
        if cell.column_span == 1:
            edges[cell.column] = (cell.box.left, cell.box.right)
    return edges


def _above_one_another(above: tuple[float, float], below: tuple[float, float]) -> bool:
    shared = min(above[1], below[1]) - max(above[0], below[0])
    return shared >= _SAME_COLUMN * min(above[1] - above[0], below[1] - below[0])


def _header(page: PageLayout, table: Table) -> list[str]:
    return [
        " ".join(word.text for word in page.words[cell.first : cell.end])
        for cell in table.cells
        if cell.header
    ]
