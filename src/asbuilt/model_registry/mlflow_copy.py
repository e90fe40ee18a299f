"""A copy of a registered model in MLflow, for those who watch all their models there. One way: nothing is
read back."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asbuilt.errors import EndpointError, MissingError
from asbuilt.lineage import Manifest
from asbuilt.model_registry.manifest import written
from asbuilt.model_registry.store import ModelRegistry

__all__ = ["MlflowCopy", "copy_to_mlflow"]

_VERSION = "asbuilt.version"
_PRODUCTION = "production"
_FILES = "model"
_LONGEST = 6000
"""Characters of a parameter's value that MLflow takes."""


@dataclass(frozen=True, slots=True)
class MlflowCopy:
    """Where a model is in MLflow: the run with its settings, metrics and files, and the registered
    model's version. `made` says whether this call made it."""

    name: str
    version: str
    run_id: str
    made: bool


def copy_to_mlflow(models: ModelRegistry, version: str, *, uri: str) -> MlflowCopy:
    """Copy a model into the tracking server and registry at `uri` ("http://127.0.0.1:5000",
    "sqlite:///mlflow.db"), where it becomes a run of the experiment "asbuilt/NAME" and a version of the
    registered model NAME.

    A copy that is there is left as it is, but for the alias "production", which is moved to the model
    that serves; one that was broken off is made anew. Raises MissingError without mlflow-skinny,
    EndpointError for what MLflow refuses, NotFoundError and StorageError as the registry does.
    """
    manifest = models.get(version)
    files = {name: models.verified_path(manifest.version, name) for name in manifest.files}
    client = _client(uri)
    with _told(uri):
        found = _earlier(client, manifest)
        run_id = found or _run(client, manifest, files)
        number, made = _registered(client, manifest, run_id)
        if models.production == manifest.version:
            client.set_registered_model_alias(manifest.name, _PRODUCTION, number)
    return MlflowCopy(manifest.name, number, run_id, made)


def _client(uri: str) -> Any:
    # Read when mlflow is imported: no report goes out, and a server that is not there is told at once.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise MissingError(
            "the copy needs mlflow-skinny, which is not installed.", hint='pip install "asbuilt[mlflow]"'
        ) from error
    with _told(uri):
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def _told(uri: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        first = str(error).strip().splitlines()[0].partition(" (Caused by")[0].rstrip(". ")
        raise EndpointError(
            f"MLflow at {uri} did not take the model: {first}.",
            hint="Is its server running, and the address right? Running the command again goes on.",
        ) from error


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(f"asbuilt/{name}")
    return str(found.experiment_id if found else client.create_experiment(f"asbuilt/{name}"))


def _earlier(client: Any, manifest: Manifest) -> str | None:
    """The run of an earlier copy that was finished; those that were not are deleted."""
    found = client.search_runs(
        [_experiment(client, manifest.name)], f"tags.`{_VERSION}` = '{manifest.version}'"
    )
    whole = [run for run in found if run.info.status == "FINISHED"]
    for run in found:
        if run.info.status != "FINISHED":
            client.delete_run(run.info.run_id)
    return str(whole[0].info.run_id) if whole else None


def _run(client: Any, manifest: Manifest, files: Mapping[str, Path]) -> str:
    from mlflow.entities import Metric, Param

    tags = {
        _VERSION: manifest.version,
        "asbuilt.base": manifest.base,
        "asbuilt.base_digest": manifest.base_digest,
        "asbuilt.kind": manifest.kind,
        "asbuilt.recipe": manifest.recipe,
        "asbuilt.parent": manifest.parent or "",
        "asbuilt.created_at": manifest.created_at,
    }
    run = client.create_run(
        _experiment(client, manifest.name), tags=tags, run_name=f"{manifest.name} {manifest.version}"
    )
    run_id = str(run.info.run_id)
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, run.info.start_time, 0) for name, value in manifest.metrics.items()],
        params=[Param(name, value[:_LONGEST]) for name, value in _flat(manifest.settings)],
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, file in files.items():  # blobs are named by their digests
            (Path(folder) / name).symlink_to(file.resolve())
        (Path(folder) / "manifest.json").write_text(written(manifest), encoding="utf-8")
        client.log_artifacts(run_id, folder, _FILES)
    client.set_terminated(run_id)
    return run_id


def _registered(client: Any, manifest: Manifest, run_id: str) -> tuple[str, bool]:
    """The registered model's version that is this run, and whether it had to be made."""
    if not client.search_registered_models(f"name = '{manifest.name}'"):
        client.create_registered_model(manifest.name)
    for known in client.search_model_versions(f"run_id = '{run_id}'"):
        return str(known.version), False
    source = client.get_run(run_id).info.artifact_uri
    made = client.create_model_version(
        manifest.name, f"{source}/{_FILES}", run_id=run_id, tags={_VERSION: manifest.version}
    )
    return str(made.version), True


def _flat(settings: Mapping[str, Any], *, before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, before=f"{before}{name}.")
        else:
            yield f"{before}{name}", value if isinstance(value, str) else json.dumps(value)
