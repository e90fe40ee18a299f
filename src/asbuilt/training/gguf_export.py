"""A trained model as a GGUF file that the serving engine runs.

Everything is said in the terms of the base's GGUF file, which serves: its tensor names, its shapes and
its order of rows. What has no place there is refused; nothing is left out in silence.

LoRA adds ``alpha / rank * B @ A`` to a weight of shape (out, in); A is (rank, in), B is (out, rank)
(https://arxiv.org/abs/2106.09685). llama.cpp reads the same from the tensors `lora_a` and `lora_b` and
the key `adapter.lora.alpha`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asbuilt.errors import NotFoundError, UserError
from asbuilt.resources.gguf import GgufHeader, read_header
from asbuilt.training.gguf_write import Precision, gguf_package, rewrite, written_at_once
from asbuilt.training.safetensors_file import StoredTensor, stored_tensors

__all__ = ["ARCHITECTURES", "export_adapter", "export_merged"]

ARCHITECTURES = ("llama",)
"""`general.architecture` of the models that are exported; for others the order of rows is not known here."""

_PERMUTED = {"attn_q": "head_count", "attn_k": "head_count_kv"}
"""llama: rows stand in another order in GGUF than in transformers, by the number of heads in this key."""

_ADAPTER_CONFIG, _ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_MUST_BE_OFF = (
    "use_dora", "modules_to_save", "rank_pattern", "alpha_pattern", "trainable_token_indices", "lora_bias",
    "target_parameters", "layer_replication", "fan_in_fan_out", "alora_invocation_tokens", "arrow_config",
    "use_qalora", "use_bdlora", "kasa_config", "monteclora_config", "velora_config", "lora_ga_config",
)  # fmt: skip
"""What makes of an adapter more than one A, one B and one alpha."""
_KEEP_THE_BASE = (True, False, "gaussian", "orthogonal")
"""Of `init_lora_weights`. The others (pissa, olora, corda, loftq) subtract the start from the base."""

_ADAPTER_NAME = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")

Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Pair:
    """A and B of one module, as stored; B's rows still in the order of transformers."""

    a: StoredTensor
    b: StoredTensor


@dataclass(frozen=True, slots=True)
class _Adapter:
    """By the GGUF name of the weight. `alpha` is that of plain LoRA: the scale is ``alpha / rank``."""

    pairs: Mapping[str, _Pair]
    alpha: float
    rank: int


def export_adapter(adapter: Path, base_gguf: Path, out: Path) -> Path:
    """Write the LoRA adapter that PEFT left in the folder `adapter` to `out`, in float32.

    Serves with `base_gguf`, in whatever precision that is. Raises UserError for an adapter that
    llama.cpp cannot apply or that was trained on another model, NotFoundError, StorageError.
    """
    header = _header(base_gguf)
    given = _read_adapter(adapter, header)
    gguf = gguf_package()
    with written_at_once(out) as partial, closing(gguf.GGUFWriter(partial, header.architecture)) as writer:
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", given.alpha)
        for name, pair in given.pairs.items():
            writer.add_tensor(f"{name}.lora_a", pair.a.read())
            writer.add_tensor(f"{name}.lora_b", _gguf_rows(pair.b.read(), name, header))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    return out


def export_merged(trained: Path, base_gguf: Path, out: Path, *, precision: Precision = "q8_0") -> Path:
    """Write all weights to `out`: those of the model folder `trained`, or of `base_gguf` with the LoRA
    adapter folder `trained` merged in.

    Merged in float32, then stored as `precision`. Metadata, tokenizer and chat template are those of
    `base_gguf`. An adapter is best trained on the weights of that file: a merge into other weights
    computes something else. Raises what `export_adapter` raises.
    """
    header = _header(base_gguf)
    is_adapter = (trained / _ADAPTER_CONFIG).is_file()
    change = _merging(trained, header) if is_adapter else _replacing(trained, header)
    name = str(header.metadata.get("general.name", base_gguf.stem))
    return rewrite(base_gguf, out, change, precision=precision, name=f"{name} (trained)")


def _header(base_gguf: Path) -> GgufHeader:
    header = read_header(base_gguf)
    if header.architecture not in ARCHITECTURES:
        raise UserError(
            f"a model of architecture {header.architecture!r} cannot be exported.",
            hint=f"Known: {', '.join(ARCHITECTURES)}.",
        )
    return header


def _merging(folder: Path, header: GgufHeader) -> Callable[[str, Weights], Weights]:
    adapter = _read_adapter(folder, header)
    scale = np.float32(adapter.alpha / adapter.rank)

    def merged(name: str, weights: Weights) -> Weights:
        if (pair := adapter.pairs.get(name)) is None:
            return weights
        return weights + scale * (_gguf_rows(pair.b.read(), name, header) @ pair.a.read())

    return merged


