"""Every fault in one report, each with its place, what was found, what was allowed, the nearest."""

# ruff: noqa: E501 - a fault is one line, and reads best as one

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.blueprint import parts

from asbuilt import registry
from asbuilt.blueprint import Blueprint, check, load, load_checked, load_text, refuse_faulty
from asbuilt.blueprint.emit import emit
from asbuilt.errors import BlueprintError, MissingError

HEAD = "blueprint: 1\nsystem: {name: x, purpose: y}\n"
GOOD = """\
components:
  embedder: {use: embedder/drawn, purpose: Embed}
  index: {use: index/drawn, purpose: Find, config: {dim: 8}}
  retriever: {use: retriever/drawn, purpose: Retrieve}
"""

assert parts  # registers the components that these blueprints use


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cases = (f'{{"id": "{n}", "question": "q{n}", "documents": ["d{n}"]}}\n' for n in range(60))
    (tmp_path / "known.jsonl").write_text("".join(cases))
    return tmp_path


def found(folder: Path, text: str) -> list[str]:
    return [fault.format("b") for fault in check(load_text(text, file=folder / "blueprint.yaml"))]


def found_in(folder: Path, rest: str) -> list[str]:
    """Faults of a blueprint with a good head; lines count from its third."""
    return found(folder, HEAD + rest)


def test_a_good_blueprint_has_no_faults(folder: Path) -> None:
    assert found_in(folder, GOOD) == []


TEN = """\
blueprint: 1
system: {name: My System, purpose: y}
colour: red
components:
  embedder:
    use: embedder/draun
    purpose: Embed
  index:
    use: index/drawn
    purpose: Find
    hours: -1
    config: {dim: "8"}
  retriever:
    use: retriever/drawn
    purpose: Retrieve
    needs: {embedder: embeder, indx: index}
  retriever: {purpose: again}
  first: {purpose: x, dependencies: [second]}
  second: {purpose: x, dependencies: [first]}
api: {port: 70000}
evaluation:
  metrics:
    m: {measure: recall@5, data: known, target: soon}
"""


def test_ten_and_more_faults_give_as_many_lines(folder: Path) -> None:
    assert found(folder, TEN) == [
        "b:2:16: system.name: a name is lower-case words and digits, joined by hyphens ('My System'); "
        "did you mean 'my-system'?",
        "b:3:1: colour: unknown key; allowed: system, components, target, api, knowledge, evaluation, policy, "
        "blueprint",
        "b:6:10: components.embedder.use: is not registered ('embedder/draun'); allowed: "
        f"{', '.join(registry.names('embedder'))}; did you mean 'embedder/drawn'?",
        "b:11:12: components.index.hours: must be at least 0 (-1)",
        "b:12:19: components.index.config.dim: must be a whole number ('8')",
        "b:16:23: components.retriever.needs.embedder: there is no such component ('embeder'); allowed: "
        "embedder, index, retriever, first, second; did you mean 'embedder'?",
        "b:16:38: components.retriever.needs.indx: is no need of retriever/drawn ('indx'); allowed: embedder, "
        "index, reranker; did you mean 'index'?",
        "b:17:3: components.retriever: duplicate key 'retriever', first written at 13:3",
        "b:18:3: components.first: cycle: first -> second -> first",
        "b:20:13: api.port: must be at most 65535 (70000)",
        "b:23:34: evaluation.metrics.m.data: evaluation.data names no data set ('known')",
        "b:23:49: evaluation.metrics.m.target: is not a comparison with a number ('soon'); allowed: >= 90 %, "
        "< 3 s, >= 10 requests/s, >= 4.0 of 5",
    ]


# ---------------------------------------------------------------- form


