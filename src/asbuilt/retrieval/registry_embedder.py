"""Embedding by the model that a registry has in production."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from asbuilt.errors import UserError
from asbuilt.lineage import Manifest
from asbuilt.model_registry import MODEL_FILES, ModelRegistry
from asbuilt.registry import component
from asbuilt.resources.demand import Assumptions, Demand
from asbuilt.retrieval.minilm import MiniLMEmbedder
from asbuilt.retrieval.onnx_demand import folder_demand
from asbuilt.retrieval.onnx_folder import FileEmbedder
from asbuilt.types import Matrix

__all__ = ["RegistryEmbedder"]

_GRAPH = MODEL_FILES["embedder"]


@component("embedder/registry")
class RegistryEmbedder:
    """The sentence embedder that the model registry in the folder `registry` has in production; while there
    is none, the starter embedder.

    What is in production when a process starts embeds until it ends: vectors of two models cannot be
    compared. After a promotion or a rollback, ``asbuilt ingest`` gives each passage its vector of the new
    one (the gate has done so for those that it saw), and the service is started again.
    """

    def __init__(self, *, registry: Path, threads: int | None = None) -> None:
        models = ModelRegistry(registry)
        manifest = _in_production(models)
        self._inner: FileEmbedder | MiniLMEmbedder
        if manifest is None:
            self._inner = MiniLMEmbedder(threads=threads)
            return
        version, files = manifest.version, manifest.files
        self._inner = FileEmbedder(
            lambda name: models.path(version, name) if name in files else None,
            graph=lambda: models.verified_path(version, _GRAPH),
            digest=lambda: files[_GRAPH],
            threads=threads,
        )

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:
        """That of the model in production, or of the starter."""
        models = ModelRegistry(config["registry"])
        manifest = _in_production(models)
        if manifest is None:
            return MiniLMEmbedder.demand({"precision": "int8"}, assumed)
        facts = json.loads(models.path(manifest.version, "config.json").read_text(encoding="utf-8"))
        return folder_demand(models.path(manifest.version, _GRAPH), dim=facts["hidden_size"])

    @property
    def model_id(self) -> str:
        return self._inner.model_id

    @property
    def dim(self) -> int:
        return self._inner.dim

    def open(self) -> None:
        """Load the model. Raises StorageError for a file that is not what was registered."""
        self._inner.open()

    def close(self) -> None:
        """Let go of the model."""
        self._inner.close()

    def embed(self, texts: Sequence[str], *, kind: Literal["passage", "query"] = "passage") -> Matrix:
        return self._inner.embed(texts, kind=kind)


def _in_production(models: ModelRegistry) -> Manifest | None:
    """Raises UserError where a language model is in production."""
    if (version := models.production) is None:
        return None
    manifest = models.get(version)
    if manifest.kind != "embedder":
        raise UserError(
            f"model {version} of {models.folder} is no embedder but of kind {manifest.kind!r}.",
            hint="Keep embedders in a registry of their own.",
        )
    return manifest
