"""`asbuilt models`, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from asbuilt.cli.main import app
from asbuilt.errors import AsbuiltError
from asbuilt.lineage import DataCard, PreparedData, TrainingRow, rows_digest
from asbuilt.model_registry import ModelRegistry
from asbuilt.training.data_files import write_data
from asbuilt.types import Message

BLUEPRINT = """
blueprint: 1
system: {name: models-test, purpose: Tests the registry}
components:
  llm:
    use: generator/registry
    purpose: Write
    config: {registry: kept}
"""


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["models", *arguments])
    assert result.exit_code == code, result.output
    return result


def refused(*arguments: str) -> str:
    """The one line that `main` would print."""
    result = CliRunner().invoke(app, ["models", *arguments])
    assert isinstance(result.exception, AsbuiltError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRegistry:
    monkeypatch.chdir(tmp_path)
    return ModelRegistry(tmp_path / "models")


def registered(registry: ModelRegistry, at: int) -> str:
    return registry.register(
        {"model.gguf": b"%d" % at, "data-card.json": json.dumps({"train": at}).encode()},
        name=f"model-{at}",
        kind="merged",
        base="base.gguf",
        base_digest="",
        settings={"epochs": at},
        metrics={"correct": at / 10},
        created_at=f"2026-11-23T12:00:{at:02d}+00:00",
    ).version


def test_models_are_listed_newest_first_with_what_serves(registry: ModelRegistry) -> None:
    a, b, c = (registered(registry, at) for at in (1, 2, 3))
    run("promote", a)
    run("canary", b, "--share", "0.25")
    assert run("list").stdout.splitlines() == [
        f"{c}                2026-11-23T12:00  merged   model-3  correct 0.3",
        f"{b}  canary 25%    2026-11-23T12:00  merged   model-2  correct 0.2",
        f"{a}  production    2026-11-23T12:00  merged   model-1  correct 0.1",
    ]
    found = json.loads(run("list", "--json").stdout)
    assert [(each["version"], each["state"]) for each in found] == [
        (c, ""),
        (b, "canary 25%"),
        (a, "production"),
    ]


def test_promotion_rollback_and_trial(registry: ModelRegistry) -> None:
    a, b = registered(registry, 1), registered(registry, 2)
    assert run("promote", a[:6], "--reason", "first").stdout == f"production {a}\n"
    assert json.loads(run("promote", b, "--json").stdout) == {"production": b}
    assert run("rollback", "--reason", "worse").stdout == f"production {a}\n"
    assert run("canary", b).stdout == f"canary {b}  share 0.1\n"
    assert run("end-canary", "--reason", "enough").stdout == f"ended {b}\n"
    assert run("end-canary").stdout == ""
    assert json.loads(run("end-canary", "--json").stdout) == {"ended": None}
    assert run("rollback").stdout == "production none\n"
    assert [(each.action, each.reason) for each in registry.log()[2:]] == [
        ("promote", "first"),
        ("promote", ""),
        ("rollback", "worse"),
        ("canary-start", ""),
        ("canary-end", "enough"),
        ("rollback", ""),
    ]


def test_a_model_is_shown_with_its_story(registry: ModelRegistry) -> None:
    version = registered(registry, 1)
    run("promote", version, "--reason", "gate passed")
    shown = run("show", "production").stdout
    for line in (f"version: {version}", "settings\n  epochs: 1", "metrics\n  correct: 0.1", "kind: merged"):
        assert line in shown
    assert shown.rstrip().endswith("promote  gate passed")
    found = json.loads(run("show", version[:5], "--json").stdout)
    assert found["state"] == "production"
    assert [each["action"] for each in found["log"]] == ["register", "promote"]


def test_a_difference_is_told_and_exits_with_1(registry: ModelRegistry) -> None:
    a, b = registered(registry, 1), registered(registry, 2)
    told = run("diff", a, b, code=1).stdout
    for line in (
        "settings\n  epochs: 1 -> 2\n",
        "metrics\n  correct: 0.1 -> 0.2\n",
        "data card\n  train: 1 -> 2\n",
    ):
        assert line in told
    assert run("diff", a, a).stdout == ""
    found = json.loads(run("diff", a, b, "--json", code=1).stdout)
    assert found["settings"] == [{"name": "epochs", "first": 1, "second": 2}]


def test_faults_are_told_and_exit_with_1(registry: ModelRegistry) -> None:
    version = registered(registry, 1)
    assert json.loads(run("verify", "--json").stdout) == {"models": 1, "blobs": 2, "faults": []}
    registry.path(version, "model.gguf").unlink()
    result = run("verify", code=1)
    assert f"model {version}: 'model.gguf'" in result.stdout
    assert "1 models, 1 files: 1 faults." in result.stderr


def test_garbage_is_named_before_it_is_deleted(registry: ModelRegistry) -> None:
    a, b = registered(registry, 1), registered(registry, 2)
    dry = run("gc", "--keep", "1", "--dry-run")
    assert dry.stdout == f"{a}\n"
    assert "1 models and 2 files would be deleted" in dry.stderr
    assert len(registry.list()) == 2
    assert json.loads(run("gc", "--keep", "1", "--json").stdout)["versions"] == [a]
    assert [each.version for each in registry.list()] == [b]


def test_the_folder_is_the_blueprints_or_the_one_that_is_named(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    kept = ModelRegistry(tmp_path / "kept")
    beside, inside = registered(registry, 1), registered(kept, 2)
    assert beside in run("list").stdout
    (tmp_path / "blueprint.yaml").write_text(BLUEPRINT)
    assert run("list").stdout.startswith(inside)
    assert run("list", "--registry", "models").stdout.startswith(beside)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "ffff"), "no model 'ffff' is registered"),
        (("promote", "production"), "nothing is in production"),
        (("rollback",), "nothing is in production"),
        (("canary", "0", "--share", "2"), "share is 2.0"),
        (("list", "-r", "nowhere"), "there is no model registry 'nowhere'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    registry: ModelRegistry, arguments: tuple[str, ...], said: str
) -> None:
    registered(registry, 1)
    assert said in refused(*arguments)


def test_an_edited_manifest_is_one_line(registry: ModelRegistry) -> None:
    version = registered(registry, 1)
    file = registry.folder / "manifests" / f"{version}.json"
    file.write_text(file.read_text().replace("model-1", "model-9"))
    assert "was changed or is damaged" in refused("list")
    assert "was changed or is damaged" in run("verify", code=1).stdout


def test_the_rows_that_a_model_learnt_and_where_they_came_from(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    rows = tuple(
        TrainingRow((Message("user", ask), Message("assistant", reply)), "p", f"file:rows.csv:{at}")
        for at, (ask, reply) in enumerate([("List them.", "ls"), ("Where\nam I?", "pwd  [1]")], 1)
    )
    card = DataCard(2, 2, 0, rows_digest(rows), rows_digest([]))
    write_data(PreparedData(rows, (), card), tmp_path / "data")
    made: dict[str, Any] = {"base": "b", "base_digest": "", "settings": {}, "metrics": {}, "kind": "merged"}
    files: dict[str, Path | bytes] = {"model.gguf": b"1", "train.jsonl": tmp_path / "data" / "train.jsonl"}
    version = registry.register(files, name="m", **made).version
    assert run("rows", version).stdout == "file:rows.csv:1  ls\nfile:rows.csv:2  pwd [1]\n"
    assert run("rows", version, "--find", "WHERE").stdout == "file:rows.csv:2  pwd [1]\n"
    [found] = json.loads(run("rows", version, "--find", "list", "--json").stdout)
    assert (found["id"], found["origin"]) == (rows[0].id, "file:rows.csv:1")
    assert "No row holds that text" in run("rows", version, "--find", "nowhere").output
    without = registry.register({"model.gguf": b"2"}, name="other", **made).version
    assert "train.jsonl" in refused("rows", without)
