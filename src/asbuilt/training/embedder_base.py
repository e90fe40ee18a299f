"""The sentence embedder that a training starts from."""

from __future__ import annotations

import json
from pathlib import Path

from asbuilt.errors import UserError
from asbuilt.retrieval.starter_models import minilm_folder

__all__ = ["EMBEDDER", "embedder_folder"]

EMBEDDER = "minilm-l6"
"""The starter embedder: all-MiniLM-L6-v2."""


def embedder_folder(base: str) -> Path:
    """A folder with config, float32 weights and tokenizer of `base`, the starter's name or such a folder.

    Raises UserError for anything else, a hub id among it, and for an encoder that cannot be exported.
    """
    folder = minilm_folder() if base == EMBEDDER else Path(base).expanduser()
    if not (folder / "config.json").is_file():
        raise UserError(
            f"no embedder {base!r} to train: neither the starter nor a model folder.",
            hint=f"Name {EMBEDDER!r} or a path; a model of a hub: hf download {base} --local-dir FOLDER.",
        )
    kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    if kind != "bert":
        raise UserError(
            f"{folder} holds an encoder of type {kind!r}, and only those of type 'bert' can be exported.",
            hint="Take a BERT encoder: MiniLM, BGE, E5 and GTE have some.",
        )
    return folder
