"""A registered model in a real MLflow store: whole, once, and what serves is known there too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlflow")

from asbuilt.errors import EndpointError, NotFoundError
from asbuilt.lineage import Manifest
from asbuilt.model_registry import ModelRegistry, mlflow_copy
from asbuilt.model_registry.mlflow_copy import copy_to_mlflow

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRegistry:
    monkeypatch.chdir(tmp_path)  # artifacts of a store in a file go to ./mlruns
    return ModelRegistry(tmp_path / "models")


def registered(models: ModelRegistry, at: int, *, parent: str | None = None) -> Manifest:
    return models.register(
        {"adapter.gguf": b"weights %d" % at, "train.jsonl": b"{}\n"},
        name="paint",
        kind="adapter",
        base="tiny.gguf",
        base_digest="b" * 64,
        recipe="sft",
        settings={"rank": 8, "targets": ["q", "k"], "versions": {"torch": "2.13"}, "long": "x" * 7000},
        metrics={"colours": 0.5 + at / 10},
        evidence={"gate": {"passed": True}},
        parent=parent,
    )


def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def test_a_model_is_copied_whole_and_once(models: ModelRegistry, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    first = registered(models, 1)
    models.promote(first.version)
    copied = copy_to_mlflow(models, first.version[:6], uri=uri)
    assert (copied.name, copied.version, copied.made) == ("paint", "1", True)
    there = client(uri)
    run = there.get_run(copied.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"colours": 0.6}
    assert run.data.params["rank"] == "8"
    assert run.data.params["versions.torch"] == "2.13"
    assert len(run.data.params["long"]) == 6000
    assert run.data.tags["asbuilt.version"] == first.version
    folder = Path(there.download_artifacts(copied.run_id, "model"))
    assert (folder / "adapter.gguf").read_bytes() == b"weights 1"
    assert json.loads((folder / "manifest.json").read_text())["version"] == first.version
    assert there.get_model_version_by_alias("paint", "production").version == 1

    again = copy_to_mlflow(models, first.version, uri=uri)
    assert (again.run_id, again.version, again.made) == (copied.run_id, "1", False)

    second = registered(models, 2, parent=first.version)
    assert copy_to_mlflow(models, second.version, uri=uri).version == "2"
    assert there.get_model_version_by_alias("paint", "production").version == 1
    models.promote(second.version)
    assert not copy_to_mlflow(models, "production", uri=uri).made
    assert there.get_model_version_by_alias("paint", "production").version == 2


def test_a_copy_that_broke_off_is_made_anew(
    models: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    version = registered(models, 1).version
    with monkeypatch.context() as patch:
        patch.setattr(mlflow_copy, "written", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            copy_to_mlflow(models, version, uri=uri)
    copied = copy_to_mlflow(models, version, uri=uri)
    assert (copied.version, copied.made) == ("1", True)
    experiment = client(uri).get_experiment_by_name("asbuilt/paint").experiment_id
    assert [run.info.run_id for run in client(uri).search_runs([experiment])] == [copied.run_id]


def test_a_server_that_is_not_there_and_a_model_that_is_not_are_told(models: ModelRegistry) -> None:
    version = registered(models, 1).version
    with pytest.raises(EndpointError, match=r"^MLflow at http://127\.0\.0\.1:9 did not take the model: "):
        copy_to_mlflow(models, version, uri="http://127.0.0.1:9")
    with pytest.raises(EndpointError, match=r"MLflow at nonsense://x did not take"):
        copy_to_mlflow(models, version, uri="nonsense://x")
    with pytest.raises(NotFoundError):
        copy_to_mlflow(models, "feed", uri="http://127.0.0.1:9")
