"""Tables whose cells have lines around them: a grid from the rulings, spans where a line is missing."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from asbuilt.documents.structure.sheet import CellDraft, Sheet, TableDraft, lines_in
from asbuilt.pages import Box, PageMarks

__all__ = ["Rules", "frames_of", "ruled_tables", "rules_of"]

_SHORTEST = 6.0  # points
_CROSS_TEXT, _CROSS_SCAN = 2.5, 4.5  # points by which lines that are meant to meet may miss each other
_BREAK_TEXT, _BREAK_SCAN = 1.5, 7.0  # points of a gap within one line
_LONG, _ALIKE = 80.0, 4.0  # points: rules of a table, and by how much their ends differ
_ZONE, _MAX_ZONES = 0.8, 40  # share of the page's height between such rules; zones that are looked at
_WALL = 0.55
"""Share of a cell's side that must be drawn for it to be a wall."""
_MAX_PAIRS = 16_000_000
"""More crossings to look at than this, and the lines are a drawing's or a hatching, no table's."""
_MAX_CELLS = 40_000
_FILLED = 0.2  # least share of the cells that have words

Floats = NDArray[np.float64]


class Rules:
    """Straight lines of a page, parts of one line joined. Shapes (n, 3): (place across, from, to)."""

    def __init__(self, flat: Floats, upright: Floats, cross: float) -> None:
        self.flat, self.upright, self.cross = flat, upright, cross

    def across(self, left: float, right: float, *, share: float) -> list[float]:
        """Heights, from the top, of the lines that cover this share of the way from left to right."""
        flat = self.flat
        covered = np.minimum(flat[:, 2], right) - np.maximum(flat[:, 1], left)
        places: list[float] = flat[covered >= share * (right - left), 0].tolist()
        return sorted(places)


