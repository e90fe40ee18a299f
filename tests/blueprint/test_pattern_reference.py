"""The pattern reference: whole, connected, and shown as it is stated."""

from __future__ import annotations

import pytest

from asbuilt.blueprint import (
    PATTERN_REFERENCE,
    DesignPattern,
    FlowStep,
    build_waves,
    find_pattern,
    show_pattern,
)
from asbuilt.errors import NotFoundError

FLOWS = {
    "rag_pipeline": "query -> embed -> search -> retrieve -> augment -> generate -> response",
    "agent_orchestrator": "task -> plan -> dispatch -> execute -> aggregate -> verify -> output",
    "training_pipeline": "collect -> clean -> train -> evaluate -> (pass) register -> deploy, (fail) iterate",
    "multimodal_processor": "input -> route -> encode -> fuse -> process -> format -> output",
}
PATTERNS = pytest.mark.parametrize("pattern", PATTERN_REFERENCE.values(), ids=lambda pattern: pattern.name)


def steps(pattern: DesignPattern) -> list[FlowStep]:
    return [*pattern.flow, *(each for step in pattern.flow for each in step.otherwise)]


def test_the_four_flow_as_designed() -> None:
    assert {name: pattern.data_flow for name, pattern in PATTERN_REFERENCE.items()} == FLOWS


@PATTERNS
def test_a_pattern_is_closed_and_connected(pattern: DesignPattern) -> None:
    names = {each.name for each in pattern.components}
    assert {name for step in steps(pattern) for name in step.by} <= names
    assert {name for each in pattern.components for name in each.dependencies} <= names
    connected = {
        name for each in pattern.components if each.dependencies for name in (each.name, *each.dependencies)
    }
    assert connected == names
    assert all(each.inputs and each.outputs for each in pattern.components)
    architecture = pattern.to_architecture("My system")
    assert set(architecture.get_build_order()) == names
    assert len(build_waves(architecture.to_blueprint())) > 2


@PATTERNS
def test_the_diagram_shows_every_step_and_component_once(pattern: DesignPattern) -> None:
    diagram = pattern.diagram
    for component in pattern.components:
        assert component.name in diagram
    boxes = [line for line in diagram.splitlines() if line.startswith("│")]
    assert [line.split()[1] for line in boxes] == [step.name for step in pattern.flow]
    assert len({len(line) for line in diagram.splitlines() if line.startswith(("┌", "│", "└"))}) == 1
    assert diagram.count("▼") == len(pattern.flow) - 1
    assert all(line == line.rstrip() for line in diagram.splitlines())


def test_a_fork_is_drawn() -> None:
    assert (
        """\
└───────────────┬───────────────┘
                ├── fail ──▶ iterate (Data Collector + Trainer)
                │ pass
┌───────────────▼───────────────┐
│ register   Model Registry     │
"""
        in PATTERN_REFERENCE["training_pipeline"].diagram
    )


@pytest.mark.parametrize("name", ["rag_pipeline", "rag-pipeline", " RAG Pipeline"])
def test_spellings(name: str) -> None:
    assert find_pattern(name) is PATTERN_REFERENCE["rag_pipeline"]


def test_showing_one_prints_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_pattern("agent-orchestrator")
    shown = capsys.readouterr().out
    pattern = PATTERN_REFERENCE["agent_orchestrator"]
    for text in (pattern.name, pattern.description, pattern.data_flow, pattern.diagram, *pattern.best_for):
        assert text in shown
    assert all(each.purpose in shown for each in pattern.components)


def test_an_unknown_pattern_gets_the_nearest() -> None:
    with pytest.raises(NotFoundError, match=r"no pattern 'rag_pipelin'\. Did you mean 'rag_pipeline'\?"):
        show_pattern("rag_pipelin")
    with pytest.raises(NotFoundError, match=r"Patterns: rag_pipeline, "):
        show_pattern("zzz")