@pytest.mark.parametrize(
    ("rest", "line"),
    [
        ("system: 5\n" + GOOD, "b:2:9: system: must be a mapping (5)"),
        ("system:\n" + GOOD, "b:2:1: system: must be a mapping (nothing)"),
        ("system: {nam: x, purpose: y}\n" + GOOD, "b:2:10: system.nam: unknown key; allowed: name, purpose, title; did you mean 'name'?"),
        ("system: {name: x, purpose: ' '}\n" + GOOD, "b:2:28: system.purpose: must not be blank (' ')"),
        ("system: {name: x, purpose: ''}\n" + GOOD, "b:2:28: system.purpose: must not be blank ('')"),
        (GOOD, "b:1:1: system: is missing"),
        ("system: {name: x, purpose: y}\n", "b:1:1: components: is missing: a blueprint has at least one component"),
        ("system: {name: x, purpose: y}\ncomponents: [a]\n", "b:3:13: components: must be a mapping with a name for each entry"),
    ],
)  # fmt: skip
def test_sections(folder: Path, rest: str, line: str) -> None:
    assert [text.replace(" (a list)", "") for text in found(folder, "blueprint: 1\n" + rest)] == [line]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ("target: 5\n", "b:7:9: target: must be the name of a machine, or memory_gib and bandwidth_gbs (5)"),
        ("target: {memory_gib: 0}\n", "b:7:22: target.memory_gib: must be more than 0 (0)"),
        ("api: {port: '80'}\n", "b:7:13: api.port: must be a whole number ('80')"),
        ("api: {require_keys: yes}\n", "b:7:21: api.require_keys: must be true or false ('yes'); allowed: true, false"),
        ("api: {max_files: 0}\n", "b:7:18: api.max_files: must be at least 1 (0)"),
        ("api: {max_messages: 1.5}\n", "b:7:21: api.max_messages: must be a whole number (1.5)"),
        ("api: {queue_seconds: -1}\n", "b:7:22: api.queue_seconds: must be at least 0 (-1)"),
        ("api: {prefix: v1}\n", "b:7:15: api.prefix: must start with '/', and hold only words between slashes ('v1')"),
        ("api: {prefix: /v1}\n", "b:7:15: api.prefix: /v1 belongs to the OpenAI-compatible endpoints ('/v1'); did you mean '/api/v1'?"),
        ("api: {host: 0.0.0.0}\n", "b:7:13: warning: api.host: is reachable from other machines, and require_keys is false: `serve` will refuse it ('0.0.0.0')"),
        ("policy: {allow_imports: os}\n", "b:7:25: policy.allow_imports: must be a list ('os')"),
        ("policy: {allow_imports: [a b]}\n", "b:7:26: policy.allow_imports[0]: is not the name of a module ('a b')"),
        ("policy: {allow_imports: [nix.nada]}\n", "b:7:26: policy.allow_imports[0]: cannot be imported: No module named 'nix'. Install it, or put it beside the blueprint. ('nix.nada')"),
        ("knowledge: {known_answers: nowhere.jsonl}\n", "b:7:28: knowledge.known_answers: there is no such file or folder below FOLDER ('nowhere.jsonl')"),
        ("knowledge: {sources: [nowhere, '*.md', 'package:x/y']}\n", "b:7:23: warning: knowledge.sources[0]: there is no such file or folder below FOLDER ('nowhere')"),
    ],
)  # fmt: skip
def test_other_sections(folder: Path, more: str, line: str) -> None:
    assert [text.replace(str(folder), "FOLDER") for text in found_in(folder, GOOD + more)] == [line]


def test_good_values_of_other_sections(folder: Path) -> None:
    more = """\
target: {memory_gib: 64, bandwidth_gbs: 400}
api: {prefix: /api/v2, host: "::1", port: 0, require_keys: true, max_body_mib: 0.5, roots: [.]}
knowledge: {sources: [known.jsonl], known_answers: known.jsonl}
evaluation:
  data: {known: {path: known.jsonl}}
  metrics:
    a: {measure: recall@5, data: known, target: ">= 90 %"}
    b: {measure: chat.latency.p95, load: steady, target: "< 3 s", description: Fast}
  load: {steady: {data: known, rate_per_s: 2}}
"""
    assert found_in(folder, GOOD + more) == []


