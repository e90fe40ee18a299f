"""Where the boxes of a layered drawing stand and how its arrows run.

The method of Sugiyama, Tagawa and Toda (1981): boxes stand in the layers that are given; an arrow
that passes a layer gets a lane of its own there; layers are put in an order with few crossings;
then everything moves as near to its neighbours as the order allows. The same graph always gives
the same drawing.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Layers", "lay_out"]

_SWEEPS = 12  # of ordering; more change nothing in graphs of a hundred boxes
_MOVES = 24  # of straightening

_LANE = 18.0  # height of an arrow's lane through a layer, with what separates it
_PULL = {0: 1.0, 1: 3.0, 2: 9.0}  # by how many ends of a piece are lanes: long arrows become straight


@dataclass(frozen=True, slots=True)
class Layers:
    """Vertical middles: of each box, and of the lane in every layer that an edge passes between its ends."""

    middle: Mapping[str, float]
    lanes: Mapping[tuple[str, str], tuple[float, ...]]


_Node = str | tuple[str, str, int]  # a box, or where an edge passes a layer


class _Graph:
    """Layers of boxes and lanes, with the pieces of edges between neighbouring layers."""

    def __init__(self, layers: Sequence[Sequence[str]], edges: Sequence[tuple[str, str]]) -> None:
        self.layers: list[list[_Node]] = [list(layer) for layer in layers]
        layer_of = {name: number for number, layer in enumerate(layers) for name in layer}
        self.left: dict[_Node, list[_Node]] = {name: [] for name in layer_of}
        self.right: dict[_Node, list[_Node]] = {name: [] for name in layer_of}
        self.paths: dict[tuple[str, str], list[_Node]] = {}
        for start, end in edges:
            path: list[_Node] = [start]
            for number in range(layer_of[start] + 1, layer_of[end]):
                path.append((start, end, number))
                self.layers[number].append(path[-1])
                self.left[path[-1]], self.right[path[-1]] = [], []
            path.append(end)
            self.paths[start, end] = path
            for before, after in pairwise(path):
                self.right[before].append(after)
                self.left[after].append(before)

    def order(self) -> None:
        """Sort every layer by the mean place of its neighbours, from both sides in turn; keep the best."""
        best, fewest = self.layers, self.crossings()
        for sweep in range(_SWEEPS):
            if fewest == 0:
                break
            self.layers = [list(layer) for layer in self.layers]
            rightwards = sweep % 2 == 0
            numbers = range(1, len(self.layers)) if rightwards else range(len(self.layers) - 2, -1, -1)
            for number in numbers:
                beside = self.layers[number - 1 if rightwards else number + 1]
                self._sort(number, {node: place for place, node in enumerate(beside)}, rightwards)
            if (crossings := self.crossings()) < fewest:
                best, fewest = self.layers, crossings
        self.layers = best

    def _sort(self, number: int, places: Mapping[_Node, int], rightwards: bool) -> None:
        layer = self.layers[number]
        neighbours = self.left if rightwards else self.right

        def mean(place: int) -> float:
            found = [places[each] for each in neighbours[layer[place]]]
            return sum(found) / len(found) if found else place

        self.layers[number] = [layer[place] for place in sorted(range(len(layer)), key=mean)]

    def crossings(self) -> int:
        """How many pairs of pieces cross."""
        count = 0
        for layer, after in pairwise(self.layers):
            places = {node: place for place, node in enumerate(after)}
            passed: list[int] = []
            for node in layer:
                ends = sorted(places[each] for each in self.right[node])
                count += sum(len(passed) - bisect_left(passed, end + 1) for end in ends)
                for end in ends:
                    insort(passed, end)
        return count

    def middles(self, heights: Mapping[str, float], gap: float) -> dict[_Node, float]:
        """Vertical middles that keep the order and leave `gap` between boxes."""
        middles: dict[_Node, float] = {}
        for layer in self.layers:
            top = 0.0
            for node in layer:
                middles[node] = top + _height(node, heights) / 2
                top += _height(node, heights) + _space(node, gap)
            for node in layer:
                middles[node] -= top / 2  # layers start centred
        for move in range(_MOVES):
            rightwards = move % 2 == 0
            for layer in self.layers if rightwards else reversed(self.layers):
                # Both sides pull in the end; at first only the side that was placed just now.
                sides = (
                    (self.left, self.right)
                    if move >= _MOVES // 2
                    else ((self.left, self.right)[not rightwards],)
                )
                self._straighten(layer, sides, middles, heights, gap)
        return middles

    def _straighten(
        self,
        layer: Sequence[_Node],
        sides: Sequence[Mapping[_Node, Sequence[_Node]]],
        middles: dict[_Node, float],
        heights: Mapping[str, float],
        gap: float,
    ) -> None:
        wanted, weights, offsets = [], [], []
        offset = 0.0
        for place, node in enumerate(layer):
            pulls = [
                (middles[other], _PULL[_is_lane(node) + _is_lane(other)])
                for side in sides
                for other in side[node]
            ] or [(middles[node], 0.1)]
            weight = sum(pull for _, pull in pulls)
            if place:
                before = layer[place - 1]
                spaces = (_space(before, gap) + _space(node, gap)) / 2
                offset += (_height(before, heights) + _height(node, heights)) / 2 + spaces
            wanted.append(sum(middle * pull for middle, pull in pulls) / weight - offset)
            weights.append(weight)
            offsets.append(offset)
        for node, place_, offset in zip(layer, _rising(wanted, weights), offsets, strict=True):
            middles[node] = place_ + offset


def _is_lane(node: _Node) -> bool:
    return not isinstance(node, str)


def _height(node: _Node, heights: Mapping[str, float]) -> float:
    return heights[node] if isinstance(node, str) else 0.0


def _space(node: _Node, gap: float) -> float:
    return gap if isinstance(node, str) else _LANE


def _rising(wanted: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The values nearest to `wanted` (least squares) that never fall: pool adjacent violators."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for value, weight in zip(wanted, weights, strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (mean, heavy, many), (other, light, few) = pools[-2:]
            pools[-2:] = [((mean * heavy + other * light) / (heavy + light), heavy + light, many + few)]
    return [mean for mean, _, count in pools for _ in range(count)]


def lay_out(
    layers: Sequence[Sequence[str]],
    edges: Sequence[tuple[str, str]],
    heights: Mapping[str, float],
    *,
    gap: float,
) -> Layers:
    """Middles of boxes in `layers` of which every edge goes from an earlier to a later one.

    `heights` of the boxes and `gap` between two of one layer are in the unit of the result.
    The topmost edge of any box or lane is at 0.
    """
    graph = _Graph(layers, edges)
    graph.order()
    middles = graph.middles(heights, gap)
    top = min((middles[node] - _height(node, heights) / 2 for node in middles), default=0.0)
    return Layers(
        {node: middle - top for node, middle in middles.items() if isinstance(node, str)},
        {edge: tuple(middles[node] - top for node in path[1:-1]) for edge, path in graph.paths.items()},
    )
