"""The planning kit's architecture, and the blueprint that it is saved as."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.blueprint import (
    Blueprint,
    ComponentSpec,
    ComponentStatus,
    DataSpec,
    EvaluationMetric,
    EvaluationPlan,
    LoadSpec,
    MachineSpec,
    SystemArchitecture,
    check,
    load_text,
)
from asbuilt.blueprint.name import as_name, is_name
from asbuilt.errors import BlueprintError, StorageError, UserError


def system(*components: ComponentSpec, **rest: object) -> SystemArchitecture:
    return SystemArchitecture("Test System", "Tests the kit", list(components), **rest)  # type: ignore[arg-type]


def component(name: str, *dependencies: str, **rest: object) -> ComponentSpec:
    return ComponentSpec(name, "Does its part", dependencies=dependencies, **rest)  # type: ignore[arg-type]


RAG = system(
    component("RAG Retriever", "Vector Store", "Embedding Model", estimated_hours=4),
    component("Vector Store", estimated_hours=3, status=ComponentStatus.COMPLETE),
    component("Embedding Model", "Model Hub", estimated_hours=2.5),
    component("streaming-api", "RAG Retriever"),
    evaluation=EvaluationPlan(
        "Test System",
        (EvaluationMetric("Answer Accuracy", "Right", ">= 80 %", "by hand", "weekly", data="500 Commands"),),
        (DataSpec("500 Commands"),),
        ("the model alone",),
        (LoadSpec("steady", "500 Commands"),),
    ),
    target=MachineSpec("dgx-spark"),
)  # fmt: skip


START = "blueprint: 1\nsystem: {name: s, purpose: p}\n"


def test_build_order_is_alphabetical_among_the_ready() -> None:
    assert RAG.get_build_order() == ["Embedding Model", "Vector Store", "RAG Retriever", "streaming-api"]


def test_a_cycle_is_named() -> None:
    circle = system(component("c", "a"), component("a", "b"), component("b", "c"), component("d"))
    with pytest.raises(ValueError, match="a -> b -> c -> a"):
        circle.get_build_order()


def test_a_name_is_there_once() -> None:
    architecture = system(component("a"))
    with pytest.raises(ValueError, match="already a component 'a'"):
        architecture.add_component(component("a"))
    with pytest.raises(ValueError, match="already a component 'a'"):
        system(component("a"), component("a"))
    assert len(architecture.components) == 1


def test_a_list_that_was_given_is_not_shared() -> None:
    given_list = [component("a")]
    SystemArchitecture("x", "y", given_list).add_component(component("b"))
    assert len(given_list) == 1


def test_summary() -> None:
    assert (
        RAG.summary()
        == """\
Test System
Tests the kit

Components: 4
  planned: RAG Retriever, Embedding Model, streaming-api
  complete: Vector Store
