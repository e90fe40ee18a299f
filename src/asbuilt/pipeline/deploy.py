"""The registry that a blueprint names, and putting a registered model to work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asbuilt.errors import UserError
from asbuilt.lineage import Manifest, ModelKind
from asbuilt.model_registry.store import ModelRegistry
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import ModelStore

__all__ = ["DeploymentManager", "FileModelStore"]


@component("model-registry/files")
class FileModelStore:
    """Registered models in the folder `path`; `asbuilt models` shows them."""

    def __init__(self, *, path: Path) -> None:
        self._registry = ModelRegistry(path)

    demand = staticmethod(holds_nothing)

    @property
    def production(self) -> str | None:
        return self._registry.production

    def register(
        self,
        files: Mapping[str, Path | bytes],
        *,
        name: str,
        kind: ModelKind,
        base: str,
        base_digest: str,
        recipe: str,
        settings: Mapping[str, Any],
        metrics: Mapping[str, float],
        evidence: Mapping[str, Any],
        parent: str | None,
    ) -> Manifest:
        return self._registry.register(
            files,
            name=name,
            kind=kind,
            base=base,
            base_digest=base_digest,
            recipe=recipe,
            settings=settings,
            metrics=metrics,
            evidence=evidence,
            parent=parent,
        )

    def promote(self, version: str, *, reason: str) -> Manifest:
        return self._registry.promote(version, reason=reason)

    def start_canary(self, version: str, *, share: float) -> Manifest:
        return self._registry.start_canary(version, share=share)


@component("deployment/reference")
class DeploymentManager:
    """Names the model that serves in the registry; services with ``generator/registry`` swap to it.

    With `canary`, a model that takes the place of another first serves that share of the requests, and
    a person promotes it (``asbuilt models promote``). An embedder has no trial: it serves when the service
    is started again (see ``embedder/registry``).
    """

    def __init__(self, *, store: ModelStore, canary: float | None = None) -> None:
        if canary is not None and not 0 < canary < 1:
            raise UserError(f"canary is {canary}; it must be more than 0 and less than 1.")
        self._store = store
        self._canary = canary

    demand = staticmethod(holds_nothing)

    def deploy(self, manifest: Manifest, *, reason: str) -> str:
        if manifest.kind == "embedder":
            self._store.promote(manifest.version, reason=reason)
            return (
                f"{manifest.version} embeds from the next start of the service on; asbuilt ingest gives its "
                "vector to passages that came meanwhile. asbuilt models rollback brings back the one before."
            )
        if self._canary is not None and self._store.production is not None:
            self._store.start_canary(manifest.version, share=self._canary)
            return (
                f"{manifest.version} serves {self._canary:.0%} of the requests on trial; "
                f"asbuilt models promote {manifest.version} has it serve all."
            )
        self._store.promote(manifest.version, reason=reason)
        return f"{manifest.version} serves; asbuilt models rollback brings back what served before."
