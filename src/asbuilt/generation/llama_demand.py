"""What `generator/llama-cpp` will take: from the header of its file, or from the catalogue of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from asbuilt.errors import UserError
from asbuilt.generation.llama_settings import BATCH_TOKENS, refuse_less_than_one
from asbuilt.generation.models import STARTER, find_model
from asbuilt.generation.requantize import worthwhile
from asbuilt.resources.demand import Assumptions, Demand, LanguageModel, MemoryPart
from asbuilt.resources.gguf import Q4_1, Q8_0, read_header
from asbuilt.resources.gguf_shape import read_gguf_model, weights_of_gguf
from asbuilt.resources.models import MODELS
from asbuilt.resources.models import find_model as find_published
from asbuilt.resources.precision import find_precision
from asbuilt.resources.shape import ModelShape
from asbuilt.resources.weights import Weights, weights_of

__all__ = ["DEFAULT_PRECISION", "RUNTIME_BYTES", "llama_demand"]

RUNTIME_BYTES = 49 << 20
"""Library, vocabulary, templates, server and threads: what the process grows by beyond weights, cache and
compute buffers. Measured once, at a context of 512 (benchmarks/memory_prediction.py --parts; x86-64,
Python 3.11, xllamacpp on the CPU, a vocabulary of 49,152)."""

DEFAULT_PRECISION = "q4_k_m"
"""Of a model that is not on disk, where the blueprint states none."""


def llama_demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:
    """See `asbuilt.resources.demand`.

    `model` is the starter's name, the path of a GGUF file, or, for one that is still to be got, its name
    in the catalogue with a `precision`. Raises UserError for a damaged file, an unknown architecture, a
    context beyond the model's, or GPU layers without a GPU, and NotFoundError for an unknown name.
    """
    refuse_less_than_one(context_tokens=config["context_tokens"], slots=config["slots"])
    wanted = str(config["model"])
    if wanted == STARTER or wanted.endswith(".gguf") or Path(wanted).expanduser().is_file():
        model, notes = _from_file(wanted, config, gpu=assumed.gpu)
    else:
        model, notes = _from_catalogue(wanted, config)
    if model.shape.encoder_only or model.shape.audio:
        raise UserError(f"{model.name} writes no text.", hint="Name a language model.")
    if 0 < model.shape.max_context < model.context_tokens:
        raise UserError(
            f"context_tokens is {model.context_tokens}, but {wanted!r} was trained on "
            f"{model.shape.max_context}."
        )
    layers: int = config["gpu_layers"]
    if layers > 0 and not assumed.gpu:
        raise UserError(
            f"gpu_layers is {layers}, but the target has no GPU.",
            hint="Leave it out, or name another target.",
        )
    model = replace(model, device_layers=(None if layers < 0 else layers) if assumed.gpu else 0)
    parts = [MemoryPart("llama.cpp", RUNTIME_BYTES, "measured: library, vocabulary, threads")]
    if (adapter := config.get("adapter")) is not None:
        size = read_header(adapter).weights_bytes
        parts.append(MemoryPart("adapter", size, "header of the file", on_device=assumed.gpu and layers != 0))
    return Demand(tuple(parts), model=model, notes=notes)


def _from_file(wanted: str, config: Mapping[str, Any], *, gpu: bool) -> tuple[LanguageModel, tuple[str, ...]]:
    file = find_model(wanted)
    stored = read_gguf_model(file)
    weights = stored.weights
    notes: tuple[str, ...] = ()
    if config["requantize"] == "auto" and (not gpu or config["gpu_layers"] == 0):
        weights = _as_loaded(file, weights)
    stated = config["precision"]
    if stated is not None and not find_precision(stated).name.startswith(stored.weights.precision.lower()):
        notes = (f"precision {stated!r} is stated, but {file.name} is {stored.weights.precision}; it counts",)
    name = wanted if wanted == STARTER else file.name
    return _model(name, stored.shape, weights, config), notes


def _as_loaded(file: Path, weights: Weights) -> Weights:
    """The weights after `requantize`, if that is done to `file`."""
    header = read_header(file)
    if not worthwhile(file, header):
        return weights
    tensors = tuple(
        replace(tensor, type=Q8_0) if tensor.type == Q4_1 else tensor for tensor in header.tensors
    )
    return weights_of_gguf(replace(header, tensors=tensors))


def _from_catalogue(wanted: str, config: Mapping[str, Any]) -> tuple[LanguageModel, tuple[str, ...]]:
    found = find_published(wanted)
    notes = [found.correction] if found.correction else []
    precision = config["precision"]
    if precision is None:
        precision = found.model.native if found.model.native == "mxfp4" else DEFAULT_PRECISION
        notes.append(f"no precision is stated for {found.model.name}; planned as {precision}")
    model = _model(found.model.name, found.model.shape, weights_of(found.model.shape, precision), config)
    return model, tuple(notes)


def _model(name: str, shape: ModelShape, weights: Weights, config: Mapping[str, Any]) -> LanguageModel:
    same = (model.name for model in MODELS.values() if model.params == shape.params)
    return LanguageModel(
        name=name,
        shape=shape,
        weights=weights,
        context_tokens=config["context_tokens"],
        slots=config["slots"],
        micro_batch=BATCH_TOKENS,
        published=next(same, None),
    )
