"""YAML, Python and values are one thing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

import asbuilt.blueprint
from asbuilt.blueprint import (
    ApiSpec,
    Blueprint,
    ComponentSpec,
    ComponentStatus,
    DataSpec,
    EvaluationMetric,
    EvaluationPlan,
    KnowledgeSpec,
    LoadSpec,
    MachineSpec,
    PolicySpec,
    PortSpec,
    SystemSpec,
)
from asbuilt.errors import BlueprintError, NotFoundError

ODD_WORDS = r"""yes No null ~ 1e3 0x10 1_000 2026-01-01 {a} ' " '" …é漢😀 %a @ >= | = << ? a,b [ a: &a *a !a
    ` --- ... # \n"""
ODD_TEXTS = (
    "",
    "a: b",
    "a #b",
    "- a",
    " a",
    "a ",
    "a\nb",
    "a\n\n b\n",
    "\ttab",
    "\u2028",
    "\x85",
    "\x00",
    "\ufeff",
)
ODD = st.sampled_from(ODD_WORDS.split()) | st.sampled_from(ODD_TEXTS)
ANY_TEXT = ODD | st.text(max_size=40)
TEXT = ANY_TEXT.filter(lambda text: any(not character.isspace() for character in text))
NAME = TEXT.filter(str.isprintable)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=6,
)
MAYBE = st.none() | NAME
TITLE = st.just("") | NAME
LIMIT = st.integers(1, 1000)
AMOUNT = st.floats(0.5, 1000) | LIMIT


def tuples(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=3).map(tuple)


def named(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=3, unique_by=lambda item: item.name).map(tuple)


COMPONENTS = st.builds(
    ComponentSpec,
    NAME,
    TEXT,
    inputs=tuples(st.builds(PortSpec, NAME, TEXT, ANY_TEXT)),
    outputs=tuples(st.builds(PortSpec, NAME, TEXT, ANY_TEXT)),
    dependencies=tuples(NAME),
    technologies=tuples(TEXT),
    estimated_hours=st.none() | AMOUNT,
    status=st.sampled_from(ComponentStatus),
    notes=ANY_TEXT,
    use=st.none() | TEXT,
    needs=st.dictionaries(NAME, st.none() | ANY_TEXT | tuples(ANY_TEXT), max_size=3),
    config=st.dictionaries(NAME, JSON, max_size=3),
    title=TITLE,
)
BLUEPRINTS = st.builds(
    Blueprint,
    system=st.builds(SystemSpec, NAME, TEXT, title=TITLE),
    components=named(COMPONENTS),
    target=st.builds(MachineSpec, NAME, st.none() | AMOUNT, st.none() | AMOUNT),
    api=st.builds(
        ApiSpec,
        prefix=st.sampled_from(["/api/v1", "/a", "/a-b/c.d~e_f"]),
        host=TEXT,
        port=st.integers(0, 65_535),
        roots=tuples(TEXT),
        require_keys=st.booleans(),
        max_body_mib=AMOUNT,
        max_messages=LIMIT,
    ),
    knowledge=st.builds(KnowledgeSpec, tuples(TEXT), TEXT, st.none() | TEXT),
    evaluation=st.builds(
        EvaluationPlan,
        ANY_TEXT,
        named(
            st.builds(
                EvaluationMetric,
                NAME,
                ANY_TEXT,
                TEXT,
                ANY_TEXT,
                ANY_TEXT,
                measure=ANY_TEXT,
                data=MAYBE,
                load=MAYBE,
                title=TITLE,
            )
        ),
        named(st.builds(DataSpec, NAME, ANY_TEXT, ANY_TEXT, title=TITLE)),
        tuples(TEXT),
        named(
            st.builds(
                LoadSpec,
                NAME,
                NAME,
                rate_per_s=AMOUNT,
                duration_s=AMOUNT,
                arrivals=st.sampled_from(["poisson", "constant"]),
            )
        ),
    ),
    policy=st.builds(PolicySpec, tuples(TEXT)),
)  # fmt: skip


@given(BLUEPRINTS)
def test_yaml_reads_back_as_the_same_blueprint(blueprint: Blueprint) -> None:
    again = Blueprint.from_yaml(blueprint.to_yaml())
    assert again == blueprint
    assert again.to_yaml() == blueprint.to_yaml()
    assert again.digest == blueprint.digest


@given(BLUEPRINTS)
def test_python_evaluates_to_the_same_blueprint(blueprint: Blueprint) -> None:
    assert eval(blueprint.to_python(), vars(asbuilt.blueprint)) == blueprint


SMALL = Blueprint(
    system=SystemSpec(name="notes", purpose="Answers questions, with citations"),
    components=(
        ComponentSpec(
            "embedder", "Turn text into vectors", use="embedder/minilm-l6", config={"batch_size": 8}
        ),
        ComponentSpec(
            "billing-tool",
            "Price a change\nbefore it is made",
            (PortSpec("change", "str", "a CLI command"),),
            (PortSpec("price", "Money"),),
            dependencies=("embedder",),
            estimated_hours=6,
        ),
    ),
    target=MachineSpec(memory_gib=64, bandwidth_gbs=273.5),
    evaluation=EvaluationPlan(
        datasets=(DataSpec("known-answers", "data/known-answers.jsonl"),),
        metrics=(EvaluationMetric("retrieval", target=">= 90 %", measure="recall@5", data="known-answers"),),
    ),
)


def test_yaml_is_pleasant_to_read() -> None:
    assert (
        SMALL.to_yaml()
        == """\
blueprint: 1
system:
  name: notes
  purpose: Answers questions, with citations
target:
  memory_gib: 64
  bandwidth_gbs: 273.5
components:
  embedder:
    use: embedder/minilm-l6
    purpose: Turn text into vectors
    config: {batch_size: 8}
  billing-tool:
    purpose: |-
      Price a change
      before it is made
    dependencies: [embedder]
    inputs:
      - {name: change, type: str, description: a CLI command}
    outputs:
      - {name: price, type: Money}
    hours: 6
evaluation:
  data:
    known-answers: {path: data/known-answers.jsonl}
  metrics:
    retrieval: {measure: recall@5, data: known-answers, target: ">= 90 %"}
"""
    )


def test_python_is_pleasant_to_read() -> None:
    assert (
        SMALL.to_python()
        == """\
Blueprint(
    system=SystemSpec(name="notes", purpose="Answers questions, with citations"),
    components=(
        ComponentSpec(
            "embedder",
            "Turn text into vectors",
            use="embedder/minilm-l6",
            config={"batch_size": 8},
        ),
        ComponentSpec(
            "billing-tool",
            "Price a change\\nbefore it is made",
            inputs=(PortSpec(name="change", type="str", description="a CLI command"),),
            outputs=(PortSpec(name="price", type="Money"),),
            dependencies=("embedder",),
            estimated_hours=6.0,
        ),
    ),
    target=MachineSpec(memory_gib=64.0, bandwidth_gbs=273.5),
    evaluation=EvaluationPlan(
        metrics=(
            EvaluationMetric(
                "retrieval",
                target=">= 90 %",
                measure="recall@5",
                data="known-answers",
            ),
        ),
        datasets=(DataSpec("known-answers", path="data/known-answers.jsonl"),),
    ),
)"""
    )


def test_the_digest_is_of_the_design_not_of_the_file() -> None:
    same = "# A remark\ncomponents: {a: {purpose: x}}\nsystem: {purpose: p, name: n}\nblueprint: 1\n"
    first = Blueprint.from_yaml(
        "blueprint: 1\nsystem:\n  name: n\n  purpose: p\ncomponents:\n  a: {purpose: x}\n"
    )
    assert Blueprint.from_yaml(same).digest == first.digest
    assert replace(first, system=SystemSpec("n", "another")).digest != first.digest
    assert len(first.digest) == 64


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"purpose": ""},
        {"hours": 3},
        {"estimated_hours": -1},
        {"estimated_hours": "3"},
        {"status": "done"},
        {"needs": {"index": 5}},
        {"config": {"a": float("nan")}},
        {"config": {"a": object()}},
        {"config": {"a": json.loads("[" * 17 + "]" * 17)}},
        {"config": {1: "a"}},
        {"config": {"a": "\ud800"}},
        {"inputs": ("query",)},
    ],
)
def test_a_wrong_value_is_refused_in_python_too(wrong: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        ComponentSpec(**{"name": "a", "purpose": "b", **wrong})


def test_ports_may_be_given_as_plain_data() -> None:
    component: Any = ComponentSpec
    made = component("a", "b", inputs=[{"name": "x", "type": "str"}], dependencies=["c"])
    assert made == ComponentSpec("a", "b", inputs=(PortSpec("x", "str"),), dependencies=("c",))


def test_names_are_unique() -> None:
    twice = (ComponentSpec("a", "b"), ComponentSpec("a", "c"))
    with pytest.raises(pydantic.ValidationError, match="two entries called 'a'"):
        Blueprint(system=SystemSpec("n", "p"), components=twice)


def test_a_component_that_is_not_there() -> None:
    with pytest.raises(NotFoundError, match=r"no component 'vectors'\. There are: embedder, billing-tool"):
        SMALL.component("vectors")


def test_text_with_faults_raises_all_of_them() -> None:
    with pytest.raises(BlueprintError) as caught:
        Blueprint.from_yaml("blueprint: 2\nsystem: {name: n}\n")
    assert caught.value.faults == (
        "blueprint:1:12: blueprint: is no version that this asbuilt knows (2); allowed: 1",
        "blueprint:2:1: system.purpose: is missing",
    )
