"""The catalogue of published models: their true shapes, and the wrong names that they are asked for by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Literal

from asbuilt.errors import NotFoundError
from asbuilt.resources.shape import (
    Attention,
    Experts,
    Family,
    LatentAttention,
    ModelShape,
    Recurrent,
)
from asbuilt.resources.towers import AudioEncoder, VisionTower

__all__ = ["MISTAKES", "MODELS", "FoundModel", "Model", "Purpose", "find_model"]

Purpose = Literal["text", "embedding", "reranking", "speech", "text and pictures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A published model. `native` is the precision it is published in; `source` says where the shape stands."""

    name: str
    shape: ModelShape
    source: str
    purpose: Purpose = "text"
    native: str = "bf16"
    aliases: tuple[str, ...] = ()

    @property
    def params(self) -> int:
        return self.shape.params


@dataclass(frozen=True, slots=True)
class FoundModel:
    """`correction` is what to tell the user when the name asked for does not exist; None when it does."""

    model: Model
    correction: str | None = None


def _dense(
    family: Family, layers: int, hidden: int, heads: tuple[int, int, int], feed_forward: int, vocab: int, context: int,
    *, tied: bool = False, biases: str = "", qk_norm: bool = False, norms: int = 2,
    window: int = 0, local_layers: int = 0, vision: VisionTower | None = None,
) -> ModelShape:  # fmt: skip
    """`heads` are query heads, key-value heads and their width."""
    return ModelShape(
        family=family, layers=layers, hidden=hidden, vocab=vocab, feed_forward=feed_forward, max_context=context,
        attention=Attention(
            heads=heads[0], kv_heads=heads[1], head_dim=heads[2], biases=biases, qk_norm=qk_norm
        ),
        tied=tied, norms=norms, window=window, local_layers=local_layers, vision=vision,
    )  # fmt: skip


def _llama(
    layers: int,
    hidden: int,
    heads: tuple[int, int, int],
    ff: int,
    *,
    context: int = 131_072,
    tied: bool = False,
) -> ModelShape:
    return _dense("llama", layers, hidden, heads, ff, 128_256, context, tied=tied)


def _smollm2(layers: int, hidden: int, heads: tuple[int, int, int], ff: int) -> ModelShape:
    return _dense("llama", layers, hidden, heads, ff, 49_152, 8192, tied=True)


def _qwen25(
    layers: int,
    hidden: int,
    heads: tuple[int, int, int],
    ff: int,
    *,
    vocab: int = 152_064,
    tied: bool = False,
) -> ModelShape:
    return _dense("qwen2", layers, hidden, heads, ff, vocab, 32_768, tied=tied, biases="qkv")


def _qwen3(
    layers: int, hidden: int, heads: tuple[int, int, int], ff: int, *, tied: bool = False
) -> ModelShape:
    return _dense("qwen3", layers, hidden, heads, ff, 151_936, 40_960, tied=tied, qk_norm=True)


def _qwen3_moe(layers: int, hidden: int, heads: tuple[int, int, int], ff: int, context: int) -> ModelShape:
    return ModelShape(
        family="qwen3moe", layers=layers, hidden=hidden, vocab=151_936, feed_forward=0, max_context=context,
        attention=Attention(heads=heads[0], kv_heads=heads[1], head_dim=heads[2], qk_norm=True),
        experts=Experts(total=128, active=8, width=ff),
    )  # fmt: skip


def _gemma(
    layers: int,
    hidden: int,
    heads: tuple[int, int, int],
    ff: int,
    *,
    window: int,
    context: int,
    sees: bool = False,
) -> ModelShape:
    vision = None
    if sees:
        # SigLIP So400m/14 at 896 pixels; a norm and one matrix bring its width to the model's.
        vision = VisionTower(
            layers=27, hidden=1152, feed_forward=4304, image=896, patch=14,
            projector_params=1152 + 1152 * hidden, image_tokens=256,
        )  # fmt: skip
    # 64 more rows than the tokenizer has tokens where pictures are read.
    return _dense(
        "gemma3", layers, hidden, heads, ff, 262_208 if sees else 262_144, context, tied=True, qk_norm=True,
        norms=4, window=window, local_layers=layers - layers // 6, vision=vision,
    )  # fmt: skip


def _gpt_oss(layers: int, experts: int) -> ModelShape:
    return ModelShape(
        family="gpt-oss", layers=layers, hidden=2880, vocab=201_088, feed_forward=0, max_context=131_072,
        attention=Attention(heads=64, kv_heads=8, head_dim=64, biases="qkvo", sinks=True),
        experts=Experts(total=experts, active=4, width=2880, biases=True),
        window=128, local_layers=layers // 2,
    )  # fmt: skip