# ---------------------------------------------------------------- use


@pytest.mark.parametrize(
    ("use", "fault"),
    [
        ("drawn", "is not written as role/name ('drawn'); allowed: ROLES; did you mean 'embedder/drawn'?"),
        (
            "embeder/drawn",
            "'embeder' is no role ('embeder/drawn'); allowed: ROLES; did you mean 'embedder/drawn'?",
        ),
        ("reranker/", "is not written as role/name ('reranker/'); allowed: reranker/drawn, reranker/onnx"),
        ("[a]", "must be text (a list)"),
    ],
)
def test_a_use_that_is_no_role_and_name(folder: Path, use: str, fault: str) -> None:
    [line] = found_in(folder, GOOD.replace("embedder/drawn", use))
    shown = f"{', '.join(list(registry.ROLES)[:12])} and {len(registry.ROLES) - 12} more"
    assert line == f"b:4:19: components.embedder.use: {fault}".replace("ROLES", shown)


def test_a_misspelt_use_is_one_fault_not_many(folder: Path) -> None:
    [line] = found_in(folder, GOOD.replace("{use: emb", "{uses: emb"))
    assert line.startswith("b:4:14: components.embedder.uses: unknown key")
    assert line.endswith("did you mean 'use'?")


def test_a_component_whose_package_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def signature(name: str) -> registry.Signature:
        if name == "embedder/drawn":
            raise MissingError("drawn needs the package 'drawing'.", hint="pip install 'asbuilt[drawing]'")
        return read(name)

    read = registry.signature
    monkeypatch.setattr(registry, "signature", signature)
    [line] = found_in(folder, GOOD)
    assert line == (
        "b:4:19: components.embedder.use: drawn needs the package 'drawing'. pip install 'asbuilt[drawing]' "
        "('embedder/drawn')"
    )


def test_a_module_beside_the_blueprint_may_be_let_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (folder / "drawn_beside.py").write_text(
        "from asbuilt.registry import component\n"
        "@component('tool/beside')\n"
        "class BesideTool:\n"
        "    '''A tool.'''\n"
        "    def call(self, arguments: dict) -> str: ...\n"
    )
    rest = GOOD + "  tool: {use: tool/beside, purpose: Help}\n"
    [line] = found_in(folder, rest)
    assert "is not registered" in line
    assert found_in(folder, rest + "policy: {allow_imports: [drawn_beside]}\n") == []


def test_a_module_that_fails_is_a_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (folder / "drawn_failing.py").write_text("raise SystemExit('no')\n")
    [line] = found_in(folder, GOOD + "policy: {allow_imports: [drawn_failing]}\n")
    assert line.endswith("fails while it is imported: SystemExit: no ('drawn_failing')")


# ---------------------------------------------------------------- needs

TWO = GOOD + "  other: {use: embedder/drawn, purpose: Embed too}\n"


