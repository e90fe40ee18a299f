"""A trained model as the file that the engine serves."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from asbuilt.errors import UserError
from asbuilt.generation.models import find_model
from asbuilt.lineage import ExportedModel, ModelKind, TrainedModel
from asbuilt.training.gguf_export import export_adapter, export_merged

__all__ = ["exported"]


def exported(
    trained: TrainedModel,
    folder: Path,
    *,
    kind: ModelKind,
    precision: Literal["f32", "f16", "q8_0"],
) -> ExportedModel:
    """Write ``adapter.gguf`` or ``model.gguf`` into `folder`. An adapter is stored in float32: it is small.

    Raises UserError for a model that did not start from a GGUF file: tokenizer and metadata are its.
    """
    if kind == "adapter" and trained.method != "lora":
        raise UserError("a model that was trained in full has no adapter.", hint="Set export: merged.")
    base = find_model(trained.base)
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "adapter":
        file = export_adapter(trained.folder, base, folder / "adapter.gguf")
        return ExportedModel(file, "adapter", base, "f32")
    file = export_merged(trained.folder, base, folder / "model.gguf", precision=precision)
    return ExportedModel(file, "merged", None, precision)