def _replacing(folder: Path, header: GgufHeader) -> Callable[[str, Weights], Weights]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise NotFoundError(
            f"{str(folder)!r} is no trained model: it has neither {_ADAPTER_CONFIG} nor .safetensors files."
        )
    shapes, named = _shapes(header), _gguf_names(header)
    stored: dict[str, StoredTensor] = {}
    for theirs, tensor in stored_tensors(files).items():
        name = named(theirs.removesuffix(".weight"))
        if name == "output.weight" and name not in shapes:
            name = "token_embd.weight"  # tied: transformers may store the same weights under both names
        if shapes.get(name) != tensor.shape:
            raise _other_model(folder, theirs, tensor.shape, shapes.get(name))
        stored.setdefault(name, tensor)
    computed = {"rope_freqs.weight"}  # from the config, not trained; transformers stores none
    if missing := sorted(shapes.keys() - stored.keys() - computed):
        raise UserError(f"{str(folder)!r} has no {missing[0]}, which the base has ({len(missing)} missing).")

    def replaced(name: str, weights: Weights) -> Weights:
        return _gguf_rows(stored[name].read(), name, header) if name in stored else weights

    return replaced


def _read_adapter(folder: Path, header: GgufHeader) -> _Adapter:
    config = _adapter_config(folder / _ADAPTER_CONFIG)
    halves: dict[str, dict[str, StoredTensor]] = {}
    for theirs, tensor in stored_tensors([folder / _ADAPTER_WEIGHTS]).items():
        match = _ADAPTER_NAME.fullmatch(theirs)
        if match is None or match[1].endswith(("lm_head", "embed_tokens")):
            raise UserError(
                f"the adapter in {str(folder)!r} holds {theirs!r}, which llama.cpp cannot apply.",
                hint="Train plain LoRA on the linear layers of attention and feed-forward.",
            )
        halves.setdefault(match[1], {})[match[2]] = tensor
    if not halves:
        raise UserError(f"the adapter in {str(folder)!r} holds no weights.", hint="Train it again.")
    rank, shapes, named, pairs = int(config["r"]), _shapes(header), _gguf_names(header), {}
    for module, half in halves.items():
        if half.keys() != {"A", "B"}:
            raise UserError(f"the adapter in {str(folder)!r} has only one half of {module!r}.")
        pair, name = _Pair(half["A"], half["B"]), named(module)
        if pair.a.shape[:1] != (rank,) or pair.b.shape[1:] != (rank,):
            raise UserError(
                f"{module} in {str(folder)!r} has shapes {pair.a.shape} and {pair.b.shape}, "
                f"its config says rank {rank}."
            )
        if shapes.get(name) != (pair.b.shape[0], pair.a.shape[1]):
            raise _other_model(folder, module, (pair.b.shape[0], pair.a.shape[1]), shapes.get(name))
        pairs[name] = pair
    alpha = float(config["lora_alpha"]) * (math.sqrt(rank) if config.get("use_rslora") else 1.0)
    return _Adapter(pairs, alpha, rank)


def _adapter_config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        if config["peft_type"] != "LORA" or config["r"] < 1 or not math.isfinite(config["lora_alpha"]):
            raise ValueError("it describes no LoRA adapter")
    except OSError as error:
        raise NotFoundError(
            f"no adapter in {str(file.parent)!r}: {_ADAPTER_CONFIG} cannot be read ({error.strerror})."
        ) from error
    except (ValueError, TypeError, LookupError) as error:
        raise UserError(f"{str(file)!r} is not the config of a LoRA adapter ({error}).") from error
    kept: dict[str, Any] = config
    refused = {name: kept[name] for name in _MUST_BE_OFF if kept.get(name)}
    if kept.get("bias", "none") != "none":
        refused["bias"] = kept["bias"]
    if kept.get("init_lora_weights", True) not in _KEEP_THE_BASE:
        refused["init_lora_weights"] = kept["init_lora_weights"]
    for name, value in refused.items():
        raise UserError(
            f"the adapter was trained with {name} = {value!r}, which llama.cpp cannot apply.",
            hint=f"Train it without {name}.",
        )
    return kept


def _shapes(header: GgufHeader) -> dict[str, tuple[int, ...]]:
    """(rows, columns) of each weight, as transformers counts."""
    return {tensor.name: tuple(reversed(tensor.shape)) for tensor in header.tensors}


def _gguf_names(header: GgufHeader) -> Callable[[str], str]:
    """ "model.layers.3.self_attn.q_proj" -> "blk.3.attn_q.weight"; "" where the architecture has none."""
    gguf = gguf_package()
    architecture = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == header.architecture)
    layers = int(header.metadata[f"{header.architecture}.block_count"])
    names = gguf.get_tensor_name_map(architecture, layers)

    def named(module: str) -> str:
        found = names.get_name(module)
        return f"{found}.weight" if found else ""

    return named


def _gguf_rows(rows: Weights, name: str, header: GgufHeader) -> Weights:
    """Rows as GGUF orders them: for q and k, the two halves that rotate together become neighbours.

    In transformers the rows of a head are its first halves, then its second ones; llama.cpp rotates
    pairs of neighbours (convert_hf_to_gguf.py, LlamaModel.permute).
    """
    if (key := _PERMUTED.get(name.split(".")[-2] if name.count(".") > 1 else "")) is None:
        return rows
    metadata, architecture = header.metadata, header.architecture
    heads = metadata.get(f"{architecture}.attention.{key}", metadata[f"{architecture}.attention.head_count"])
    halves = rows.reshape(int(heads), 2, -1, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def _other_model(
    folder: Path, module: str, shape: tuple[int, ...], wanted: tuple[int, ...] | None
) -> UserError:
    has = "no such weights" if wanted is None else f"{wanted}"
    return UserError(
        f"{module} in {str(folder)!r} is for weights of shape {shape}; the base has {has}.",
        hint="It was trained on another model: name the base that it was trained on.",
    )