@pytest.mark.parametrize(
    ("components", "fault"),
    [
        (GOOD.replace("  index", "  spare"), None),
        (GOOD.replace("drawn, purpose: Retrieve", "drawn, needs: {index: embedder}, purpose: Retrieve"),
         "needs.index: must play 'index', but this component plays 'embedder' ('embedder'); allowed: index"),
        (GOOD.replace("drawn, purpose: Retrieve", "drawn, needs: {index: [index]}, purpose: Retrieve"),
         "needs.index: takes one component, not a list; allowed: index"),
        (GOOD.replace("drawn, purpose: Retrieve", "drawn, needs: {index: null}, purpose: Retrieve"),
         "needs.index: this need must be met (nothing); allowed: index"),
        (GOOD.replace("drawn, purpose: Retrieve", "drawn, needs: {index: 5}, purpose: Retrieve"),
         "needs.index: must be the name of a component, a list of names, or null for none (5)"),
        (GOOD.replace("drawn, purpose: Retrieve", "drawn, needs: {reranker: null}, purpose: Retrieve"), None),
        (TWO, "needs.embedder: several components play 'embedder': say which under needs; allowed: embedder, other"),
        (TWO.replace("drawn, purpose: Retrieve", "drawn, needs: {embedder: other}, purpose: Retrieve"), None),
        (GOOD.replace("use: index/drawn, purpose: Find, config: {dim: 8}", "purpose: Find").replace("drawn, purpose: Retrieve", "drawn, needs: {index: index}, purpose: Retrieve"),
         "needs.index: a built component needs this one, which is only planned; give it `use: index/...` ('index')"),
    ],
)  # fmt: skip
def test_needs(folder: Path, components: str, fault: str | None) -> None:
    lines = [line.split(": ", 1)[1] for line in found_in(folder, components)]
    assert lines == ([] if fault is None else [f"components.retriever.{fault}"])


def test_a_need_that_nothing_plays(folder: Path) -> None:
    rest = "".join(line for line in GOOD.splitlines(keepends=True) if "index/drawn" not in line)
    [line] = found_in(folder, rest)
    assert line == (
        "b:5:3: components.retriever.needs.index: no component plays 'index': add one, with `use` one of the "
        f"allowed names; allowed: {', '.join(registry.names('index'))}"
    )


def test_an_optional_need_is_not_guessed_among_several(folder: Path) -> None:
    rest = GOOD + "  r1: {use: reranker/drawn, purpose: a}\n  r2: {use: reranker/drawn, purpose: a}\n"
    [line] = found_in(folder, rest)
    assert line.endswith("several components play 'reranker': say which under needs; allowed: r1, r2, null")


def test_planned_components_need_what_exists(folder: Path) -> None:
    rest = GOOD + "  plan: {purpose: a, needs: {x: retreiver, y: [index, nix]}, dependencies: [embeder]}\n"
    lines = [line.split(": ", 1)[1].split(";")[0] for line in found_in(folder, rest)]
    assert lines == [
        "components.plan.needs.x: there is no such component ('retreiver')",
        "components.plan.needs.y[1]: there is no such component ('nix')",
        "warning: components.plan.dependencies[0]: is not in this blueprint and counts as there already ('embeder')",
    ]


def test_a_built_component_may_only_warn_about_a_planned_dependency(folder: Path) -> None:
    rest = GOOD.replace("drawn, purpose: Retrieve", "drawn, purpose: Retrieve, dependencies: [plan]")
    [line] = found_in(folder, rest + "  plan: {purpose: a}\n")
    assert "warning: components.retriever.dependencies[0]: a built component depends on this one" in line


def test_cycles_through_needs_are_named(folder: Path) -> None:
    rest = """\
components:
  one: {use: retriever/wrapping, purpose: a, needs: {retriever: two}}
  two: {use: retriever/wrapping, purpose: a, needs: {retriever: one}}
  llm: {use: generator/drawn, purpose: a, needs: {generator: llm}}
"""
    assert found_in(folder, rest) == [
        "b:4:54: components.one.needs.retriever: cycle: one -> two -> one",
        "b:6:51: components.llm.needs.generator: cycle: llm -> llm",
    ]