def rules_of(marks: PageMarks) -> Rules:
    """The page's rulings; those of scans are broken, and their ends miss each other."""
    drawn = marks.kind in ("scan", "mixed")
    flat, upright = [], []
    for x0, y0, x1, y1, _ in marks.rulings:
        across, down = abs(x1 - x0), abs(y1 - y0)
        if max(across, down) < _SHORTEST or min(across, down) > 0.05 * max(across, down) + 1.0:
            continue
        if across >= down:
            flat.append(((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
        else:
            upright.append(((x0 + x1) / 2, min(y0, y1), max(y0, y1)))
    gap = _BREAK_SCAN if drawn else _BREAK_TEXT
    near = 1.5 if drawn else 0.75
    cross = _CROSS_SCAN if drawn else _CROSS_TEXT
    return Rules(_whole(flat, gap, near), _whole(upright, gap, near), cross)


def _whole(lines: list[tuple[float, float, float]], gap: float, near: float) -> Floats:
    """Lines whose parts are joined: on one place to within `near`, with gaps up to `gap`."""
    whole: list[list[float]] = []
    for group in _close(sorted(lines), near):
        first = len(whole)
        for place, start, end in sorted(group, key=lambda line: line[1:]):
            if len(whole) > first and start <= whole[-1][2] + gap:
                whole[-1][2] = max(whole[-1][2], end)
            else:
                whole.append([place, start, end])
    return np.array(sorted(whole), dtype=np.float64).reshape(-1, 3)


def _close(
    lines: Sequence[tuple[float, float, float]], near: float
) -> Iterator[list[tuple[float, float, float]]]:
    group: list[tuple[float, float, float]] = []
    for line in lines:
        if group and (line[0] - group[-1][0] > near or line[0] - group[0][0] > 2 * near):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def words_between(sheet: Sheet, rules: Rules, numbers: Sequence[int]) -> set[int]:
    """Those of these words that stand between two rules of one length, as the rows of a table do."""
    found: set[int] = set()
    alike: dict[tuple[int, int], list[float]] = {}
    for place, start, end in rules.flat.tolist():
        if end - start >= _LONG:
            alike.setdefault((round(start / _ALIKE), round(end / _ALIKE)), []).append(place)
    zones = [
        (min(places), max(places), _ALIKE * start, _ALIKE * end)
        for (start, end), places in alike.items()
        if len(places) > 1 and max(places) - min(places) < _ZONE * sheet.height
    ]
    for top, bottom, left, right in zones[:_MAX_ZONES]:
        found.update(
            n
            for n in numbers
            if top < (sheet.top[n] + sheet.bottom[n]) / 2 < bottom
            and left - _ALIKE <= sheet.left[n]
            and sheet.right[n] <= right + _ALIKE
        )
    return found


def frames_of(rules: Rules) -> list[tuple[Floats, Floats]]:
    """Lines that hang together: (flat, upright) of each group that crosses at least twice each way."""
    flat, upright, cross = rules.flat, rules.upright, rules.cross
    if not len(flat) or not len(upright) or len(flat) * len(upright) > _MAX_PAIRS:
        return []
    meets = (
        (upright[None, :, 0] >= flat[:, 1, None] - cross)
        & (upright[None, :, 0] <= flat[:, 2, None] + cross)
        & (flat[:, 0, None] >= upright[None, :, 1] - cross)
        & (flat[:, 0, None] <= upright[None, :, 2] + cross)
    )
    frames = []
    open_rows = meets.any(axis=1)
    while open_rows.any():
        rows = np.zeros(len(flat), dtype=bool)
        rows[int(open_rows.argmax())] = True
        columns = np.zeros(len(upright), dtype=bool)
        fresh = rows.copy()
        while fresh.any():
            reached = meets[fresh].any(axis=0) & ~columns
            columns |= reached
            fresh = meets[:, reached].any(axis=1) & ~rows
            rows |= fresh
        open_rows &= ~rows
        if rows.sum() >= 2 and columns.sum() >= 2:
            frames.append((flat[rows], upright[columns]))
    return frames


def ruled_tables(rules: Rules, sheet: Sheet) -> list[TableDraft]:
    """Tables with at least two rows and two columns; frames around anything else are none."""
    tables: list[TableDraft] = []
    taken: list[Box] = []
    by_size = sorted(frames_of(rules), key=lambda frame: -float(np.ptp(frame[0][:, 0])))
    by_place = sorted(range(len(sheet.words)), key=lambda n: sheet.top[n] + sheet.bottom[n])
    middles = [(sheet.top[n] + sheet.bottom[n]) / 2 for n in by_place]
    for flat, upright in by_size:
        ys, xs = _edges(flat, upright, rules.cross), _edges(upright, flat, rules.cross)
        if len(ys) < 3 or len(xs) < 3 or (len(ys) - 1) * (len(xs) - 1) > _MAX_CELLS:
            continue
        box = Box(xs[0], ys[0], xs[-1], ys[-1])
        if any(box.overlap(other) > 0.1 * box.area for other in taken):
            continue
        first, end = bisect_right(middles, ys[0]), bisect_right(middles, ys[-1])
        inside = [n for n in by_place[first:end] if xs[0] <= (sheet.left[n] + sheet.right[n]) / 2 <= xs[-1]]
        table = _grid(sheet, flat, upright, ys, xs, inside)
        if table is not None:
            tables.append(table)
            taken.append(box)
    return tables


def _edges(lines: Floats, across: Floats, cross: float) -> list[float]:
    """Places of the grid's edges in one direction; open sides end where the crossing lines do."""
    edges: list[list[float]] = []
    for place in sorted(lines[:, 0].tolist()):
        if edges and place - edges[-1][0] <= max(cross, 3.0):
            edges[-1].append(place)
        else:
            edges.append([place])
    places = [sum(edge) / len(edge) for edge in edges]
    for end, sign in ((1, -1.0), (2, 1.0)):
        reach = sorted((sign * across[:, end]).tolist())[-2:]  # two lines must agree
        side = places[0] if sign < 0 else places[-1]
        if len(reach) == 2 and reach[1] - reach[0] <= cross and reach[0] - sign * side > 2 * cross + 2:
            outer = sign * sum(reach) / 2
            places = [outer, *places] if sign < 0 else [*places, outer]
    return places


def _grid(
    sheet: Sheet, flat: Floats, upright: Floats, ys: list[float], xs: list[float], inside: list[int]
) -> TableDraft | None:
    walls = _covered(upright, xs, ys)  # (edges across, rows)
    floors = _covered(flat, ys, xs)  # (edges down, columns)
    owner, cells = _cells(walls, floors, len(ys) - 1, len(xs) - 1)
    words: list[list[int]] = [[] for _ in cells]
    for n in inside:
        row = _slot(ys, (sheet.top[n] + sheet.bottom[n]) / 2)
        column = _slot(xs, (sheet.left[n] + sheet.right[n]) / 2)
        words[owner[row][column]].append(n)
    filled = [cell for cell, own in zip(cells, words, strict=True) if own]
    if len({cell[0] for cell in filled}) < 2 or len({cell[1] for cell in filled}) < 2:
        return None
    if len(filled) < _FILLED * len(cells):
        return None
    rows, columns = _used(cells, 0, 2), _used(cells, 1, 3)
    drafts = []
    for (row, column, row_end, column_end), own in zip(cells, words, strict=True):
        at, across = rows.index(row), columns.index(column)
        drafts.append(
            CellDraft(
                at,
                across,
                Box(xs[column], ys[row], xs[column_end], ys[row_end]),
                lines_in(sheet, own),
                rows.index(row_end) - at,
                columns.index(column_end) - across,
            )
        )
    drafts.sort(key=lambda cell: (cell.row, cell.column))
    box = Box(xs[0], ys[0], xs[-1], ys[-1])
    return TableDraft(box, len(rows) - 1, len(columns) - 1, drafts, ruled=True)


def _slot(edges: list[float], place: float) -> int:
    return min(max(bisect_right(edges, place) - 1, 0), len(edges) - 2)


def _used(cells: Sequence[tuple[int, int, int, int]], start: int, end: int) -> list[int]:
    """Edges at which some cell begins or ends."""
    return sorted({cell[start] for cell in cells} | {cell[end] for cell in cells})


def _covered(lines: Floats, edges: list[float], slots: list[float]) -> NDArray[np.bool_]:
    """Whether the lines on each edge cover each slot between two crossing edges. The outer edges do."""
    starts, ends = np.array(slots[:-1]), np.array(slots[1:])
    drawn = np.zeros((len(edges), len(starts)))
    places = np.array(edges)
    for place, start, end in lines:
        drawn[int(np.abs(places - place).argmin())] += np.clip(
            np.minimum(ends, end) - np.maximum(starts, start), 0, None
        )
    wall: NDArray[np.bool_] = drawn >= _WALL * (ends - starts)
    wall[0] = wall[-1] = True
    return wall


def _cells(
    walls: NDArray[np.bool_], floors: NDArray[np.bool_], rows: int, columns: int
) -> tuple[list[list[int]], list[tuple[int, int, int, int]]]:
    """Rectangles (row, column, row end, column end) of places with no wall between them, and the number
    of the rectangle that each place is in. What is no rectangle is cut into some, row by row."""
    owner = [[-1] * columns for _ in range(rows)]
    cells: list[tuple[int, int, int, int]] = []
    wall, floor = walls.tolist(), floors.tolist()
    for row in range(rows):
        for column in range(columns):
            if owner[row][column] >= 0:
                continue
            right = column + 1
            while right < columns and not wall[right][row] and owner[row][right] < 0:
                right += 1
            down = row + 1
            while (
                down < rows
                and not any(floor[down][column:right])
                and (column == 0 or wall[column][down])
                and (right == columns or wall[right][down])
                and not any(wall[edge][down] for edge in range(column + 1, right))
            ):
                down += 1
            for r in range(row, down):
                for c in range(column, right):
                    owner[r][c] = len(cells)
            cells.append((row, column, down, right))
    return owner, cells
