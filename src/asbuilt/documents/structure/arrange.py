"""The one way through: marks of a page in, the page with its structure out."""

from __future__ import annotations

from asbuilt.documents.structure.aligned import AlignedTables
from asbuilt.documents.structure.blocks import blocks_of
from asbuilt.documents.structure.figures import figures_of
from asbuilt.documents.structure.inner_rows import mark_headers, with_inner_rows
from asbuilt.documents.structure.lines import NARROW_GAP, runs_of, usual_blank, values_parted
from asbuilt.documents.structure.order import regions
from asbuilt.documents.structure.ruled import ruled_tables, rules_of, words_between
from asbuilt.documents.structure.sheet import Item, Sheet
from asbuilt.documents.structure.text import written
from asbuilt.pages import PageLayout, PageMarks

__all__ = ["RECIPE", "arrange"]

RECIPE = "structure 2"
"""For recipes of readers; raised by whatever changes the structure that a page gets here."""


def arrange(marks: PageMarks) -> PageLayout:
    """The page with its text in reading order. The same marks give the same page, in whatever order
    their words come; each word comes out exactly once."""
    sheet = Sheet(marks)
    rules = rules_of(marks)
    tables = [with_inner_rows(sheet, table) for table in ruled_tables(rules, sheet)]
    for table in tables:
        mark_headers(sheet, table)
    taken = {n for table in tables for cell in table.cells for line in cell.lines for n in line}
    figures = figures_of(
        marks.pictures, sheet, [n for n in range(len(sheet.words)) if n not in taken], tables
    )
    taken.update(n for figure in figures for n in figure.words)
    items = [Item(*table.box, sheet.body, [], table) for table in tables] + figures
    free = [n for n in range(len(sheet.words)) if n not in taken]
    between = words_between(sheet, rules, free)
    runs = runs_of(sheet, [n for n in free if n not in between])
    sheet.blank = usual_blank(sheet, runs)
    runs += runs_of(sheet, sorted(between), gap=NARROW_GAP)
    items += [part for run in runs for part in values_parted(sheet, run)]
    ordered = regions(items, sheet, rules, tables=AlignedTables(sheet, rules))
    return written(marks, sheet, blocks_of(sheet, ordered))
