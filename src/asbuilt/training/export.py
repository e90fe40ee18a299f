"""A trained model as the file that serves it, and the proof that it does what was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from asbuilt.errors import UserError
from asbuilt.generation.models import find_model
from asbuilt.lineage import ExportedModel, ExportProof, TrainedModel, TrainingRow, VectorProof
from asbuilt.training.embedder_export import export_embedder, prove_embedder
from asbuilt.training.gguf_base import full_precision_gguf
from asbuilt.training.gguf_export import export_adapter, export_merged
from asbuilt.training.proof import prove

__all__ = ["Precision", "exported", "proven"]

Precision = Literal["f32", "f16", "q8_0", "int8"]

_REPLY_TOKENS = 80
"""Enough for short replies to end, which has to be proven too."""


def exported(
    trained: TrainedModel,
    folder: Path,
    *,
    kind: Literal["adapter", "merged"],
    precision: Precision | None,
) -> ExportedModel:
    """Write ``adapter.gguf``, ``model.gguf`` or, of an embedder, ``model.onnx`` into `folder`. An adapter is
    stored in float32: it is small. `precision` None is float16 for a merged model, int8 for an embedder.

    Raises UserError for a model that did not start from a GGUF file: tokenizer and metadata are its.
    """
    if trained.method == "embedder":
        if precision not in (None, "f32", "int8"):
            raise UserError(f"an embedder is not stored as {precision}.", hint="Set precision: f32 or int8.")
        return export_embedder(trained, folder, precision="f32" if precision == "f32" else "int8")
    if kind == "adapter" and trained.method != "lora":
        raise UserError("a model that was trained in full has no adapter.", hint="Set export: merged.")
    base = find_model(trained.base)
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "adapter":
        file = export_adapter(trained.folder, base, folder / "adapter.gguf")
        return ExportedModel(file, "adapter", base, "f32")
    if precision == "int8":
        raise UserError("a language model is not stored as int8.", hint="Set precision: q8_0.")
    file = export_merged(trained.folder, base, folder / "model.gguf", precision=precision or "f16")
    return ExportedModel(file, "merged", None, precision or "f16")


def proven(
    trained: TrainedModel, model: ExportedModel, rows: Sequence[TrainingRow], *, required: float
) -> ExportProof | VectorProof:
    """What `prove` says of replies to the rows' prompts, or `prove_embedder` of their texts."""
    if model.kind == "embedder":
        texts = [message.content for row in rows for message in row.messages]
        return prove_embedder(trained, model, texts, required=required)
    prompts = [row.messages[:-1] for row in rows]
    if model.kind == "adapter":  # on its base in full precision the export alone is judged
        model = replace(model, base=full_precision_gguf(trained.base))
    return prove(trained, model, prompts, required=required, max_tokens=_REPLY_TOKENS)