# ---------------------------------------------------------------- config and ports


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ("{batch_size: 4, device: cuda, scale: 2, stops: [a], model: ~/m, size: big, options: {a: 1}}", None),
        ("{batchsize: 4}", "config.batchsize: unknown config of embedder/drawn; allowed: batch_size, device, model, scale, stops, api_key_env, size, options; did you mean 'batch_size'?"),
        ("{batch_size: true}", "config.batch_size: must be a whole number (true)"),
        ("{batch_size: null}", "config.batch_size: must be a whole number (nothing)"),
        ("{device: gpu}", "config.device: is none of the allowed values ('gpu'); allowed: cpu, cuda; did you mean 'cpu'?"),
        ("{model: 5}", "config.model: must be text (5)"),
        ("{scale: big}", "config.scale: must be a number ('big')"),
        ("{stops: [a, 5]}", "config.stops[1]: must be text (5)"),
        ("{stops: a}", "config.stops: must be a list ('a')"),
        ("{size: [1]}", "config.size: must be int | str ([1])"),
        ("{options: {a: x}}", "config.options.a: must be a whole number ('x')"),
        ("[a]", "config: must be a mapping (a list)"),
    ],
)  # fmt: skip
def test_config(folder: Path, config: str, fault: str | None) -> None:
    rest = GOOD.replace("embedder/drawn,", f"embedder/drawn, config: {config},")
    lines = [line.split(": ", 1)[1] for line in found_in(folder, rest)]
    assert lines == ([] if fault is None else [f"components.embedder.{fault}"])


def test_config_that_is_missing_given_or_a_need(folder: Path) -> None:
    rest = GOOD.replace("{dim: 8}", "{folder: x}").replace(
        "retriever/drawn,", "retriever/drawn, config: {embedder: embedder},"
    )
    assert found_in(folder, rest) == [
        "b:5:44: components.index.config.dim: is missing: index/drawn must have it (int)",
        "b:5:53: components.index.config.folder: is filled in by the system: leave it out",
        "b:6:46: components.retriever.config.embedder: is a need: write it under needs",
    ]


@pytest.mark.parametrize(
    ("ports", "faults"),
    [
        ("inputs: [{name: texts, type: 'Sequence[str]'}, {name: kind, type: \"Literal['passage', 'query']\"}]", []),
        ("outputs: [{name: vectors, type: Matrix}]", []),
        ("outputs: [{name: vectors, type: Vector}]", ["outputs[0].type: embed() has another type here ('Vector'); allowed: Matrix"]),
        ("outputs: [{name: a, type: Matrix}, {name: b, type: int}]", ["outputs[1]: embed() has one output ('b')"]),
        ("inputs: [{name: text, type: str}, {name: kind, type: str}]",
         ["inputs: leaves out inputs of embed(): texts: Sequence[str]",
          "inputs[0].name: is no input of embed() ('text'); allowed: texts, kind; did you mean 'texts'?",
          "inputs[1].type: embed() has another type here ('str'); allowed: Literal['passage', 'query']"]),
        ("inputs: [{name: texts}]", ["inputs[0].type: is missing"]),
    ],
)  # fmt: skip
def test_ports(folder: Path, ports: str, faults: list[str]) -> None:
    rest = GOOD.replace("embedder/drawn,", f"embedder/drawn, {ports},")
    lines = [line.split(": ", 1)[1] for line in found_in(folder, rest)]
    assert lines == [f"components.embedder.{fault}" for fault in faults]


# ---------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "key", ["api_key", "apiKey", "password", "aws_secret_access_key", "access_token", "token"]
)
def test_a_secret_is_refused_and_not_shown(folder: Path, key: str) -> None:
    rest = GOOD.replace("embedder/drawn,", f"embedder/drawn, config: {{{key}: hunter2}},")
    [line] = found_in(folder, rest)
    assert "a secret does not belong in a blueprint" in line
    assert "hunter2" not in line
    assert line.endswith("_env'?")


def test_a_secret_is_known_by_its_look(folder: Path) -> None:
    key = "sk-" + "a1" * 20
    rest = GOOD.replace(
        "embedder/drawn,", f"embedder/drawn, config: {{batch_size: {key}, api_key_env: {key}}},"
    )
    lines = found_in(folder, rest)
    assert [line.split(": ")[1] for line in lines] == [
        "components.embedder.config.batch_size",
        "components.embedder.config.api_key_env",
    ]
    assert not any(key in line for line in lines)


