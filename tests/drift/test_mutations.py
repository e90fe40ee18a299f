"""One thing changed at a time, in the example and in its surroundings: every change is found, and nothing is
found where nothing changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tests.blueprint.parts import DrawnEmbedder

from asbuilt.blueprint import load_checked
from asbuilt.blueprint.emit import emit
from asbuilt.blueprint.load import load
from asbuilt.blueprint.state import STATE_FOLDER
from asbuilt.drift.compare import find_drift
from asbuilt.drift.difference import Difference
from asbuilt.evaluation.journal import Runs
from asbuilt.evaluation.result import EvaluationResult, Measurement
from asbuilt.planning import plan
from asbuilt.planning.measured import PEAKS_FILE, Peak
from asbuilt.planning.target import identity, this_machine
from asbuilt.server import openapi_document
from asbuilt.server.running import remember_served
from asbuilt.system import System

EXAMPLE = Path(__file__).parents[2] / "examples" / "aws-assistant"
Drawing = dict[str, Any]


def remember(file: Path) -> None:
    """What a project knows of itself: what was served, a peak as planned, evidence for each target."""
    blueprint = load_checked(file)
    state = file.parent / STATE_FOLDER
    with System(blueprint, folder=file.parent) as system:
        state.mkdir(exist_ok=True)
        remember_served(system, openapi_document(system), "http://127.0.0.1:1")
    here = this_machine(state_folder=state)
    planned = plan(blueprint, folder=file.parent, machine=here).memory.process_bytes
    peak = Peak(
        when="2026-11-23T10:00:00+00:00",
        machine=identity(here),
        blueprint=blueprint.digest,
        predicted_bytes=planned,
        predicted_parts={},
        measured_bytes=planned,
        ingested=False,
    )
    (state / PEAKS_FILE).write_text(json.dumps(asdict(peak)) + "\n")
    measurements = tuple(
        Measurement(
            name=each.name,
            target=each.target,
            verdict="PASS",
            measure=each.measure,
            unit="share",
            data=each.data,
            load=each.load,
            value=0.9,
            n=100,
        )
        for each in blueprint.evaluation.metrics
    )
    with Runs(state / "evaluation").begin({"fingerprint": "f"}) as journal:
        journal.finish(EvaluationResult(journal.name, {}, measurements).to_json(), "")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aws") / "aws-assistant"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(STATE_FOLDER, "__pycache__"))
    remember(folder / "blueprint.yaml")
    return folder


def drawing() -> Drawing:
    data = load(EXAMPLE / "blueprint.yaml").tree.data
    assert isinstance(data, dict)
    return data


def found(project: Path, data: Drawing) -> tuple[list[Difference], list[str]]:
    """Differences of a changed drawing, and its lines."""
    file = project / "changed.yaml"
    file.write_text(emit(data))
    return list(find_drift(file).differences), file.read_text().splitlines()


# ---------------------------------------------------------------- one change at a time


def other(value: Any) -> Any:
    """A value of the same kind that is not this one."""
    return value + 1 if isinstance(value, int) else f"{value}-other"


def changes(data: Drawing) -> Iterator[tuple[str, str, Callable[[Drawing], None], str]]:
    """What is changed, the layer that has to find it, the change, a word of the line where it is found."""
    for name, component in data["components"].items():
        if "use" not in component:
            continue
        for key, value in component.get("config", {}).items():

            def config(drawn: Drawing, name: str = name, key: str = key, value: Any = value) -> None:
                drawn["components"][name]["config"][key] = other(value)

            yield f"config {name}.{key}", "wiring", config, key

        def ports(drawn: Drawing, name: str = name) -> None:
            drawn["components"][name]["inputs"] = [{"name": "nonsense", "type": "str"}]

        yield f"port of {name}", "ports", ports, "nonsense"
    uses = {"vectors": "index/exact", "embedder": "embedder/fake", "llm": "generator/scripted"}
    for name, use in uses.items():

        def used(drawn: Drawing, name: str = name, use: str = use) -> None:
            drawn["components"][name] = {"use": use, "purpose": "Something else"}

        yield f"use of {name}", "wiring", used, use

    def need(drawn: Drawing) -> None:
        drawn["components"]["orchestrator"]["needs"] = {"tools": ["check-command"]}

    def another_need(drawn: Drawing) -> None:
        drawn["components"]["more-vectors"] = {"use": "index/exact", "purpose": "Find differently"}
        drawn["components"]["retriever"]["needs"] = {"index": "more-vectors"}

    def unmet_need(drawn: Drawing) -> None:
        del drawn["components"]["retriever"]

    def more(drawn: Drawing) -> None:
        drawn["components"]["also"] = {"use": "tool/search", "purpose": "Search again"}

    yield "need of orchestrator", "wiring", need, "tools"
    yield "need of retriever", "wiring", another_need, "more-vectors"
    yield "a component that others need", "ports", unmet_need, "orchestrator"
    yield "one component more", "wiring", more, "tool/search"
    for name in ("check-command", "explain-command"):

        def fewer(drawn: Drawing, name: str = name) -> None:
            del drawn["components"][name]

        yield f"without {name}", "wiring", fewer, "components"
    for number, route in enumerate(data["api"]["routes"]):
        for label, new in (
            ("gone", None),
            ("renamed", f"{route}-elsewhere"),
            ("another method", f"DELETE {route.split()[1]}"),
        ):

            def routed(drawn: Drawing, number: int = number, new: str | None = new) -> None:
                drawn["api"]["routes"][number : number + 1] = [] if new is None else [new]

            yield f"route {route} {label}", "contract", routed, new or "routes"
    limits = {"port": 1, "max_concurrency": 3, "require_keys": True, "max_files": 7, "host": "::1"}
    for key, value in limits.items():

        def limited(drawn: Drawing, key: str = key, value: Any = value) -> None:
            drawn["api"][key] = value

        yield f"api.{key}", "contract", limited, key

    def prefix(drawn: Drawing) -> None:
        drawn["api"]["prefix"] = "/api/v2"

    def budget(drawn: Drawing) -> None:
        drawn["target"] = {"memory_gib": 0.25, "bandwidth_gbs": 20}

    yield "api.prefix", "contract", prefix, "prefix"
    yield "budget", "memory", budget, "memory_gib"
    for name, metric in data["evaluation"]["metrics"].items():

        def target(drawn: Drawing, name: str = name, target: str = metric["target"]) -> None:
            number = next(word for word in target.split() if word[0].isdigit())
            drawn["evaluation"]["metrics"][name]["target"] = target.replace(number, "1", 1)

        yield f"target of {name}", "targets", target, name

        def measure(drawn: Drawing, name: str = name, measure: str = metric["measure"]) -> None:
            others = {"recall@5": "recall@4", "success@5": "success@4", "accuracy.command": "accuracy.exact"}
            if measure in others:
                drawn["evaluation"]["metrics"][name]["measure"] = others[measure]
            else:
                del drawn["evaluation"]["metrics"][name]["measure"]
                drawn["evaluation"]["metrics"][name]["method"] = "by hand"

        if metric["measure"] in ("recall@5", "success@5", "accuracy.command"):
            yield f"measure of {name}", "targets", measure, name
        for key, known in (("data", "everyday"), ("load", "searching")):
            if metric.get(key, known) == known:
                continue

            def source(drawn: Drawing, name: str = name, key: str = key, known: str = known) -> None:
                drawn["evaluation"]["metrics"][name][key] = known

            yield f"{key} of {name}", "targets", source, name


CHANGES = list(changes(drawing()))


def test_an_unchanged_system_shows_none(project: Path) -> None:
    report = find_drift(project / "blueprint.yaml")
    assert report.differences == ()
    assert report.unknown == {}
    assert set(report.compared) == {"ports", "contract", "wiring", "memory", "targets"}
    assert found(project, drawing())[0] == []


@pytest.mark.parametrize(
    ("layer", "change", "word"),
    [change[1:] for change in CHANGES],
    ids=[change[0].replace(" ", "-") for change in CHANGES],
)
def test_every_change_is_found_where_it_stands(
    project: Path, layer: str, change: Callable[[Drawing], None], word: str
) -> None:
    data = deepcopy(drawing())
    change(data)
    differences, lines = found(project, data)
    assert layer in {each.layer for each in differences}
    assert any(
        word in lines[each.fault.line - 1] or word in each.fault.format("b")
        for each in differences
        if each.layer == layer
    )


# ---------------------------------------------------------------- the surroundings change


def test_a_class_with_another_signature_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "blueprint.yaml"
    file.write_text(
        "blueprint: 1\nsystem: {name: x, purpose: y}\ncomponents:\n"
        "  embedder:\n    use: embedder/drawn\n    purpose: Embed\n"
        "    inputs:\n      - {name: texts, type: 'Sequence[str]'}\n"
        "      - {name: kind, type: \"Literal['passage', 'query']\"}\n"
    )
    assert find_drift(file).differences == ()

    def embed(self: DrawnEmbedder, words: list[str]) -> None: ...

    monkeypatch.setattr(DrawnEmbedder, "embed", embed)
    differences = find_drift(file).differences
    assert {each.layer for each in differences} == {"ports"}
    assert any("texts" in each.fault.format("b") for each in differences)


def test_a_service_with_other_operations_is_found(project: Path) -> None:
    file = project / STATE_FOLDER / "served.json"
    before = file.read_text()
    running = json.loads(before)
    try:
        for operation in [each for each in running["operations"] if each.startswith("POST /api/v1/")]:
            fewer = [each for each in running["operations"] if each != operation]
            file.write_text(json.dumps({**running, "operations": fewer}))
            [difference] = find_drift(project / "blueprint.yaml").differences
            assert "is declared, but not served" in difference.fault.message
        file.write_text(json.dumps({**running, "operations": [*running["operations"], "PUT /api/v1/x"]}))
        [difference] = find_drift(project / "blueprint.yaml").differences
        assert "is served, but not declared" in difference.fault.message
    finally:
        file.write_text(before)


def test_a_service_that_takes_more_than_planned_is_found(project: Path) -> None:
    file = project / STATE_FOLDER / PEAKS_FILE
    before = file.read_text()
    peak = json.loads(before)
    try:
        file.write_text(json.dumps({**peak, "measured_bytes": int(1.06 * peak["predicted_bytes"])}) + "\n")
        [difference] = find_drift(project / "blueprint.yaml").differences
        assert difference.layer == "memory"
    finally:
        file.write_text(before)
