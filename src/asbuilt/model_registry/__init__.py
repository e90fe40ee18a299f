"""Registered models as files: blobs by content, immutable manifests, one atomic reference to what serves."""

from asbuilt.model_registry.difference import Change, ModelDifference
from asbuilt.model_registry.log import LogEntry
from asbuilt.model_registry.manifest import MODEL_FILES
from asbuilt.model_registry.store import PRODUCTION, Canary, Collected, ModelRegistry, RegistryCheck

__all__ = [
    "MODEL_FILES",
    "PRODUCTION",
    "Canary",
    "Change",
    "Collected",
    "LogEntry",
    "ModelDifference",
    "ModelRegistry",
    "RegistryCheck",
]
