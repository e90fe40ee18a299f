"""What is given to what, and what is built after what."""

from __future__ import annotations

from graphlib import CycleError
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.blueprint import parts

from asbuilt.blueprint import (
    Blueprint,
    ComponentSpec,
    SystemSpec,
    build_order,
    build_waves,
    config_values,
    find_cycles,
    resolve_needs,
    sorted_names,
    sorted_waves,
)
from asbuilt.errors import BlueprintError, NotFoundError, UserError

assert parts  # registers the components that these blueprints use


def drawn(*components: ComponentSpec) -> Blueprint:
    return Blueprint(system=SystemSpec("x", "y"), components=components)


EMBEDDER = ComponentSpec("embedder", "Embed", use="embedder/drawn")
INDEX = ComponentSpec("index", "Find", use="index/drawn", config={"dim": 8})
RERANKER = ComponentSpec("reranker", "Order", use="reranker/drawn")
RETRIEVER = ComponentSpec("retriever", "Retrieve", use="retriever/drawn")
LLM = ComponentSpec("llm", "Write", use="generator/drawn")
TOOLS = tuple(ComponentSpec(name, "Help", use="tool/drawn") for name in ("zoom", "ask"))


def test_needs_are_found_by_role() -> None:
    assert resolve_needs(drawn(RETRIEVER, EMBEDDER, INDEX, LLM, *TOOLS)) == {
        "retriever": {"embedder": "embedder", "index": "index"},
        "embedder": {},
        "index": {},
        "llm": {"tools": ("zoom", "ask")},
        "zoom": {},
        "ask": {},
    }
    assert resolve_needs(drawn(RETRIEVER, EMBEDDER, INDEX, RERANKER))["retriever"]["reranker"] == "reranker"


def test_needs_that_are_written_win() -> None:
    second = ComponentSpec("second", "Embed", use="embedder/drawn")
    retriever = ComponentSpec(
        "retriever", "x", use="retriever/drawn", needs={"embedder": "second", "reranker": None}
    )
    assert resolve_needs(drawn(EMBEDDER, second, INDEX, RERANKER, retriever))["retriever"] == {
        "embedder": "second",
        "index": "index",
    }
    for written, given_tools in ((None, ()), ("ask", ("ask",)), (("ask",), ("ask",)), ((), ())):
        llm = ComponentSpec("llm", "Write", use="generator/drawn", needs={"tools": written})
        assert resolve_needs(drawn(llm, *TOOLS))["llm"]["tools"] == given_tools


@pytest.mark.parametrize("written", [{}, {"first": "reranker"}])
def test_one_component_does_not_fill_two_optional_needs(written: dict[str, str]) -> None:
    retriever = ComponentSpec("retriever", "x", use="retriever/twice-reranked", needs=written)
    found = resolve_needs(drawn(INDEX, RERANKER, retriever))["retriever"]
    assert found == {"index": "index", "first": "reranker"}


def test_a_component_is_never_its_own_need_by_role() -> None:
    outer = ComponentSpec("outer", "Wrap", use="retriever/wrapping")
    assert resolve_needs(drawn(EMBEDDER, INDEX, RETRIEVER, outer))["outer"] == {"retriever": "retriever"}


def test_needs_that_cannot_be_met_are_all_told() -> None:
    with pytest.raises(BlueprintError) as caught:
        resolve_needs(drawn(RETRIEVER))
    assert [line.split(": ")[0] for line in caught.value.faults] == [
        "components.retriever.needs.embedder",
        "components.retriever.needs.index",
    ]
    with pytest.raises(NotFoundError, match="embedder/drawn"):
        resolve_needs(drawn(ComponentSpec("e", "x", use="embedder/draun")))


def test_build_order() -> None:
    plan = ComponentSpec("a-plan", "Later", dependencies=("llm", "somebody-else"))
    blueprint = drawn(LLM, *TOOLS, RETRIEVER, INDEX, EMBEDDER, plan)
    assert build_order(blueprint) == ["ask", "embedder", "index", "retriever", "zoom", "llm", "a-plan"]
    assert build_waves(blueprint) == [
        ("ask", "embedder", "index", "zoom"),
        ("llm", "retriever"),
        ("a-plan",),
    ]


def test_a_cycle_is_named() -> None:
    one = ComponentSpec("one", "x", use="retriever/wrapping", needs={"retriever": "two"})
    two = ComponentSpec("two", "x", use="retriever/wrapping", needs={"retriever": "one"})
    with pytest.raises(BlueprintError, match="no build order exists: cycle: one -> two -> one"):
        build_order(drawn(one, two))


GRAPHS = st.dictionaries(st.sampled_from("abcdefgh"), st.sets(st.sampled_from("abcdefghxy"), max_size=4))


@given(GRAPHS)
def test_an_order_or_a_cycle(graph: dict[str, set[str]]) -> None:
    cycles = find_cycles(graph)
    if cycles:
        with pytest.raises(CycleError):
            sorted_names(graph)
        for cycle in cycles:
            assert cycle[0] == cycle[-1] == min(cycle)
            assert all(after in graph[before] for before, after in pairwise(cycle))
        members = [name for cycle in cycles for name in cycle[1:]]
        assert len(members) == len(set(members))
        return
    order = sorted_names(graph)
    assert sorted(order) == sorted(graph)
    built: set[str] = set()
    for name in order:
        ready = {each for each in graph if each not in built and not (graph[each] & graph.keys()) - built}
        assert name == min(ready)
        built.add(name)
    waves = sorted_waves(graph)
    assert sorted(name for wave in waves for name in wave) == sorted(graph)
    place = {name: number for number, wave in enumerate(waves) for name in wave}
    for name in graph:
        before = [place[each] for each in graph[name] if each in place]
        assert place[name] == max(before, default=-1) + 1


def test_config_becomes_what_the_constructor_takes(tmp_path: Path) -> None:
    config = {"model": "models/a.gguf", "stops": ["a", "b"], "scale": 2, "options": {"x": 1}}
    component = ComponentSpec("embedder", "x", use="embedder/drawn", config=config)
    assert config_values(component, tmp_path) == {
        "model": tmp_path / "models/a.gguf",
        "stops": ("a", "b"),
        "scale": 2.0,
        "options": {"x": 1},
    }
    home = ComponentSpec("embedder", "x", use="embedder/drawn", config={"model": "~/a.gguf"})
    assert config_values(home, tmp_path) == {"model": Path.home() / "a.gguf"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"stops": ["a", 5]}, r"e: config stops\[1\] must be text \(5\)\."),
        ({"stop": []}, r"e: embedder/drawn takes no config 'stop'\."),
    ],
)
def test_wrong_config_is_refused(config: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        config_values(ComponentSpec("e", "x", use="embedder/drawn", config=config), tmp_path)
