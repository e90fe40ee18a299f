"""Manifests as files: canonical JSON, and the version that is its digest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from hashlib import sha256
from typing import Any

from asbuilt.errors import StorageError, UserError
from asbuilt.lineage import Manifest

__all__ = ["MODEL_FILES", "VERSION_DIGITS", "is_version", "made", "parsed", "written"]

VERSION_DIGITS = 12
MODEL_FILES: Mapping[str, str] = {
    "adapter": "adapter.gguf",
    "merged": "model.gguf",
    "embedder": "model.onnx",
}
"""By kind, what the file is called that serves."""

_VERSION = re.compile(rf"[0-9a-f]{{{VERSION_DIGITS}}}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FIELDS = frozenset(each.name for each in fields(Manifest))


def is_version(text: str) -> bool:
    """Whether `text` has the form of a version."""
    return _VERSION.fullmatch(text) is not None


def made(values: Mapping[str, Any]) -> Manifest:
    """The manifest of these values (all fields but `version`).

    Raises UserError for values that JSON cannot hold, for names of files that are not plain, and where the
    file that its kind needs is missing.
    """
    kind, files = values["kind"], values["files"]
    if kind not in MODEL_FILES:
        raise UserError(f"kind is {kind!r}.", hint=f"Known: {', '.join(map(repr, MODEL_FILES))}.")
    if MODEL_FILES[kind] not in files:
        raise UserError(f"a model of kind {kind!r} needs a file {MODEL_FILES[kind]!r}.")
    for name in files:
        if not _FILE_NAME.fullmatch(name):
            raise UserError(
                f"file name {name!r} is not plain.", hint="Use letters, digits, dots, hyphens, underscores."
            )
    try:
        rest = json.loads(_canonical(values))
    except (TypeError, ValueError) as error:
        raise UserError(f"a manifest cannot hold this: {error}.") from error
    return Manifest(version=_digest(rest), **rest)


def written(manifest: Manifest) -> str:
    """The text of its file."""
    return json.dumps(asdict(manifest), ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False) + "\n"


def parsed(text: str, *, version: str) -> Manifest:
    """The manifest in a file of `version`. Raises StorageError where it is not what was registered."""
    try:
        values = json.loads(text)
        if not isinstance(values, dict) or values.keys() != _FIELDS:
            raise ValueError("its fields are not those of a manifest")
        rest = {name: value for name, value in values.items() if name != "version"}
        if version != values["version"] or version != _digest(rest):
            raise ValueError("its content is not that of its version")
        if not all(_DIGEST.fullmatch(digest) for digest in rest["files"].values()):
            raise ValueError("a digest of a file is none")
        return Manifest(**values)
    except (ValueError, TypeError, AttributeError) as error:
        raise StorageError(
            f"the manifest of model {version} was changed or is damaged: {error}.",
            hint="Restore it from a backup, or register the model again.",
        ) from error


def _digest(rest: Mapping[str, Any]) -> str:
    return sha256(_canonical(rest).encode()).hexdigest()[:VERSION_DIGITS]


def _canonical(rest: Mapping[str, Any]) -> str:
    return json.dumps(rest, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