def _encoder(
    family: Family,
    layers: int,
    hidden: int,
    heads: int,
    vocab: int,
    positions: int,
    context: int,
    *,
    types: int,
) -> ModelShape:
    return ModelShape(
        family=family, layers=layers, hidden=hidden, vocab=vocab, feed_forward=4 * hidden, max_context=context,
        attention=Attention(heads=heads, kv_heads=heads, head_dim=hidden // heads, biases="qkvo"),
        gated=False, linear_biases=True, positions=positions, token_types=types, pooler=True,
    )  # fmt: skip


def _whisper(decoder_layers: int) -> ModelShape:
    return ModelShape(
        family="whisper", layers=decoder_layers, hidden=1280, vocab=51_866, feed_forward=5120, max_context=448,
        attention=Attention(heads=20, kv_heads=20, head_dim=64, biases="qvo"),
        gated=False, linear_biases=True, tied=True, norms=3, positions=448,
        audio=AudioEncoder(layers=32, hidden=1280, feed_forward=5120, mel_bins=128, positions=1500),
    )  # fmt: skip


def _deepseek_v3() -> ModelShape:
    return ModelShape(
        family="deepseek2", layers=61, hidden=7168, vocab=129_280, feed_forward=18_432, max_context=163_840,
        attention=LatentAttention(
            heads=128, q_rank=1536, kv_rank=512, rope_dim=64, nope_dim=128, value_dim=128
        ),
        experts=Experts(
            total=256, active=8, width=2048, shared_width=2048, dense_layers=3, router_bias=True
        ),
    )  # fmt: skip


def _qwen3_next() -> ModelShape:
    return ModelShape(
        family="qwen3next", layers=48, hidden=2048, vocab=151_936, feed_forward=0, max_context=262_144,
        attention=Attention(heads=16, kv_heads=2, head_dim=256, qk_norm=True, output_gate=True),
        recurrent=Recurrent(layers=36, conv_kernel=4, inner=4096, state=128, groups=16, heads=32),
        experts=Experts(total=512, active=10, width=512, shared_width=512, shared_gate=True),
    )  # fmt: skip


# CLIP ViT-L/14 at 336 pixels. Two matrices with biases bring its width to the model's; one vector ends a row.
_LLAVA_TOWER = VisionTower(
    layers=24, hidden=1024, feed_forward=4096, image=336, patch=14, class_token=True, pre_norm=True,
    patch_bias=False, projector_params=1024 * 7168 + 7168 * 7168 + 3 * 7168, image_tokens=2880,
)  # fmt: skip

_TORCHTUNE = "pytorch/torchtune, torchtune/models"
_CARD = "config.json on the model's page"

_ALL = (
    Model(name="SmolLM2 135M", shape=_smollm2(30, 576, (9, 3, 64), 1536), source="huggingface/smollm, config_smollm2_135M.yaml"),
    Model(name="SmolLM2 360M", shape=_smollm2(32, 960, (15, 5, 64), 2560), source="huggingface/smollm, config_smollm2_360M.yaml"),
    Model(name="SmolLM2 1.7B", shape=_smollm2(24, 2048, (32, 32, 64), 8192), source="huggingface/smollm, config_smollm2_1B.yaml"),
    Model(name="Llama 3.2 1B", shape=_llama(16, 2048, (32, 8, 64), 8192, tied=True), source=f"{_TORCHTUNE}/llama3_2"),
    Model(name="Llama 3.2 3B", shape=_llama(28, 3072, (24, 8, 128), 8192, tied=True), source=f"{_TORCHTUNE}/llama3_2"),
    Model(name="Llama 3 8B", shape=_llama(32, 4096, (32, 8, 128), 14_336, context=8192), source=f"{_TORCHTUNE}/llama3"),
    Model(name="Llama 3.1 8B", shape=_llama(32, 4096, (32, 8, 128), 14_336), source=f"{_TORCHTUNE}/llama3_1"),
    Model(name="Llama 3 70B", shape=_llama(80, 8192, (64, 8, 128), 28_672, context=8192), source=f"{_TORCHTUNE}/llama3"),
    Model(name="Llama 3.1 70B", shape=_llama(80, 8192, (64, 8, 128), 28_672), source=f"{_TORCHTUNE}/llama3_1"),
    Model(name="Llama 3.3 70B", shape=_llama(80, 8192, (64, 8, 128), 28_672), source=f"{_TORCHTUNE}/llama3_3"),
    Model(name="Llama 3.1 405B", shape=_llama(126, 16_384, (128, 8, 128), 53_248), source=f"{_TORCHTUNE}/llama3_1"),
    Model(name="Qwen2.5 0.5B", shape=_qwen25(24, 896, (14, 2, 64), 4864, vocab=151_936, tied=True), source=f"{_TORCHTUNE}/qwen2_5"),
    Model(name="Qwen2.5 1.5B", shape=_qwen25(28, 1536, (12, 2, 128), 8960, vocab=151_936, tied=True), source=f"{_TORCHTUNE}/qwen2_5"),
    Model(name="Qwen2.5 3B", shape=_qwen25(36, 2048, (16, 2, 128), 11_008, vocab=151_936, tied=True), source=f"{_TORCHTUNE}/qwen2_5"),
    Model(name="Qwen2.5 7B", shape=_qwen25(28, 3584, (28, 4, 128), 18_944), source=f"{_TORCHTUNE}/qwen2_5", aliases=("Qwen2.5 Coder 7B",)),
    Model(name="Qwen2.5 14B", shape=_qwen25(48, 5120, (40, 8, 128), 13_824), source=f"{_TORCHTUNE}/qwen2_5", aliases=("Qwen2.5 Coder 14B",)),
    Model(name="Qwen2.5 32B", shape=_qwen25(64, 5120, (40, 8, 128), 27_648), source=f"{_TORCHTUNE}/qwen2_5", aliases=("Qwen2.5 Coder 32B",)),
    Model(name="Qwen2.5 72B", shape=_qwen25(80, 8192, (64, 8, 128), 29_568), source=f"{_TORCHTUNE}/qwen2_5"),
    Model(name="Qwen3 0.6B", shape=_qwen3(28, 1024, (16, 8, 128), 3072, tied=True), source=f"{_TORCHTUNE}/qwen3"),
    Model(name="Qwen3 1.7B", shape=_qwen3(28, 2048, (16, 8, 128), 6144, tied=True), source=f"{_TORCHTUNE}/qwen3"),
    Model(name="Qwen3 4B", shape=_qwen3(36, 2560, (32, 8, 128), 9728, tied=True), source=f"{_TORCHTUNE}/qwen3"),
    Model(name="Qwen3 8B", shape=_qwen3(36, 4096, (32, 8, 128), 12_288), source=f"{_TORCHTUNE}/qwen3"),
    Model(name="Qwen3 14B", shape=_qwen3(40, 5120, (40, 8, 128), 17_408), source=f"{_TORCHTUNE}/qwen3"),
    Model(name="Qwen3 32B", shape=_qwen3(64, 5120, (64, 8, 128), 25_600), source=f"{_TORCHTUNE}/qwen3"),
    Model(name="Qwen3 30B A3B", shape=_qwen3_moe(48, 2048, (32, 4, 128), 768, 40_960), source=_CARD, aliases=("Qwen3 30B",)),
    Model(name="Qwen3 Coder 30B A3B", shape=_qwen3_moe(48, 2048, (32, 4, 128), 768, 262_144), source=_CARD, aliases=("Qwen3 Coder 30B",)),
    Model(name="Qwen3 235B A22B", shape=_qwen3_moe(94, 4096, (64, 4, 128), 1536, 40_960), source=_CARD, aliases=("Qwen3 235B",)),
    Model(name="Qwen3 Next 80B A3B", shape=_qwen3_next(), source=_CARD, aliases=("Qwen3 Next", "Qwen3 Next 80B")),
    Model(name="gpt-oss 20B", shape=_gpt_oss(24, 32), source="openai/gpt-oss, gpt_oss/torch/model.py", native="mxfp4"),
    Model(name="gpt-oss 120B", shape=_gpt_oss(36, 128), source="openai/gpt-oss, gpt_oss/torch/model.py", native="mxfp4"),
    Model(name="Gemma 3 270M", shape=_gemma(18, 640, (4, 1, 256), 2048, window=512, context=32_768), source=_CARD),
    Model(name="Gemma 3 1B", shape=_gemma(26, 1152, (4, 1, 256), 6912, window=512, context=32_768), source="google/gemma_pytorch, gemma/config.py"),
    Model(name="Gemma 3 4B", shape=_gemma(34, 2560, (8, 4, 256), 10_240, window=1024, context=131_072, sees=True), source="google/gemma_pytorch, gemma/config.py", purpose="text and pictures"),
    Model(name="Gemma 3 12B", shape=_gemma(48, 3840, (16, 8, 256), 15_360, window=1024, context=131_072, sees=True), source="google/gemma_pytorch, gemma/config.py", purpose="text and pictures"),
    Model(name="Gemma 3 27B", shape=_gemma(62, 5376, (32, 16, 128), 21_504, window=1024, context=131_072, sees=True), source="google/gemma_pytorch, gemma/config.py", purpose="text and pictures"),
    Model(name="Mistral 7B v0.3", shape=_dense("mistral", 32, 4096, (32, 8, 128), 14_336, 32_768, 32_768), source=_CARD, aliases=("Mistral 7B",)),
    Model(name="Phi 3.5 mini", shape=_dense("phi3", 32, 3072, (32, 32, 96), 8192, 32_064, 131_072), source=_CARD, aliases=("Phi 3.5",)),
    Model(name="Phi 4", shape=_dense("phi3", 40, 5120, (40, 10, 128), 17_920, 100_352, 16_384), source=_CARD, aliases=("Phi 4 14B",)),
    Model(name="DeepSeek V3", shape=_deepseek_v3(), source="DeepSeek-V3 technical report, arXiv 2412.19437, section 4.2", native="fp8", aliases=("DeepSeek R1", "DeepSeek V3 671B", "DeepSeek R1 671B")),
    Model(name="BGE-M3", shape=_encoder("xlm-roberta", 24, 1024, 16, 250_002, 8194, 8192, types=1), source="BAAI/bge-m3, config.json", purpose="embedding", native="fp32"),
    Model(name="BGE reranker v2 M3", shape=_encoder("xlm-roberta", 24, 1024, 16, 250_002, 8194, 8192, types=1), source="BAAI/bge-reranker-v2-m3, config.json", purpose="reranking", native="fp32"),
    Model(name="MiniLM L6 v2", shape=_encoder("bert", 6, 384, 12, 30_522, 512, 256, types=2), source="sentence-transformers/all-MiniLM-L6-v2, config.json", purpose="embedding", native="fp32", aliases=("all MiniLM L6 v2", "MiniLM L6", "MiniLM")),
    Model(name="BGE small en v1.5", shape=_encoder("bert", 12, 384, 12, 30_522, 512, 512, types=2), source="BAAI/bge-small-en-v1.5, config.json", purpose="embedding", native="fp32", aliases=("BGE small", "BGE small en")),
    Model(name="LLaVA 1.6 34B", shape=_dense("llama", 60, 7168, (56, 8, 128), 20_480, 64_000, 4096, vision=_LLAVA_TOWER), source="llava-hf/llava-v1.6-34b-hf, config.json", purpose="text and pictures", aliases=("LLaVA v1.6 34B", "LLaVA NeXT 34B", "LLaVA 34B")),
    Model(name="Whisper large v3", shape=_whisper(32), source="openai/whisper-large-v3, config.json", purpose="speech", native="fp16", aliases=("Whisper large", "Whisper v3")),
    Model(name="Whisper large v3 turbo", shape=_whisper(4), source="openai/whisper-large-v3-turbo, config.json", purpose="speech", native="fp16", aliases=("Whisper turbo",)),
)  # fmt: skip

MODELS: Mapping[str, Model] = {model.name: model for model in _ALL}
"""Published models by name. Shapes of vision and speech models include their towers."""

MISTAKES: Mapping[str, tuple[str, str]] = {
    "Llama 3.3 8B": ("Llama 3.1 8B", "3.3 was published as 70B only"),
    "Llama 3.3 405B": ("Llama 3.1 405B", "3.3 was published as 70B only"),
    "Llama 3.3 3B": ("Llama 3.2 3B", "3.3 was published as 70B only"),
    "Llama 3.3 1B": ("Llama 3.2 1B", "3.3 was published as 70B only"),
    "Llama 3.2 8B": ("Llama 3.1 8B", "3.2 is 1B, 3B, and 11B and 90B with vision"),
    "Llama 3.2 7B": ("Llama 3.1 8B", "3.2 is 1B, 3B, and 11B and 90B with vision"),
    "Llama 3.2 70B": ("Llama 3.3 70B", "3.2 is 1B, 3B, and 11B and 90B with vision"),
    "Llama 3.1 3B": ("Llama 3.2 3B", "3.1 is 8B, 70B and 405B"),
    "Llama 3.1 1B": ("Llama 3.2 1B", "3.1 is 8B, 70B and 405B"),
    "Llama 3.1 7B": ("Llama 3.1 8B", "the 7B was Llama 2"),
    "Llama 3.1 13B": ("Llama 3.1 8B", "the 13B was Llama 2"),
    "Llama 3 7B": ("Llama 3 8B", "the 7B was Llama 2"),
    "Llama 3 13B": ("Llama 3 8B", "the 13B was Llama 2"),
    "Llama 3 405B": ("Llama 3.1 405B", "3 is 8B and 70B"),
    "Qwen2.5 8B": ("Qwen2.5 7B", "8B is Qwen3"),
    "Qwen2.5 70B": ("Qwen2.5 72B", ""),
    "Qwen3 7B": ("Qwen3 8B", "7B was Qwen2.5"),
    "Qwen3 3B": ("Qwen3 4B", "3B was Qwen2.5"),
    "Qwen3 70B": ("Qwen3 32B", "it is the largest dense Qwen3"),
    "Qwen3 72B": ("Qwen3 32B", "it is the largest dense Qwen3; 72B was Qwen2.5"),
    "Gemma 3 2B": ("Gemma 3 1B", "2B was Gemma 2"),
    "Gemma 3 7B": ("Gemma 3 4B", "7B was the first Gemma"),
    "Gemma 3 9B": ("Gemma 3 12B", "9B was Gemma 2"),
    "Gemma 3 8B": ("Gemma 3 12B", "the sizes are 270M, 1B, 4B, 12B and 27B"),
    "gpt-oss 21B": ("gpt-oss 20B", "its 20.9 billion parameters are called 20B"),
    "gpt-oss 117B": ("gpt-oss 120B", "its 116.8 billion parameters are called 120B"),
    "gpt-oss 7B": ("gpt-oss 20B", "the sizes are 20B and 120B"),
    "DeepSeek V3 70B": ("DeepSeek V3", "it has 671B parameters"),
    "DeepSeek V3 685B": ("DeepSeek V3", "685B counts a prediction head that is not used to generate"),
    "DeepSeek R1 70B": ("Llama 3.3 70B", "that is R1 distilled into Llama 3.3 70B, with its shape"),
    "DeepSeek R1 8B": ("Llama 3.1 8B", "that is R1 distilled into Llama 3.1 8B, with its shape"),
    "DeepSeek R1 32B": ("Qwen2.5 32B", "that is R1 distilled into Qwen2.5 32B, with its shape"),
    "DeepSeek R1 14B": ("Qwen2.5 14B", "that is R1 distilled into Qwen2.5 14B, with its shape"),
    "SmolLM2 130M": ("SmolLM2 135M", ""),
    "SmolLM2 1B": ("SmolLM2 1.7B", ""),
    "LLaVA 1.5 34B": ("LLaVA 1.6 34B", "1.5 is 7B and 13B"),
    "BGE-M3 large": ("BGE-M3", "it has one size"),
    "Mistral 8B": ("Mistral 7B v0.3", "8B is Ministral, another architecture"),
    "Phi 4 mini 14B": ("Phi 4", "the mini is 3.8B"),
}  # fmt: skip
"""Names that people ask for and nobody published, with what is used instead and why."""

_FILLERS = frozenset(("instruct", "it", "chat", "hf", "gguf", "meta", "base", "model", "latest", "pt"))
_WORDS = re.compile(r"[a-z]+|[0-9]+(?:\.[0-9]+)*(?:[bm](?![a-z]))?")


def find_model(name: str) -> FoundModel:
    """The published model of that name, whatever its case, punctuation, owner and "Instruct".

    >>> find_model("meta-llama/Llama-3.1-8B-Instruct").model.name
    'Llama 3.1 8B'
    >>> print(find_model("llama3.3:8b").correction)
    there is no Llama 3.3 8B (3.3 was published as 70B only); using Llama 3.1 8B

    Raises NotFoundError with the nearest names.
    """
    key = _key(name)
    by_key, mistakes = _keys()
    if key in by_key:
        return FoundModel(by_key[key])
    if key in mistakes:
        wrong = mistakes[key]
        right, why = MISTAKES[wrong]
        reason = f" ({why})" if why else ""
        return FoundModel(MODELS[right], f"there is no {wrong}{reason}; using {right}")
    close = get_close_matches(key, by_key, n=3, cutoff=0.6)
    names = dict.fromkeys(by_key[each].name for each in close)
    hint = f"Nearest: {', '.join(names)}." if names else "Give the path of a model file or folder instead."
    raise NotFoundError(f"no published model is known as {name!r}.", hint=hint)


def _key(name: str) -> str:
    words = _WORDS.findall(name.lower().rpartition("/")[2])
    return " ".join(word for word in words if word not in _FILLERS)


@cache
def _keys() -> tuple[Mapping[str, Model], Mapping[str, str]]:
    by_key = {_key(name): model for model in _ALL for name in (model.name, *model.aliases)}
    return by_key, {_key(wrong): wrong for wrong in MISTAKES}
