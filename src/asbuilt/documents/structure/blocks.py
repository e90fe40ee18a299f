"""Regions -> blocks: paragraphs, headings, lists, captions, running lines at the edges of the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from asbuilt.documents.structure.lines import joined_runs
from asbuilt.documents.structure.order import Region
from asbuilt.documents.structure.sheet import FigureDraft, Sheet, TableDraft
from asbuilt.documents.structure.text import BlockDraft
from asbuilt.pages import Box

__all__ = ["blocks_of"]

_MARK = re.compile(r"[•‣▪▫◦●○■□–—*·-]|\(?(?:\d{1,2}|[a-zA-Z]|[ivx]{2,4})[.)]")
_PAGE_NUMBER = re.compile(
    r"\W*(?:\w{1,6}\.?\s*)?\d{1,4}(?:\s*(?:/|\w{1,4})\s*\d{1,4})?\W*|\W*[ivxlc]{1,6}\W*", re.IGNORECASE
)
_CAPTION = re.compile(
    r"(?:fig(?:ure|\.)?|table|tab\.|chart|exhibit|plate|scheme|algorithm|abb(?:ildung|\.)?|tabelle|tableau"
    r"|figura|tabla|tabella)\s*(?:\d+|[A-Z]|[ivx]+)\b(?:\.\d+)*[.:\s]?",
    re.IGNORECASE,
)
_SENTENCE_END = (".", "!", "?", ":", ";")
_LARGER, _LARGER_SCAN = 1.12, 1.3  # a heading's size over the body's; boxes of scans vary by a sixth
_SAME_SIZE, _SAME_SIZE_SCAN = 1.08, 1.3
_HEADING_WORDS, _HEADING_LINES = 20, 4
_CAPTION_LINES = 5  # of a caption with nothing to be about: a drawing that is no picture, a later page
_EDGE = 0.085  # share of the page's height in which running lines stand
_APART = 0.45  # font sizes of white space above a line, beyond what is usual in its region


@dataclass(slots=True)
class _Line:
    words: list[int]
    box: Box
    size: float
    bold: bool
    indent: float = 0.0


def blocks_of(sheet: Sheet, regions: Iterable[Region]) -> list[BlockDraft]:
    """Blocks in reading order."""
    drafts: list[BlockDraft] = []
    shapes: list[_Shape] = []
    for region in regions:
        for part in _parts(sheet, region):
            if isinstance(part, TableDraft):
                drafts.append(BlockDraft("table", table=part))
            elif isinstance(part, FigureDraft):
                drafts.append(BlockDraft("figure", part.lines, picture=part.box))
            else:
                for lines in _paragraphs(sheet, part):
                    draft = BlockDraft("paragraph", [line.words for line in lines])
                    drafts.append(draft)
                    shapes.append(_Shape(draft, lines, sheet))
    _set_kinds(sheet, shapes)
    _set_running(sheet, shapes, drafts)
    _pair_captions(sheet, drafts)
    return drafts


class _Shape:
    """A block of text with its measures."""

    def __init__(self, draft: BlockDraft, lines: list[_Line], sheet: Sheet) -> None:
        self.draft, self.lines = draft, lines
        self.size = median(line.size for line in lines)
        self.bold = all(line.bold for line in lines)
        self.text = sheet.text(n for line in lines for n in line.words)
        self.words = sum(len(line.words) for line in lines)
        self.top = min(line.box.top for line in lines)
        self.bottom = max(line.box.bottom for line in lines)


def _parts(sheet: Sheet, region: Region) -> Iterator[list[_Line] | TableDraft | FigureDraft]:
    """Runs of lines, and what stands between them."""
    lines: list[_Line] = []
    done: set[int] = set()
    for row in region.rows:
        texts = [item for item in row.items if item.part is None]
        if texts:
            lines.append(_line(sheet, joined_runs(sheet, texts)))
        for item in row.items:
            if item.part is not None and id(item) not in done:
                done.add(id(item))
                if lines:
                    yield lines
                    lines = []
                yield item.part
    if lines:
        yield lines


def _line(sheet: Sheet, words: list[int]) -> _Line:
    size = median(sheet.size[n] for n in words)
    bold = all(sheet.words[n].bold for n in words if any(map(str.isalnum, sheet.words[n].text)))
    middle = Box(0, median(sheet.top[n] for n in words), 0, median(sheet.bottom[n] for n in words))
    box = sheet.box(words)._replace(top=middle.top, bottom=middle.bottom)
    return _Line(words, box, size, bold and any(sheet.words[n].bold for n in words))


def _paragraphs(sheet: Sheet, lines: list[_Line]) -> Iterator[list[_Line]]:
    same = _SAME_SIZE_SCAN if sheet.scan else _SAME_SIZE
    gaps = sorted(below.box.top - above.box.bottom for above, below in pairwise(lines))
    usual = max(min(gaps[len(gaps) // 3], 1.2 * sheet.body), -0.1 * sheet.body) if gaps else 0.0
    left, right = min(line.box.left for line in lines), max(line.box.right for line in lines)
    block: list[_Line] = []
    for line in lines:
        if block and _parts_from(sheet, block, line, usual=usual, left=left, right=right, same=same):
            yield block
            block = []
        block.append(line)
    yield block


def _parts_from(
    sheet: Sheet, block: list[_Line], line: _Line, *, usual: float, left: float, right: float, same: float
) -> bool:
    """Whether a new block begins with `line`."""
    last = block[-1]
    small, large = sorted((last.size, line.size))
    if line.box.top - last.box.bottom > usual + _APART * min(small, sheet.body * 1.5):
        return True
    if large > same * small or last.bold != line.bold:
        return True
    marked, was_marked = _is_marked(sheet, line), _is_marked(sheet, block[0])
    if marked != was_marked:
        # The second line of a list item hangs at its text; a paragraph after a list starts at its mark.
        return marked or line.box.left <= block[0].box.left + 0.3 * line.size
    if marked:
        return False
    indented = line.box.left - left > 0.8 * line.size and last.box.left - left < 0.4 * line.size
    if indented and len(block) >= 1 and line.box.left - left < 4 * line.size:
        return last.box.right < right - 2 * line.size or sheet.words[last.words[-1]].text.endswith(
            _SENTENCE_END
        )
    return False


def _is_marked(sheet: Sheet, line: _Line) -> bool:
    return len(line.words) > 1 and _MARK.fullmatch(sheet.words[line.words[0]].text) is not None


def _set_kinds(sheet: Sheet, shapes: Sequence[_Shape]) -> None:
    """Headings by size and weight against the body, lists by their marks."""
    larger = _LARGER_SCAN if sheet.scan else _LARGER
    bold = sum(shape.words for shape in shapes if shape.bold)
    bold_stands_out = bold < 0.35 * sum(shape.words for shape in shapes)
    headings = []
    for shape in shapes:
        if not any(map(str.isalpha, shape.text)):
            continue
        short = shape.words <= _HEADING_WORDS and len(shape.lines) <= _HEADING_LINES
        if (short and shape.size >= larger * sheet.body) or (
            bold_stands_out
            and shape.bold
            and shape.words <= _HEADING_WORDS * 0.6
            and len(shape.lines) <= 2
            and not shape.text.endswith((".", ":", ","))
            and shape.size >= 0.95 * sheet.body
        ):
            headings.append(shape)
        elif _is_marked(sheet, shape.lines[0]):
            shape.draft.kind = "list"
    level, size = 0, 0.0
    for shape in sorted(headings, key=lambda shape: -shape.size):
        if not level or shape.size < size / (1.15 if sheet.scan else 1.05):
            level, size = level + 1, shape.size
        shape.draft.kind, shape.draft.level = "heading", min(level, 6)


def _set_running(sheet: Sheet, shapes: Sequence[_Shape], drafts: Sequence[BlockDraft]) -> None:
    """Header and footer: short, small, at the edge of the page and apart from the rest."""
    if len(drafts) < 3:
        return
    tops = sorted((shape.top, shape.bottom) for shape in shapes)
    for shape in shapes:
        if len(shape.lines) > 2 or shape.size > 1.02 * sheet.body or shape.words > 30:
            continue
        numbered = _PAGE_NUMBER.fullmatch(shape.text) is not None or _ends_in_number(shape.text)
        small = shape.size < 0.93 * sheet.body
        if not (numbered or small):
            continue
        others = [
            (top, bottom)
            for top, bottom in (tops[:8] + tops[-8:])
            if (top, bottom) != (shape.top, shape.bottom)
        ]
        if shape.bottom <= _EDGE * sheet.height:
            below = [top for top, _ in others if top > shape.bottom]
            if not below or min(below) - shape.bottom >= 0.8 * shape.size:
                shape.draft.kind, shape.draft.level = "header", 0
        elif shape.top >= (1 - _EDGE) * sheet.height:
            above = [bottom for _, bottom in others if bottom < shape.top]
            if not above or shape.top - max(above) >= 0.8 * shape.size:
                shape.draft.kind, shape.draft.level = "footer", 0


def _ends_in_number(text: str) -> bool:
    first, *_, last = [*text.split(), ""][:1] + text.split()
    return first.isdigit() or last.isdigit()


def _pair_captions(sheet: Sheet, drafts: Sequence[BlockDraft]) -> None:
    """A caption stands beside what it is about in the order, and below or above it on the page."""
    for place, draft in enumerate(drafts):
        if draft.kind not in ("paragraph", "heading") or not draft.lines:
            continue
        match = _CAPTION.match(sheet.text(draft.lines[0]))
        if match is None:
            continue
        about = _nearest(sheet, drafts, place)
        if about is not None or (match[0].rstrip()[-1] in ".:" and len(draft.lines) <= _CAPTION_LINES):
            draft.kind, draft.level, draft.about = "caption", 0, about


def _nearest(sheet: Sheet, drafts: Sequence[BlockDraft], place: int) -> BlockDraft | None:
    own = sheet.box([n for line in drafts[place].lines for n in line])
    best: tuple[float, int] | None = None
    for other in range(max(0, place - 3), min(len(drafts), place + 4)):
        draft = drafts[other]
        box = draft.picture or (draft.table.box if draft.table else None)
        if box is None or min(box.right, own.right) <= max(box.left, own.left):
            continue
        gap = max(own.top - box.bottom, box.top - own.bottom)
        if gap < 4 * sheet.body and (best is None or (gap, other) < best):
            best = (gap, other)
    return None if best is None else drafts[best[1]]
