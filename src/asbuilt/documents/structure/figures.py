"""Pictures that are figures, with the words in them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from asbuilt.documents.structure.sheet import FigureDraft, Item, Sheet, TableDraft, lines_in
from asbuilt.pages import Box

__all__ = ["figures_of"]

_SMALLEST = 14.0  # points: smaller pictures are bullets and ornaments
_WHOLE_PAGE = 0.7  # share of the page: a larger one is what the page is printed on
_LETTERING = 30  # words: with more, the picture is the ground of text
_MANY = 200  # pictures: where there are more, each is a piece of a drawing


def figures_of(
    pictures: Iterable[Box], sheet: Sheet, numbers: Sequence[int], tables: Iterable[TableDraft]
) -> list[Item]:
    """Figures from the page's pictures, with those of the words `numbers` that stand in them."""
    kept: list[Box] = []
    tables = list(tables)
    for box in sorted(set(pictures), key=lambda box: (-box.area, box)):
        if min(box.width, box.height) < _SMALLEST or box.area > _WHOLE_PAGE * sheet.width * sheet.height:
            continue
        if any(box.overlap(other) > 0.5 * box.area for other in kept):
            continue
        if not any(box.overlap(table.box) > 0.3 * min(box.area, table.box.area) for table in tables):
            kept.append(box)
        if len(kept) > _MANY:
            return []
    by_height = sorted(numbers, key=lambda n: sheet.top[n] + sheet.bottom[n])
    middles = [(sheet.top[n] + sheet.bottom[n]) / 2 for n in by_height]
    taken: set[int] = set()
    items = []
    for box in sorted(kept, key=lambda box: (box.area, box)):
        first, end = bisect_left(middles, box.top), bisect_right(middles, box.bottom)
        inside = [
            n
            for n in by_height[first:end]
            if n not in taken and box.left <= (sheet.left[n] + sheet.right[n]) / 2 <= box.right
        ]
        if len(inside) > _LETTERING:
            continue
        taken.update(inside)
        items.append(Item(*box, sheet.body, inside, FigureDraft(box, lines_in(sheet, inside))))
    return items
