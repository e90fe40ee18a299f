"""What a run was made with: machine, versions, models, prompt, design and data.

Two runs with the same fingerprint measure the same thing.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from asbuilt.assistant.prompt import INSTRUCTIONS
from asbuilt.blueprint import config_values
from asbuilt.errors import NotFoundError
from asbuilt.generation.models import STARTER, find_model
from asbuilt.model_registry import ModelRegistry
from asbuilt.system import System

__all__ = ["describe", "file_digest"]

_PACKAGES = ("asbuilt", "xllamacpp", "onnxruntime", "qdrant-edge-py", "numpy", "scipy", "tokenizers")
_STARTED, _DEPLOYED = "generator/llama-cpp", "generator/registry"
_EDGE_BYTES = 16 * 2**20
_SAMPLED = "size, first and last 16 MiB"


def describe(system: System, data: Mapping[str, Path], *, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data about a run that is about to begin.

    `data` are the files of the data sets that it reads; `asked` is what else decides its outcomes
    (which metrics, how many cases). The fingerprint covers all but time and machine load.
    """
    blueprint = system.blueprint
    fixed = {
        "blueprint": {"system": blueprint.system.name, "digest": blueprint.digest},
        "machine": _machine(),
        "versions": {name: _version(name) for name in _PACKAGES} | {"python": platform.python_version()},
        "models": _models(system),
        "prompt_sha256": _prompt_digest(system),
        "data": {name: {"path": str(path), "sha256": file_digest(path)} for name, path in data.items()},
        "documents": {"catalogue_position": system.catalog.position},
        "asked": dict(asked),
    }
    canonical = json.dumps(fixed, sort_keys=True, separators=(",", ":"))
    return {
        "fingerprint": sha256(canonical.encode()).hexdigest(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        **fixed,
    }


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    return sha256(path.read_bytes()).hexdigest()


def _machine() -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": psutil.cpu_count(logical=True),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _models(system: System) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in system.names_of("embedder"):
        found[name] = {"model_id": system.part(name).model_id}
    for name in system.names_of("generator"):
        component = system.blueprint.component(name)
        config = config_values(component, system.folder)
        if component.use == _DEPLOYED:
            models = ModelRegistry(config["registry"])
            found[name] = {"use": component.use, "production": models.production}
            if (canary := models.canary) is not None:
                found[name]["canary"] = {"version": canary.version, "share": canary.share}
            continue
        default = STARTER if component.use == _STARTED else ""
        model = str(config.get("model", default))
        if not model:  # it has none, like a script
            found[name] = {"use": component.use}
            continue
        try:
            file = find_model(model)
        except NotFoundError:  # served elsewhere: all that is known of it is its name
            found[name] = {"model": model}
        else:
            found[name] = {"model": model, "bytes": file.stat().st_size, "sha256": _sampled(file)}
            found[name]["sha256_of"] = _SAMPLED if found[name]["bytes"] > 2 * _EDGE_BYTES else "all"
    return found


def _sampled(file: Path) -> str:
    """Of a model of many GiB all bytes would take minutes."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        parts: Iterable[bytes]
        if size <= 2 * _EDGE_BYTES:
            parts = [stream.read()]
        else:
            first = stream.read(_EDGE_BYTES)
            stream.seek(-_EDGE_BYTES, 2)
            parts = [str(size).encode(), first, stream.read()]
    digest = sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _prompt_digest(system: System) -> str | None:
    for name in system.names_of("assistant"):
        instructions = system.blueprint.component(name).config.get("instructions", INSTRUCTIONS)
        return sha256(str(instructions).encode()).hexdigest()
    return None