def test_the_name_of_a_variable_is_no_secret(folder: Path) -> None:
    rest = GOOD.replace("embedder/drawn,", "embedder/drawn, config: {api_key_env: OPENAI_API_KEY},")
    assert found_in(folder, rest) == []
    [line] = found_in(folder, rest.replace("OPENAI_API_KEY", "not-a-name"))
    assert line.endswith("is not the name of an environment variable")


# ---------------------------------------------------------------- the whole


def test_load_checked(folder: Path) -> None:
    file = folder / "blueprint.yaml"
    file.write_text(HEAD + GOOD + "api: {host: 0.0.0.0}\n")
    assert load_checked(file).names() == ("embedder", "index", "retriever")  # warnings do not stop it
    file.write_text(TEN)
    with pytest.raises(BlueprintError, match=r"blueprint\.yaml has 12 faults\.") as caught:
        load_checked(file)
    assert caught.value.faults == tuple(fault.format(file) for fault in check(load(file)))
    file.write_text("")
    with pytest.raises(BlueprintError, match="has 1 fault") as caught:
        load_checked(file)
    assert caught.value.faults == (
        f"{file}:1:1: the file holds no data; a blueprint starts with 'blueprint: 1'",
    )


def test_faults_for_programs(folder: Path) -> None:
    [fault] = check(load_text(HEAD + GOOD + "api: {port: 70000}\n", file=folder / "b"))
    assert fault.to_json() == {
        "severity": "error",
        "line": 7,
        "column": 13,
        "path": "api.port",
        "message": "must be at most 65535",
        "value": "70000",
        "allowed": [],
        "nearest": None,
    }


def test_a_blueprint_made_in_python_is_checked_through_its_text(folder: Path) -> None:
    blueprint = Blueprint.from_yaml(HEAD + GOOD)
    assert check(load_text(blueprint.to_yaml(), file=folder / "b")) == []


KNOWN_WORDS = """blueprint system components name purpose use needs config inputs outputs type dependencies
    hours status api port evaluation data metrics path target roots embedder index retriever embedder/drawn
    retriever/drawn knowledge policy a.b"""
WORDS = st.sampled_from(["", *KNOWN_WORDS.split()])
LEAVES = WORDS | st.none() | st.booleans() | st.integers(-2, 2) | st.just(0.5)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4)
)


def grafted(data: Any, path: list[int], graft: Any) -> Any:
    """`data` with `graft` somewhere in it."""
    if not path or not isinstance(data, dict | list) or not data:
        return graft
    if isinstance(data, list):
        at = path[0] % len(data)
        return [grafted(each, path[1:], graft) if n == at else each for n, each in enumerate(data)]
    chosen = list(data)[path[0] % len(data)]
    return {key: grafted(each, path[1:], graft) if key == chosen else each for key, each in data.items()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 9), max_size=5), TREES)
def test_no_blueprint_is_so_wrong_that_checking_fails(folder: Path, path: list[int], graft: Any) -> None:
    whole = load_text(TEN + "policy: {allow_imports: []}\n", file=folder / "b").tree.data
    data = grafted(whole, path, graft)
    text = emit(data) if isinstance(data, dict) and data else f"{data!r}\n"
    loaded = load_text(text, file=folder / "b")
    for fault in check(loaded):
        assert "\n" not in fault.format("b")
        assert fault.line <= text.count("\n") + 1


def test_a_blueprint_made_in_python_is_checked_like_a_file(folder: Path) -> None:
    good = Blueprint.from_yaml(HEAD + GOOD)
    refuse_faulty(good, folder=folder)
    with pytest.raises(BlueprintError) as caught:
        refuse_faulty(
            Blueprint.from_yaml(HEAD + "components: {a: {use: embedder/draun, purpose: p}}\n"), folder=folder
        )
    [line] = caught.value.faults
    assert "components.a.use: is not registered ('embedder/draun')" in line
