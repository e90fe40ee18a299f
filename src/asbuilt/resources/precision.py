"""How many bits a weight takes in every format that models are published in.

Two kinds of source. Block formats are exact: 8 x bytes / weights of one block, from ggml's own table
(`asbuilt.resources.gguf.BLOCKS`). Files are mixtures: llama.cpp's quantiser and the checkpoints of other
engines keep some matrices wider than the rest, by rules that are stated here and tested against the
published averages and file sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from asbuilt.errors import NotFoundError
from asbuilt.registry import nearest
from asbuilt.resources.gguf import BLOCKS, TYPE_NUMBERS
from asbuilt.resources.shape import Linear, ModelShape

__all__ = ["CACHE_TYPES", "PRECISIONS", "Precision", "block_bits", "find_precision"]

_LLAMA_CPP = "llama.cpp, src/llama-quant.cpp and tools/quantize/README.md"
_VALUES, _DOWN = ("v_proj",), ("down_proj", "experts.down_proj")
_MEDIUM = dict.fromkeys((*_VALUES, *_DOWN), "third")
_SMALL = dict.fromkeys((*_VALUES, *_DOWN), "eighth")
_IQ4 = dict.fromkeys(_VALUES, "all") | dict.fromkeys(_DOWN, "eighth")


@cache
def block_bits(name: str) -> float:
    """Bits per weight of one ggml block type, such as "Q4_K"."""
    weights, size = BLOCKS[TYPE_NUMBERS[name]]
    return 8 * size / weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """A format of weights.

    `bits` per weight of most matrices. The matrices that `wide` names take `more_bits` in some layers:
    "third" means about a third plus both ends, "eighth" the first eighth.
    `embedding_bits`, `head_bits` and `dense_bits` (every matrix that is not an expert's) differ from
    `bits` where they are given. `router_bits` and `vector_bits` hold for routers, norms and biases.
    A matrix whose rows do not fill a block of 256 is stored at `ragged_bits`.
    """

    name: str
    bits: float
    source: str
    more_bits: float = 0
    wide: Mapping[str, str] = field(default_factory=dict)
    embedding_bits: float | None = None
    head_bits: float | None = None
    dense_bits: float | None = None
    ragged_bits: float | None = None
    router_bits: float = 32
    vector_bits: float = 32

    @property
    def gguf(self) -> bool:
        """It is a format of GGUF files."""
        return self.source == _LLAMA_CPP

    def linear_bits(self, linear: Linear, layers: int) -> float:
        """Average bits per weight of `linear` over a model of `layers`."""
        if linear.group == "router":
            return self.router_bits
        if linear.group == "head":
            return self.bits if self.head_bits is None else self.head_bits
        if self.dense_bits is not None and linear.group != "experts":
            return self.dense_bits
        if self.ragged_bits is not None and linear.inputs % 256:
            return self.ragged_bits
        share = _wide_layers(self.wide.get(linear.name, "none"), layers) / layers
        return share * self.more_bits + (1 - share) * self.bits

    def embedding_bits_of(self, shape: ModelShape) -> float:
        """Bits per weight of the input embedding; a tied one is stored as the output head is."""
        if shape.tied and self.head_bits is not None:
            return self.head_bits
        if self.embedding_bits is not None:
            return self.embedding_bits
        if self.dense_bits is not None:
            return self.dense_bits
        return self.ragged_bits if self.ragged_bits is not None and shape.hidden % 256 else self.bits


def _wide_layers(rule: str, layers: int) -> int:
    eighth = layers // 8
    match rule:
        case "all":
            return layers
        case "eighth":
            return eighth
        case "third":
            return sum(i < eighth or i >= 7 * layers // 8 or (i - eighth) % 3 == 2 for i in range(layers))
    return 0


def _checkpoint(name: str, bits: float, source: str) -> Precision:
    """A quantised checkpoint outside GGUF: embedding, head, routers and vectors stay in 16 bits."""
    return Precision(
        name=name, bits=bits, source=source,
        embedding_bits=16, head_bits=16, router_bits=16, vector_bits=16,
    )  # fmt: skip


def _gguf(
    name: str,
    block: str,
    *,
    head: str = "Q6_K",
    ragged: str = "",
    more: str = "F32",
    wide: Mapping[str, str] | None = None,
) -> Precision:
    """What `llama-quantize` writes: `block`, with `more` for what is `wide`."""
    return Precision(
        name=name,
        bits=block_bits(block),
        source=_LLAMA_CPP,
        head_bits=block_bits(head),
        ragged_bits=block_bits(ragged) if ragged else None,
        more_bits=block_bits(more),
        wide=wide or {},
    )


_ALL = (
    Precision(name="fp32", bits=32, source="IEEE 754"),
    Precision(name="bf16", bits=16, source="bfloat16", router_bits=16, vector_bits=16),
    Precision(name="fp16", bits=16, source="IEEE 754", router_bits=16, vector_bits=16),
    _checkpoint("fp8", 8, "FP8 Formats for Deep Learning, arXiv 2209.05433"),
    _checkpoint("int8", 8, "LLM.int8(), arXiv 2208.07339; its scales are below 0.1 %"),
    _checkpoint("int4", 4 + (16 + 4) / 128, "AWQ, arXiv 2306.00978: groups of 128, each a scale and a zero"),
    _checkpoint("nf4", 4 + 8 / 64 + 32 / (64 * 256), "QLoRA, arXiv 2305.14314: double quantisation"),
    _checkpoint("nvfp4", 4.5, "NVFP4: E2M1 values, one E4M3 scale for 16; ggml block (64, 36)"),
    Precision(
        name="mxfp4", bits=block_bits("MXFP4"), source=_LLAMA_CPP,
        dense_bits=block_bits("Q8_0"), head_bits=block_bits("Q8_0"),
    ),
    _gguf("q8_0", "Q8_0", head="Q8_0"),
    _gguf("q6_k", "Q6_K", ragged="Q8_0"),
    _gguf("q5_k_m", "Q5_K", ragged="Q5_1", more="Q6_K", wide=_MEDIUM),
    _gguf("q5_k_s", "Q5_K", ragged="Q5_1"),
    _gguf("q4_k_m", "Q4_K", ragged="Q5_0", more="Q6_K", wide=_MEDIUM),
    _gguf("q4_k_s", "Q4_K", ragged="Q5_0", more="Q5_K", wide=_SMALL),
    _gguf("q5_1", "Q5_1"),
    _gguf("q5_0", "Q5_0"),
    _gguf("q4_1", "Q4_1"),
    _gguf("q4_0", "Q4_0"),
    _gguf("iq4_nl", "IQ4_NL", more="Q5_K", wide=_IQ4),
    _gguf("iq4_xs", "IQ4_XS", ragged="IQ4_NL", more="Q5_K", wide=_IQ4),
)  # fmt: skip

PRECISIONS: Mapping[str, Precision] = {precision.name: precision for precision in _ALL}

_ALIASES = {
    "f32": "fp32", "float32": "fp32", "f16": "fp16", "float16": "fp16", "half": "fp16", "bfloat16": "bf16",
    "q8": "q8_0", "q6": "q6_k", "q5": "q5_k_m", "q4": "q4_k_m", "q4_k": "q4_k_m", "q5_k": "q5_k_m",
    "fp4": "nvfp4", "awq": "int4", "gptq": "int4", "w4a16": "int4", "w8a8": "int8",
}  # fmt: skip

CACHE_TYPES: Mapping[str, float] = {
    "f32": 4, "f16": 2, "bf16": 2, "q8_0": block_bits("Q8_0") / 8, "q5_1": block_bits("Q5_1") / 8,
    "q5_0": block_bits("Q5_0") / 8, "q4_1": block_bits("Q4_1") / 8, "q4_0": block_bits("Q4_0") / 8,
    "iq4_nl": block_bits("IQ4_NL") / 8,
}  # fmt: skip
"""Bytes per element of a KV cache, by llama.cpp's names (`--cache-type-k`, `--cache-type-v`)."""


def find_precision(name: str) -> Precision:
    """The precision of that name, whatever its case: "Q4_K_M", "bf16", "int4".

    Raises NotFoundError with the nearest name.
    """
    word = name.strip().lower().replace("-", "_").replace(" ", "_")
    word = _ALIASES.get(word, word)
    if word not in PRECISIONS:
        close = nearest(word, tuple(PRECISIONS))
        hint = f"Did you mean {close!r}?" if close else f"Known: {', '.join(PRECISIONS)}."
        raise NotFoundError(f"no precision is called {name!r}.", hint=hint)
    return PRECISIONS[word]
