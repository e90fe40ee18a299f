"""Pieces of text in the order in which OCR gives them: row by row from the top, each from the left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from asbuilt.pages import Box, Word, union

__all__ = ["in_rows"]


def in_rows(pieces: Iterable[Sequence[Word]]) -> list[Word]:
    """The words of all pieces, each a run of words on one line.

    A piece joins the row of the piece before when the middle of each lies within the other's height.
    """
    boxed = [(union(word.box for word in piece), piece) for piece in pieces if piece]
    rows: list[list[tuple[Box, Sequence[Word]]]] = []
    for box, piece in sorted(boxed, key=lambda each: (_middle(each[0]), each[0].left)):
        last = rows[-1][-1][0] if rows else None
        level = (
            last is not None
            and last.top <= _middle(box) <= last.bottom
            and box.top <= _middle(last) <= box.bottom
        )
        if level:
            rows[-1].append((box, piece))
        else:
            rows.append([(box, piece)])
    ordered = [
        piece for row in rows for _, piece in sorted(row, key=lambda each: (each[0].left, each[0].top))
    ]
    return [word for piece in ordered for word in piece]


def _middle(box: Box) -> float:
    return (box.top + box.bottom) / 2