Hours: 9.5 (not estimated: streaming-api)
Build order:
  1. Embedding Model (2.5 h)
  2. Vector Store (3 h)
  3. RAG Retriever (4 h)
  4. streaming-api"""
    )
    assert RAG.total_hours() == 9.5


def test_names_are_changed_wherever_they_are_meant() -> None:
    blueprint = RAG.to_blueprint()
    assert blueprint.names() == ("rag-retriever", "vector-store", "embedding-model", "streaming-api")
    assert [each.title for each in blueprint.components] == [
        "RAG Retriever", "Vector Store", "Embedding Model", "",
    ]  # fmt: skip
    assert blueprint.component("rag-retriever").dependencies == ("vector-store", "embedding-model")
    assert blueprint.component("embedding-model").dependencies == ("Model Hub",)
    assert blueprint.system.name == "test-system"
    [metric], [data], [load] = (
        blueprint.evaluation.metrics,
        blueprint.evaluation.datasets,
        blueprint.evaluation.loads,
    )
    assert (metric.name, metric.data, data.name, load.data) == (
        "answer-accuracy", "commands", "commands", "commands",
    )  # fmt: skip
    assert (metric.title, data.title) == ("Answer Accuracy", "500 Commands")


def test_what_is_saved_passes_the_check(tmp_path: Path) -> None:
    architecture = replace(RAG, evaluation=EvaluationPlan())
    architecture.save(tmp_path / "new" / "blueprint.yaml")
    assert SystemArchitecture.load(tmp_path / "new" / "blueprint.yaml") == architecture
    [warning] = check(load_text((tmp_path / "new" / "blueprint.yaml").read_text(), file=Path("b")))
    assert "'Model Hub'" in warning.format("b")
    architecture.save(str(tmp_path / "new" / "blueprint.yaml"))  # again, over the first


def test_a_built_component_is_ordered_by_what_it_is_given() -> None:
    built = system(
        component("a-retriever", use="retriever/hybrid"),
        component("Words", use="embedder/fake"),
        component("vectors", use="index/exact"),
    )
    assert built.get_build_order() == ["Words", "vectors", "a-retriever"]
    assert SystemArchitecture.from_blueprint(built.to_blueprint()) == built


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (system(component("RAG Retriever"), component("rag-retriever")), "would both be called"),
        (system(component("123")), "no name for a blueprint can be made from '123'"),
        (system(component("aB" * 50)), "no name for a blueprint can be made from"),
        (system(component("A B"), component("c", "a-b")), "is written for something outside"),
        (system(component("a", title="A")), "only another spelling of its name"),
        (system(component("A", title="Other")), "it has another title"),
        (system(component("a")).__class__("!", "x"), "no name for a blueprint can be made from '!'"),
    ],
)  # fmt: skip
def test_what_could_not_be_told_apart_again_is_refused(
    architecture: SystemArchitecture, message: str
) -> None:
    with pytest.raises(BlueprintError, match=message):
        architecture.to_blueprint()


def test_a_title_that_is_written_as_a_name_is_refused() -> None:
    text = (
        f"{START}components:\n  a-b: {{title: A B, purpose: p}}\n  c: {{purpose: p, dependencies: [A B]}}\n"
    )
    with pytest.raises(BlueprintError, match="'A B' is written for something outside"):
        SystemArchitecture.from_blueprint(Blueprint.from_yaml(text))


def test_a_title_of_its_own_stays_a_title() -> None:
    blueprint = Blueprint.from_yaml(f"{START}components: {{vectors: {{title: Vector Store, purpose: p}}}}\n")
    architecture = SystemArchitecture.from_blueprint(blueprint)
    assert architecture.components == [ComponentSpec("vectors", "p", title="Vector Store")]
    assert architecture.to_blueprint() == blueprint


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="cannot write"):
        RAG.save(tmp_path / "file" / "below" / "blueprint.yaml")
    with pytest.raises(UserError, match="is a folder"):
        RAG.save(tmp_path)


FREE = st.text("aB 1-é", min_size=1, max_size=6).filter(lambda text: text.strip() != "")
NAMES = st.lists(FREE, min_size=1, max_size=6, unique=True)


@st.composite
def architectures(draw: st.DrawFn) -> SystemArchitecture:
    names = draw(NAMES)
    outside = st.sampled_from(["Elsewhere", "hub"])
    components = [
        ComponentSpec(
            name,
            "Does its part",
            dependencies=tuple(draw(st.lists(st.sampled_from(names) | outside, max_size=3))),
            estimated_hours=draw(st.none() | st.integers(0, 40)),
            needs=draw(st.dictionaries(st.just("part"), st.sampled_from(names) | st.none(), max_size=1)),
            title=draw(st.sampled_from(["", "", "", "A title", "B"])),
        )
        for name in names
    ]
    data = draw(FREE)
    plan = EvaluationPlan(
        metrics=(EvaluationMetric(draw(FREE), data=data),),
        datasets=(DataSpec(data),),
        loads=(LoadSpec("l", data),),
    )
    return SystemArchitecture(draw(FREE), "Is tested", components, evaluation=plan)


@given(architectures())
def test_a_blueprint_gives_the_architecture_back(architecture: SystemArchitecture) -> None:
    try:
        blueprint = architecture.to_blueprint()
    except BlueprintError:
        names = [each.name for each in architecture.components]
        entries = [*names, *(each.name for each in architecture.evaluation.metrics), architecture.name,
                   *(each.name for each in architecture.evaluation.datasets)]  # fmt: skip
        made = [as_name(name) for name in names]
        titled = any(each.title for each in architecture.components)
        hub = "hub" in made or "elsewhere" in made
        assert None in map(as_name, entries) or len(set(made)) < len(made) or titled or hub
        return
    assert all(map(is_name, (*blueprint.names(), blueprint.system.name)))
    again = Blueprint.from_yaml(blueprint.to_yaml())
    assert SystemArchitecture.from_blueprint(again) == architecture
    assert SystemArchitecture.from_blueprint(again).to_blueprint() == blueprint
