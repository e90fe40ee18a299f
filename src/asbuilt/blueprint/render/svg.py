"""The diagram as SVG: waves as columns, arrows from what stands first to what builds on it.

Drawn here, so that it needs neither a network nor another program. Fonts are those of the reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape

from asbuilt.blueprint.render.drawing import Drawing
from asbuilt.blueprint.render.fitting import fitted, width_of, wrapped
from asbuilt.blueprint.render.layers import lay_out
from asbuilt.blueprint.render.markdown import hours_text
from asbuilt.blueprint.spec import Blueprint, ComponentSpec, ComponentStatus

__all__ = ["svg"]

# Pixels.
_MARGIN = 28.0
_BOX = 212.0  # width
_BOX_HEIGHT = 84.0
_OUTSIDE_HEIGHT = 34.0
_GAP = 22.0  # between boxes of a column
_PAD = 12.0
_TITLE, _BODY, _SMALL, _HEAD = 13.5, 11.0, 10.5, 19.0  # font sizes
_NEAR, _FAR = 56.0, 130.0  # least and most between columns
_PER_EDGE = 5.0  # more between columns for each arrow that turns there
_SPREAD = 13.0  # most between the ends of two arrows at one side of a box
_ARROW = 7.0
_IN_A_ROW = 3  # boxes that have room in the narrowest drawing

_STYLE = """\
text{font-family:Inter,"Segoe UI",Helvetica,Arial,"Liberation Sans",sans-serif;fill:#16233f}
.mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace}
.box{stroke-width:1.4}.built{fill:#eef3fd;stroke:#3565c8}
.planned{fill:#fff;stroke:#8590a3;stroke-dasharray:6 4}
.outside{fill:#f4f5f7;stroke:#a6aebb;stroke-dasharray:1.5 3.5;stroke-linecap:round}
.blocked{stroke:#c2362f}
.soft{fill:#536075}.faint{fill:#7d8797}.alarm{fill:#c2362f}
.edge{fill:none;stroke:#8794ad;stroke-width:1.3}
.head{fill:#8794ad}"""
_MARKER = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto" markerUnits="userSpaceOnUse">'
    '<path class="head" d="M0 .6 8 4 0 7.4z"/></marker></defs>'
)


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    middle: float
    height: float

    @property
    def top(self) -> float:
        return self.middle - self.height / 2


def svg(blueprint: Blueprint, drawing: Drawing) -> str:
    """A document of its own, with a newline at its end."""
    plan = _Plan(drawing)
    width = max(plan.right + _MARGIN, 2 * _MARGIN + _IN_A_ROW * (_BOX + _GAP) - _GAP)
    title = list(_title(blueprint, width - 2 * _MARGIN))
    plan.move_down(_MARGIN + 17 * len(title) + 64)
    apart = plan.place_apart(width)
    height = plan.bottom + 56
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{_xml(blueprint.system.title or blueprint.system.name)}</title>",
        f"<desc>{_xml(blueprint.system.purpose)}</desc>",
        f"<style>{_STYLE}</style>",
        _MARKER,
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
        *title,
        *plan.heads(),
        *apart,
        *plan.arrows(),
        *(_component(each, plan.boxes[each.name]) for each in blueprint.components),
        *(_outside(name, plan.boxes[name]) for name in drawing.outside),
        *_legend(blueprint, drawing, height - 22),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


# ---------------------------------------------------------------- columns and arrows


class _Plan:
    """Where everything stands. What has no arrow at all would only stretch its column: it stands apart."""

    def __init__(self, drawing: Drawing) -> None:
        joined = {name for edge in drawing.edges for name in edge}
        self._apart = [name for wave in drawing.waves for name in wave if name not in joined]
        waves = [[name for name in wave if name in joined] for wave in drawing.waves]
        names = [f"Wave {number}" for number in range(1, len(waves) + 1)]
        all_columns = [("Outside", list(drawing.outside)), *zip(names, waves, strict=True)]
        self._columns = [(head, column) for head, column in all_columns if column]
        self._edges = drawing.edges
        self._column_of = {
            name: number for number, (_, column) in enumerate(self._columns) for name in column
        }
        self._lefts = self._room()
        heights = {
            name: _OUTSIDE_HEIGHT if name in drawing.outside else _BOX_HEIGHT for name in self._column_of
        }
        layers = lay_out([column for _, column in self._columns], drawing.edges, heights, gap=_GAP)
        self._lanes = layers.lanes
        self.boxes = {
            name: _Box(self._lefts[number], layers.middle[name], heights[name])
            for name, number in self._column_of.items()
        }
        self._top = 0.0
        ends = [box.middle + box.height / 2 for box in self.boxes.values()]
        self.bottom = max((*ends, *(lane for lanes in self._lanes.values() for lane in lanes)), default=0.0)
        self.right = self._lefts[-1] + _BOX if self._lefts else 0.0

    def _room(self) -> list[float]:
        """Left edges of the columns: between two, more room the more arrows turn there."""
        turning = [0] * len(self._columns)
        for before, after in self._edges:
            turning[self._column_of[before]] += 1
            if self._column_of[after] - self._column_of[before] > 1:
                turning[self._column_of[after] - 1] += 1
        lefts, left = [], _MARGIN
        for count in turning:
            lefts.append(left)
            left += _BOX + min(_FAR, _NEAR + _PER_EDGE * count)
        return lefts

    def move_down(self, by: float) -> None:
        """Make room above."""
        self._top += by
        self.bottom += by
        self.boxes = {name: replace(box, middle=box.middle + by) for name, box in self.boxes.items()}
        self._lanes = {edge: tuple(lane + by for lane in lanes) for edge, lanes in self._lanes.items()}

    def place_apart(self, width: float) -> list[str]:
        """Rows below the columns for what has no arrow; returns their heading."""
        if not self._apart:
            return []
        top = self.bottom + 62 if self._columns else self._top
        in_a_row = int((width - 2 * _MARGIN + _GAP) // (_BOX + _GAP))
        for place, name in enumerate(sorted(self._apart)):
            row, column = divmod(place, in_a_row)
            middle = top + _BOX_HEIGHT / 2 + row * (_BOX_HEIGHT + _GAP)
            self.boxes[name] = _Box(_MARGIN + column * (_BOX + _GAP), middle, _BOX_HEIGHT)
        self.bottom = self.boxes[max(self._apart)].middle + _BOX_HEIGHT / 2
        return [_head(_MARGIN, top, "Wave 1, on their own")]

    def heads(self) -> Iterator[str]:
        """What stands above the columns."""
        for left, (head, _) in zip(self._lefts, self._columns, strict=True):
            yield _head(left, self._top, head)

    def arrows(self) -> Iterator[str]:
        """A curve for each edge: level where it leaves, passes columns and arrives."""
        leaving, arriving = self._ends(0), self._ends(1)
        for edge in self._edges:
            before, after = edge
            x, y = self.boxes[before].left + _BOX, leaving[edge]
            path = [f"M{x:.1f} {y:.1f}"]
            for number, lane in enumerate(self._lanes[edge], start=self._column_of[before] + 1):
                path += [_curve(x, y, self._lefts[number], lane), f"H{self._lefts[number] + _BOX:.1f}"]
                x, y = self._lefts[number] + _BOX, lane
            path.append(_curve(x, y, self.boxes[after].left - _ARROW, arriving[edge]))
            yield f'<path class="edge" d="{"".join(path)}" marker-end="url(#head)"/>'

    def _ends(self, end: int) -> dict[tuple[str, str], float]:
        """Where edges touch the box at their start (0) or end (1): side by side, in the order in which
        they come."""
        at: dict[str, list[tuple[float, tuple[str, str]]]] = {}
        for edge in self._edges:
            lanes = self._lanes[edge]
            nearest = lanes[-end] if lanes else self.boxes[edge[1 - end]].middle
            at.setdefault(edge[end], []).append((nearest, edge))
        found: dict[tuple[str, str], float] = {}
        for name, coming in at.items():
            box = self.boxes[name]
            step = min(_SPREAD, (box.height - 2 * _PAD) / len(coming))
            first = box.middle - step * (len(coming) - 1) / 2
            found.update({edge: first + step * place for place, (_, edge) in enumerate(sorted(coming))})
        return found


def _head(left: float, top: float, text: str) -> str:
    return _text(left, top - 14, text, _SMALL, "faint", more='letter-spacing=".4"')


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    half = (to_x - x) / 2
    return f"C{x + half:.1f} {y:.1f} {to_x - half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"


# ---------------------------------------------------------------- boxes and words


def _component(component: ComponentSpec, box: _Box) -> str:
    kind = "planned" if component.use is None else "built"
    inside = _BOX - 2 * _PAD
    blocked = component.status is ComponentStatus.BLOCKED
    left, right = box.left + _PAD, box.left + _BOX - _PAD
    hours = "" if component.estimated_hours is None else f"{hours_text(component.estimated_hours)} h"
    room = inside - (width_of(hours, _SMALL) + 10 if hours else 0)
    played_by = component.use is not None and not blocked
    below = component.use if component.use is not None and played_by else component.status.replace("_", " ")
    lines = wrapped(_clean(component.purpose), inside, _BODY, lines=2)
    first = box.top + 40 + (0 if len(lines) > 1 else 7)
    return "\n".join(
        (
            "<g>",
            f"<title>{_xml(component.purpose)}</title>",
            f'<rect class="box {kind}{" blocked" * blocked}" x="{box.left:.1f}" y="{box.top:.1f}" '
            f'width="{_BOX:.0f}" height="{box.height:.0f}" rx="8"/>',
            _text(
                left,
                box.top + 21,
                fitted(_clean(component.title or component.name), inside, _TITLE, bold=True),
                _TITLE,
                more='font-weight="600"',
            ),
            *(_text(left, first + 14 * number, line, _BODY, "soft") for number, line in enumerate(lines)),
            _text(
                left,
                box.top + 74,
                fitted(_clean(below), room, _SMALL, monospace=played_by),
                _SMALL,
                "mono faint" if played_by else "alarm" if blocked else "faint",
            ),
            *(
                [_text(right, box.top + 74, hours, _SMALL, "faint", more='text-anchor="end"')]
                if hours
                else []
            ),
            "</g>",
        )
    )


def _outside(name: str, box: _Box) -> str:
    text = fitted(_clean(name), _BOX - 2 * _PAD, _BODY)
    return (
        f'<rect class="box outside" x="{box.left:.1f}" y="{box.top:.1f}" width="{_BOX:.0f}" '
        f'height="{box.height:.0f}" rx="{box.height / 2:.0f}"/>\n'
        + _text(box.left + _BOX / 2, box.middle + 4, text, _BODY, "soft", more='text-anchor="middle"')
    )


def _title(blueprint: Blueprint, width: float) -> Iterator[str]:
    name = fitted(_clean(blueprint.system.title or blueprint.system.name), width, _HEAD, bold=True)
    yield _text(_MARGIN, _MARGIN + 12, name, _HEAD, more='font-weight="700"')
    for number, line in enumerate(wrapped(_clean(blueprint.system.purpose), width, 12.5, lines=3)):
        yield _text(_MARGIN, _MARGIN + 34 + 17 * number, line, 12.5, "soft")


def _legend(blueprint: Blueprint, drawing: Drawing, y: float) -> Iterator[str]:
    planned = [each.use is None for each in blueprint.components]
    kinds = [
        ("built", "built: an implementation plays it", not all(planned)),
        ("planned", "planned: still on the drawing board", any(planned)),
        ("outside", "outside of this system", bool(drawing.outside)),
    ]
    x = _MARGIN
    for kind, text, there in kinds:
        if there:
            yield f'<rect class="box {kind}" x="{x:.1f}" y="{y - 10:.1f}" width="22" height="13" rx="4"/>'
            yield _text(x + 30, y, text, _SMALL, "soft")
            x += 30 + width_of(text, _SMALL) + 22


def _text(x: float, y: float, text: str, size: float, kind: str = "", *, more: str = "") -> str:
    words = "".join((f' class="{kind}"' if kind else "", f" {more}" if more else ""))
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}"{words}>{_xml(text)}</text>'


def _clean(text: str) -> str:
    return " ".join(text.split())


def _xml(text: str) -> str:
    """XML cannot hold control characters at all."""
    return escape(
        "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in _clean(text))
    )
