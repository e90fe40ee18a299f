"""A trained sentence encoder as the ONNX graph that serves it, and the proof that both give the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from asbuilt.errors import UserError
from asbuilt.lineage import ExportedModel, TrainedModel, VectorProof
from asbuilt.retrieval.onnx_folder import LENGTH_FILE, PROMPTS_FILE, OnnxFolderEmbedder, stated_pooling
from asbuilt.training.quiet import quiet_libraries
from asbuilt.training.recipes.embedding import pooled
from asbuilt.types import Matrix

__all__ = ["export_embedder", "prove_embedder"]

_FLOORS = {"f32": 0.9999, "int8": 0.96}
"""Cosine from which a served vector counts as the trained one's. That of eight bits is what the starter
embedder's own weights keep of themselves (`retrieval/minilm.py`)."""
_BATCH = 16


def export_embedder(
    trained: TrainedModel, folder: Path, *, precision: Literal["f32", "int8"]
) -> ExportedModel:
    """Write ``model.onnx``, ``tokenizer.json`` and what sentence-transformers says of a model into `folder`,
    which ``embedder/onnx`` reads. Raises UserError for an encoder with another activation than GELU."""
    from safetensors.numpy import load_file

    from asbuilt.retrieval.bert_graph import build_graph, quantize

    stated = json.loads((trained.folder / "config.json").read_text(encoding="utf-8"))
    if stated["hidden_act"] != "gelu":
        raise UserError(
            f"an encoder with the activation {stated['hidden_act']!r} cannot be exported.",
            hint="Take a BERT encoder with gelu.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "config.json"):
        shutil.copy(trained.folder / name, folder / name)
    settings = trained.settings
    (folder / LENGTH_FILE).write_text(
        json.dumps({"max_seq_length": settings["max_tokens"]}), encoding="utf-8"
    )
    prompts = {kind: settings[f"{kind}_prefix"] for kind in ("query", "passage")}
    (folder / PROMPTS_FILE).write_text(json.dumps({"prompts": prompts}), encoding="utf-8")
    file, full = folder / "model.onnx", folder / "full.onnx"
    build_graph(
        load_file(trained.folder / "model.safetensors"),
        full,
        name=trained.folder.name,
        heads=stated["num_attention_heads"],
        epsilon=stated["layer_norm_eps"],
        pooling=stated_pooling(trained.folder),
    )
    if precision == "int8":
        quantize(full, file)
        full.unlink()
    else:
        full.replace(file)
    return ExportedModel(file, "embedder", None, precision)


def prove_embedder(
    trained: TrainedModel, exported: ExportedModel, texts: Sequence[str], *, required: float = 0.99
) -> VectorProof:
    """Vectors of the trained encoder in torch (float32) against those of the exported graph: the share
    `required` of `texts` must reach the cosine that its precision allows. Raises UserError without texts."""
    if not texts:
        raise UserError("an export is proven on texts, and none are given.", hint="Give at least one.")
    max_tokens = int(trained.settings["max_tokens"])
    served = OnnxFolderEmbedder(folder_path=exported.file.parent, query_prefix="", passage_prefix="")
    served.open()
    try:
        ours = served.embed(texts)
    finally:
        served.close()
    cosines = (ours * _torch_vectors(trained, texts, max_tokens)).sum(axis=1)
    floor = _FLOORS[exported.precision]
    same = int((cosines >= floor).sum())
    faults: tuple[str, ...] = ()
    if same < required * len(texts):
        faults = (
            f"{same} of {len(texts)} vectors reach a cosine of {floor} with the trained one's, "
            f"{required:.1%} is required; the least is {cosines.min():.4f}.",
        )
    return VectorProof(len(texts), same, float(cosines.min()), floor, required, faults)


def _torch_vectors(trained: TrainedModel, texts: Sequence[str], max_tokens: int) -> Matrix:
    import torch
    from transformers import AutoModel, AutoTokenizer

    parts = []
    with quiet_libraries(), torch.inference_mode():
        tokenizer: Any = AutoTokenizer.from_pretrained(trained.folder)
        model = AutoModel.from_pretrained(trained.folder, dtype=torch.float32, add_pooling_layer=False).eval()
        for at in range(0, len(texts), _BATCH):
            given: Mapping[str, Any] = tokenizer(
                list(texts[at : at + _BATCH]),
                truncation=True,
                max_length=max_tokens,
                padding=True,
                return_tensors="pt",
            )
            states = model(**given).last_hidden_state
            parts.append(pooled(states, given["attention_mask"], stated_pooling(trained.folder)).numpy())
    return np.concatenate(parts)
