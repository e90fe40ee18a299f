"""The head that answers with a line, or a row of a table, as it stands on a page. No model is behind it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from asbuilt.errors import BugError, UserError
from asbuilt.modalities import Fused, Modality, Place, Task, TaskKind, TaskOutput, VisualAnswer
from asbuilt.multimodal.retrieve import ranked_pages
from asbuilt.pages import Box, PageLayout, Table, union
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.retrieval.terms import tokenize

__all__ = ["QuoteHead", "place_of"]

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_LONG = 0.002
"""What each word of a quote costs, in shares of the question: of two quotes that say as much, the
shorter is the better answer."""
_PAGE = 0.1
"""What a page's score counts for beside the words of the question."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """Something short enough to be an answer. `known` are its own terms, and those that it stands under."""

    text: str
    box: Box
    modality: Modality
    known: frozenset[str]
    own: frozenset[str]


@component("head/quote")
class QuoteHead:
    """Answers in the words of the best pages, with the place; it understands no paraphrase.

    The answer is the line, sentence or table row that holds most of the question's terms, rare ones
    counting for more, and at least `least` of their weight (0 to 1) together; a label whose value
    stands on the next line takes that line with it. A cell is the answer where the question names
    its column. Otherwise the question is refused.
    """

    def __init__(self, *, least: float = 0.5) -> None:
        if not 0 < least <= 1:
            raise UserError(f"least is {least}; it must be above 0 and at most 1.")
        self._least = least

    demand = staticmethod(holds_nothing)

    @property
    def task(self) -> TaskKind:
        return "answer"

    @property
    def pictures(self) -> int:
        return 0

    def run(self, task: Task, fused: Fused) -> TaskOutput:
        """See the role."""
        if not task.query.strip():
            raise UserError("there is no question to answer.")
        if fused.scores is None:
            raise BugError("the pages have no scores.")
        ranked = ranked_pages(fused, top_k=task.top_k)
        layouts = {(page.source, page.layout.number): page.layout for page in fused.pages}
        found = [
            (unit, page.source, page.page, page.score)
            for page in ranked
            for unit in _units(layouts[page.source, page.page])
        ]
        asked = frozenset(tokenize(task.query))
        weights = _weights(asked, [unit for unit, *_ in found])
        best: tuple[float, Place] | None = None
        for unit, source, number, score in found:
            share = sum(weights[term] for term in asked & unit.known)
            worth = share + _PAGE * score - _LONG * len(unit.text.split())
            if share >= self._least and unit.own - asked and (best is None or worth > best[0]):
                best = worth, Place(source, number, unit.box, unit.modality, unit.text)
        if best is None:
            answer = VisualAnswer("No line or table row of these pages answers this.", refused=True)
        else:
            answer = VisualAnswer(best[1].text, (best[1],))
        return TaskOutput("answer", task.query, ranked=ranked, answer=answer)


def place_of(page: PageLayout, words: Sequence[int], *, source: str) -> Place:
    """The place of some words of a page (at least one)."""
    inside = any(
        page.words[words[0]].box.overlap(table.box) >= 0.5 * page.words[words[0]].box.area
        for table in page.tables
    )
    box = union(page.words[number].box for number in words).rounded()
    text = page.text[page.words[words[0]].start : page.words[words[-1]].end]
    return Place(source, page.number, box, "table" if inside else "text", text)


def _weights(asked: frozenset[str], units: Sequence[_Unit]) -> dict[str, float]:
    """How much of the question each of its terms is, rare ones more; adds up to 1."""
    held = {term: sum(term in unit.known for unit in units) for term in asked}
    weights = {term: math.log(1 + (len(units) + 1) / (count + 0.5)) for term, count in held.items()}
    whole = sum(weights.values()) or 1.0
    return {term: weight / whole for term, weight in weights.items()}


def _units(page: PageLayout) -> Iterator[_Unit]:
    for table in page.tables:
        yield from _table_units(page, table)
    for block in page.blocks:
        if block.kind not in ("table", "figure") and block.end > block.first:
            yield from _text_units(page, block.first, block.end)


def _text_units(page: PageLayout, first: int, end: int) -> Iterator[_Unit]:
    """Lines, each also with the next one, and sentences that run over lines."""
    start, stop = page.words[first].start, page.words[end - 1].end
    lines = [line for line in page.lines if first <= line.first and line.end <= end]
    spans = [(page.words[line.first].start, page.words[line.end - 1].end) for line in lines]
    after = next((line for line in page.lines if line.first == end), None)
    if after is not None:
        spans.append((spans[-1][0] if spans else start, page.words[after.end - 1].end))
    spans += [(here[0], there[1]) for here, there in pairwise(spans)]
    here = start
    for sentence in _SENTENCE_END.split(page.text[start:stop]):
        spans.append((here, here + len(sentence)))
        here += len(sentence)
        here += len(page.text[here:stop]) - len(page.text[here:stop].lstrip())
    for low, high in dict.fromkeys(spans):
        words = page.words_in(low, high)
        if words:
            terms = frozenset(tokenize(page.text[low:high]))
            yield _Unit(
                " ".join(page.words[number].text for number in words),
                union(page.words[number].box for number in words).rounded(),
                "text",
                terms,
                terms,
            )


def _table_units(page: PageLayout, table: Table) -> Iterator[_Unit]:
    """Rows, with the header's terms known, and single cells under their header."""
    texts = {
        (cell.row, cell.column): " ".join(word.text for word in page.words[cell.first : cell.end])
        for cell in table.cells
    }
    heads = Counter(cell.row for cell in table.cells if cell.header)
    header_rows = {row for row, count in heads.items() if count > 1}
    names = {
        column: " ".join(texts.get((row, column), "") for row in sorted(header_rows))
        for column in range(table.columns)
    }
    for row in range(table.rows):
        cells = [cell for cell in table.cells if cell.row == row and texts[row, cell.column]]
        if row in header_rows or not cells:
            continue
        shown = " | ".join(texts[row, cell.column] for cell in cells)
        own = frozenset(tokenize(shown))
        yield _Unit(shown, union(cell.box for cell in cells).rounded(), "table", own, own)
        for cell in cells:
            rest = " ".join(texts[row, each.column] for each in cells if each is not cell)
            known = frozenset(tokenize(f"{names.get(cell.column, '')} {rest}"))
            text = texts[row, cell.column]
            if names.get(cell.column) and rest:
                yield _Unit(text, cell.box.rounded(), "table", known, frozenset(tokenize(text)))
