"""Diagrams: nothing overlaps, everything is there, and nothing breaks their format."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.blueprint import Blueprint, ComponentSpec, SystemSpec, sorted_waves
from asbuilt.blueprint.render.drawing import Drawing, drawing_of
from asbuilt.blueprint.render.fitting import fitted, width_of, wrapped
from asbuilt.blueprint.render.layers import _Graph, lay_out
from asbuilt.blueprint.render.mermaid import mermaid
from asbuilt.blueprint.render.svg import svg

SVG = "{http://www.w3.org/2000/svg}"
GAP = 22.0
NASTY = "\x00 <script>&\"'\ud7ff\u0007]]>\n--> %% :::x end #quot; é漢"


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    names = [f"n{number}" for number in range(draw(st.integers(1, 14)))]
    return {
        name: draw(st.lists(st.sampled_from(names[:number]), unique=True, max_size=4)) if number else []
        for number, name in enumerate(names)
    }


def blueprint(graph: dict[str, list[str]]) -> Blueprint:
    return Blueprint(
        system=SystemSpec("drawn", "Is drawn"),
        components=tuple(
            ComponentSpec(name, "Does its part", dependencies=tuple(before)) for name, before in graph.items()
        ),
    )


def drawn(drawing: Blueprint) -> tuple[str, ElementTree.Element]:
    text = svg(drawing, drawing_of(drawing))
    return text, ElementTree.fromstring(text)


@given(graphs())
def test_boxes_and_lanes_of_a_layer_keep_their_distance(graph: dict[str, list[str]]) -> None:
    layers = sorted_waves(graph)
    edges = [(before, name) for name, all_before in graph.items() for before in all_before]
    placed = lay_out(layers, edges, dict.fromkeys(graph, 80.0), gap=GAP)
    layer_of = {name: number for number, layer in enumerate(layers) for name in layer}
    for number, layer in enumerate(layers):
        spans = [(placed.middle[name] - 40, placed.middle[name] + 40) for name in layer]
        for (before, after), lanes in placed.lanes.items():
            assert len(lanes) == layer_of[after] - layer_of[before] - 1
            if 0 <= (passed := number - layer_of[before] - 1) < len(lanes):
                spans.append((lanes[passed], lanes[passed]))
        for (_, bottom), (top, _) in pairwise(sorted(spans)):
            assert top - bottom >= 18 - 1e-6
    everything = [
        *(y - 40 for y in placed.middle.values()),
        *(y for lanes in placed.lanes.values() for y in lanes),
    ]
    assert min(everything) == pytest.approx(0)
    assert placed == lay_out(layers, edges, dict.fromkeys(graph, 80.0), gap=GAP)


@given(graphs())
def test_ordering_never_adds_crossings(graph: dict[str, list[str]]) -> None:
    edges = [(before, name) for name, all_before in graph.items() for before in all_before]
    tangled = _Graph(sorted_waves(graph), edges)
    at_first = tangled.crossings()
    pieces = [
        (number, place, layer.index(after))
        for number, (before_layer, layer) in enumerate(pairwise(tangled.layers))
        for place, node in enumerate(before_layer)
        for after in tangled.right[node]
    ]
    assert at_first == sum(
        one[0] == other[0] and (one[1] - other[1]) * (one[2] - other[2]) < 0
        for one, other in combinations(pieces, 2)
    )
    tangled.order()
    assert tangled.crossings() <= at_first


def test_a_tangle_that_can_be_undone_is_undone() -> None:
    graph = _Graph([["a", "b", "c"], ["x", "y", "z"]], [("a", "z"), ("b", "y"), ("c", "x")])
    assert graph.crossings() == 3
    graph.order()
    assert graph.crossings() == 0


@given(graphs())
def test_every_component_and_arrow_is_drawn_inside_the_picture(graph: dict[str, list[str]]) -> None:
    text, root = drawn(blueprint(graph))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = [each.find(f"{SVG}rect") for each in root.iter(f"{SVG}g")]
    assert len(boxes) == len(graph)
    corners = [
        tuple(float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        for box in boxes
        if box is not None
    ]
    assert all(x > 0 and y > 60 and x + w < width and y + h < height - 30 for x, y, w, h in corners)
    for (x, y, w, h), (other_x, other_y, _, _) in combinations(corners, 2):
        assert abs(x - other_x) >= w or abs(y - other_y) >= h
    assert len(root.findall(f"{SVG}path")) == sum(map(len, graph.values()))
    assert text == drawn(blueprint(graph))[0]


def test_planned_is_dashed_and_built_is_not() -> None:
    mixed = Blueprint(
        system=SystemSpec("mixed", "Is drawn", title="Mixed System"),
        components=(
            ComponentSpec("words", "Embed", use="embedder/fake", estimated_hours=2.5, title="Words <1>"),
            ComponentSpec("later", "Follows", dependencies=("words", "a hub")),
        ),
    )
    _, root = drawn(mixed)
    kinds = [box.attrib["class"] for each in root.iter(f"{SVG}g") for box in each.iter(f"{SVG}rect")]
    assert kinds == ["box built", "box planned"]
    assert "stroke-dasharray" in re.search(r"\.planned\{[^}]*\}", root.findtext(f"{SVG}style") or "")[0]  # type: ignore[index]
    texts = [each.text for each in root.iter(f"{SVG}text")]
    for expected in (
        "Mixed System",
        "Words <1>",
        "embedder/fake",
        "2.5 h",
        "later",
        "planned",
        "a hub",
        "Outside",
    ):
        assert expected in texts


def test_nothing_breaks_the_formats() -> None:
    name = "--> c2 <b>&\"'"
    nasty = Blueprint(
        system=SystemSpec(name, NASTY),
        components=(ComponentSpec(name, NASTY, dependencies=("out --> there",), title="]]> end"),),
    )
    _, root = drawn(nasty)
    assert "\x00" not in "".join(root.itertext())
    assert "<script>" in "".join(root.itertext())
    lines = mermaid(nasty, drawing_of(nasty)).splitlines()
    assert lines[:4] == [
        "flowchart LR",
        '  c1["#93;#93;#62; end<br/>planned"]:::planned',
        '  c2(["out --#62; there"]):::outside',
        "  c2 --> c1",
    ]


def test_a_blueprint_of_nothing() -> None:
    empty = Blueprint(system=SystemSpec("empty", "Holds nothing"))
    assert drawing_of(empty) == Drawing((), (), ())
    assert drawn(empty)[1].attrib["role"] == "img"
    assert mermaid(empty, drawing_of(empty)).startswith("flowchart LR\n")


@given(st.text(max_size=60), st.floats(20, 300), st.floats(8, 20))
def test_what_is_fitted_fits(text: str, width: float, size: float) -> None:
    short = fitted(text, width, size)
    assert width_of(short, size) <= width or short == "…"
    assert short == text or (short.endswith("…") and text.startswith(short[:-1].rstrip()))
    lines = wrapped(text, width, size, lines=2)
    assert len(lines) <= 2
    assert all(width_of(line, size) <= width or line == "…" for line in lines)
    if not any(line.endswith("…") for line in lines):
        assert " ".join(lines) == " ".join(text.split())
