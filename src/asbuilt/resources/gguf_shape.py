"""The shape and the weights of a model, from the header of its GGUF file.

Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and llama.cpp, src/llama-arch.cpp. What
the keys leave open (biases, norms, a tied head) is read from which tensors are there.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from asbuilt.errors import UserError
from asbuilt.resources.gguf import GgufHeader, TensorInfo, read_header
from asbuilt.resources.shape import (
    Attention,
    Experts,
    Family,
    Group,
    LatentAttention,
    ModelShape,
    Recurrent,
    refuse_family,
)
from asbuilt.resources.weights import StoredModel, Weights

__all__ = ["read_gguf_model", "shape_of_gguf", "weights_of_gguf"]

_DECODERS = (
    "deepseek2",
    "gemma2",
    "gemma3",
    "gpt-oss",
    "llama",
    "phi3",
    "qwen2",
    "qwen3",
    "qwen3moe",
    "qwen3next",
)
_GLOBAL_EVERY = {"gemma2": 2, "gemma3": 6, "gpt-oss": 2}
"""Every so many layers, one looks at everything (llama.cpp, src/llama-model.cpp)."""


_PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


def read_gguf_model(file: Path) -> StoredModel:
    """Shape and weights of a model in one file, or in parts (`name-00001-of-00003.gguf`: name any).

    Raises NotFoundError when a file is missing, and UserError for a damaged one or an unknown architecture.
    """
    headers = [read_header(part) for part in _parts(file)]
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    # Parts carry the facts in the first; the others hold tensors only.
    whole = replace(headers[0], tensors=tensors)
    return StoredModel(shape_of_gguf(whole), weights_of_gguf(whole), whole.params)


def _parts(file: Path) -> list[Path]:
    found = _PART.search(file.name)
    if found is None:
        return [file]
    stem, count = file.name[: found.start()], int(found[2])
    return [file.with_name(f"{stem}-{number:05d}-of-{count:05d}.gguf") for number in range(1, count + 1)]


def shape_of_gguf(header: GgufHeader) -> ModelShape:
    """Raises UserError for an unknown architecture, or a header without what its architecture needs."""
    architecture = header.architecture
    if architecture != "bert" and architecture not in _DECODERS:
        raise refuse_family(architecture)
    read = _Reader(header)
    experts = read.experts()
    recurrent = read.recurrent()
    layers = read.number("block_count")
    window = read.number("attention.sliding_window", 0) if architecture in _GLOBAL_EVERY else 0
    encoder = architecture == "bert"
    family = cast(Family, "mixtral" if architecture == "llama" and experts else architecture)
    return ModelShape(
        family=family,
        layers=layers,
        hidden=read.number("embedding_length"),
        vocab=read.rows("token_embd.weight"),
        attention=read.attention(),
        feed_forward=0 if experts and not experts.dense_layers else read.number("feed_forward_length"),
        max_context=read.number("context_length"),
        tied=not encoder and not read.has("output.weight"),
        gated=not encoder,
        norms=4 if read.has_in_block("post_ffw_norm.weight") else 2,
        linear_biases=encoder,
        positions=read.rows("position_embd.weight"),
        token_types=read.rows("token_types.weight"),
        experts=experts,
        window=window,
        local_layers=read.local_layers(layers) if window else 0,
        recurrent=recurrent,
    )


def weights_of_gguf(header: GgufHeader) -> Weights:
    """What the tensors of the file take. Raises UserError for a type of block that is not known."""
    sizes: Counter[Group] = Counter()
    for tensor in header.tensors:
        sizes[_group(tensor)] += tensor.size_bytes
    return Weights(dict(sizes), header.quantisation, exact=True)


def _group(tensor: TensorInfo) -> Group:
    name = tensor.name
    if "_exps" in name:
        return "experts"
    if len(tensor.shape) == 1:
        return "vectors"
    if name.startswith(("token_embd", "position_embd", "token_types")):
        return "embedding"
    if name.startswith(("output", "cls")):
        return "head"
    if "ffn_gate_inp" in name:
        return "router"
    if ".ssm_" in name:
        return "recurrent"
    if name.startswith(("v.", "mm.")):
        return "vision"
    return "feed_forward" if ".ffn_" in name else "attention"


class _Reader:
    """Reads numbers of `header` under the prefix of its architecture: above 0, or from 0 where 0 is the
    default. Raises UserError for any other."""

    def __init__(self, header: GgufHeader) -> None:
        self._header = header
        self._rows = {tensor.name: tensor.shape[-1] for tensor in header.tensors if len(tensor.shape) == 2}
        self._names = frozenset(tensor.name for tensor in header.tensors)
        # Layers may differ (recurrent ones carry no queries), so a name counts in whichever layer it is.
        self._in_block = frozenset(name.split(".", 2)[2] for name in self._names if name.startswith("blk."))

    def number(self, key: str, default: int | None = None) -> int:
        name = f"{self._header.architecture}.{key}"
        value = self._header.metadata.get(name, default)
        if isinstance(value, np.ndarray | list):
            value = self._same(name, value)
        least = 0 if default == 0 else 1
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise UserError(
                f"the model file has {name} = {value!r}, where a number from {least} is needed.",
                hint="Convert the model again with a current converter.",
            )
        return int(value)

    def has(self, tensor: str) -> bool:
        return tensor in self._names

    def has_in_block(self, suffix: str) -> bool:
        return suffix in self._in_block

    def rows(self, tensor: str) -> int:
        return self._rows.get(tensor, 0)

    def attention(self) -> Attention | LatentAttention:
        if self._header.architecture == "deepseek2":
            return self._latent()
        heads, hidden = self.number("attention.head_count"), self.number("embedding_length")
        fused = self.has_in_block("attn_qkv.bias")
        return Attention(
            heads=heads,
            kv_heads=self.number("attention.head_count_kv", heads),
            head_dim=self.number("attention.key_length", hidden // heads),
            biases="".join(
                letter
                for letter, name in {"q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output"}.items()
                if self.has_in_block(f"{name}.bias") or (fused and letter != "o")
            ),
            qk_norm=self.has_in_block("attn_q_norm.weight"),
            sinks=self.has_in_block("attn_sinks.weight"),
            output_gate=self._header.architecture == "qwen3next",
        )

    def experts(self) -> Experts | None:
        total = self.number("expert_count", 0)
        if not total:
            return None
        width = self.number("expert_feed_forward_length", self.number("feed_forward_length", 0))
        shared = self.number("expert_shared_feed_forward_length", 0)
        return Experts(
            total=total,
            active=self.number("expert_used_count"),
            width=width,
            shared_width=shared or width * self.number("expert_shared_count", 0),
            dense_layers=self.number("leading_dense_block_count", 0),
            biases=self.has_in_block("ffn_gate_exps.bias"),
            router_bias=self.has_in_block("exp_probs_b.bias"),
            shared_gate=self.has_in_block("ffn_gate_inp_shexp.weight"),
        )

    def recurrent(self) -> Recurrent | None:
        if self._header.architecture != "qwen3next":
            return None
        layers = self.number("block_count")
        every = self.number("full_attention_interval", 4)
        return Recurrent(
            layers=layers - layers // every,
            conv_kernel=self.number("ssm.conv_kernel"),
            inner=self.number("ssm.inner_size"),
            state=self.number("ssm.state_size"),
            groups=self.number("ssm.group_count"),
            heads=self.number("ssm.time_step_rank"),
        )

    def local_layers(self, layers: int) -> int:
        key = "attention.sliding_window_pattern"
        pattern = self._header.metadata.get(f"{self._header.architecture}.{key}")
        if isinstance(pattern, np.ndarray | list):  # one flag a layer
            return sum(bool(local) for local in pattern[:layers])
        return layers - layers // self.number(key, _GLOBAL_EVERY[self._header.architecture])

    def _latent(self) -> LatentAttention:
        if f"{self._header.architecture}.attention.key_length_mla" not in self._header.metadata:
            raise UserError(
                "the model file was converted before llama.cpp kept the latent of its attention.",
                hint="Convert it again, or download a current file.",
            )
        rope = self.number("rope.dimension_count")
        return LatentAttention(
            heads=self.number("attention.head_count"),
            q_rank=self.number("attention.q_lora_rank", 0),
            kv_rank=self.number("attention.kv_lora_rank"),
            rope_dim=rope,
            nope_dim=self.number("attention.key_length_mla") - rope,
            value_dim=self.number("attention.value_length_mla"),
        )

    def _same(self, name: str, values: Any) -> Any:
        """The one value of an array a layer. Layers that have none of it (0) do not count."""
        different = {int(value) for value in values if value}
        if len(different) != 1:
            raise UserError(
                f"the layers of this model differ in {name} ({sorted(different)}); its memory is not known.",
                hint="Use a model whose layers are alike.",
            )
        return different.pop()
