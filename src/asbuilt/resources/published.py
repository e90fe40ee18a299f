"""The table of published models: their true shapes, each with its source.

Shapes of models that see or hear include their towers. Every parameter count is tested against the
published one (tests/resources/test_published.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from asbuilt.resources.shape import (
    Attention,
    Experts,
    Family,
    LatentAttention,
    ModelShape,
    Recurrent,
)
from asbuilt.resources.towers import AudioEncoder, VisionTower

__all__ = ["PUBLISHED", "Model", "Purpose"]

Purpose = Literal["text", "embedding", "reranking", "speech", "text and pictures"]

Heads = tuple[int, int, int]
"""Query heads, key-value heads, and the width of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A published model. `native` is the precision it came in; `source` says where its shape stands."""

    name: str
    shape: ModelShape
    source: str
    purpose: Purpose = "text"
    native: str = "bf16"

    @property
    def params(self) -> int:
        return self.shape.params


def _listed(
    source: str, shapes: Mapping[str, ModelShape], *, purpose: Purpose = "text", native: str = "bf16"
) -> Iterator[Model]:
    for name, shape in shapes.items():
        yield Model(name=name, shape=shape, source=source, purpose=purpose, native=native)


def _dense(
    family: Family, layers: int, hidden: int, heads: Heads, feed_forward: int, vocab: int, context: int,
    *, tied: bool = False, biases: str = "", qk_norm: bool = False, norms: int = 2,
    window: int = 0, local_layers: int = 0, vision: VisionTower | None = None,
) -> ModelShape:  # fmt: skip
    return ModelShape(
        family=family, layers=layers, hidden=hidden, vocab=vocab, feed_forward=feed_forward,
        attention=Attention(
            heads=heads[0], kv_heads=heads[1], head_dim=heads[2], biases=biases, qk_norm=qk_norm
        ),
        max_context=context,
        tied=tied, norms=norms, window=window, local_layers=local_layers, vision=vision,
    )  # fmt: skip


def _llama(
    layers: int,
    hidden: int,
    heads: Heads,
    ff: int,
    *,
    context: int = 131_072,
    tied: bool = False,
) -> ModelShape:
    return _dense("llama", layers, hidden, heads, ff, 128_256, context, tied=tied)


def _smollm2(layers: int, hidden: int, heads: Heads, ff: int) -> ModelShape:
    return _dense("llama", layers, hidden, heads, ff, 49_152, 8192, tied=True)


def _qwen25(
    layers: int,
    hidden: int,
    heads: Heads,
    ff: int,
    *,
    vocab: int = 152_064,
    tied: bool = False,
) -> ModelShape:
    return _dense("qwen2", layers, hidden, heads, ff, vocab, 32_768, tied=tied, biases="qkv")


def _qwen3(layers: int, hidden: int, heads: Heads, ff: int, *, tied: bool = False) -> ModelShape:
    return _dense("qwen3", layers, hidden, heads, ff, 151_936, 40_960, tied=tied, qk_norm=True)


def _qwen3_moe(layers: int, hidden: int, heads: Heads, ff: int, context: int) -> ModelShape:
    return ModelShape(
        family="qwen3moe", layers=layers, hidden=hidden, vocab=151_936, feed_forward=0, max_context=context,
        attention=Attention(heads=heads[0], kv_heads=heads[1], head_dim=heads[2], qk_norm=True),
        experts=Experts(total=128, active=8, width=ff),
    )  # fmt: skip


def _gemma(
    layers: int,
    hidden: int,
    heads: Heads,
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
        family=family, layers=layers, hidden=hidden, vocab=vocab, feed_forward=4 * hidden,
        max_context=context,
        attention=Attention(heads=heads, kv_heads=heads, head_dim=hidden // heads, biases="qkvo"),
        gated=False, linear_biases=True, positions=positions, token_types=types, pooler=True,
    )  # fmt: skip


def _whisper(decoder_layers: int) -> ModelShape:
    return ModelShape(
        family="whisper", layers=decoder_layers, hidden=1280, vocab=51_866, feed_forward=5120,
        max_context=448,
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
_GEMMA = "google/gemma_pytorch, gemma/config.py, and the model's config.json"
_SEES: Purpose = "text and pictures"

PUBLISHED: tuple[Model, ...] = (
    *_listed("huggingface/smollm, text/pretraining/smollm2", {
        "SmolLM2 135M": _smollm2(30, 576, (9, 3, 64), 1536),
        "SmolLM2 360M": _smollm2(32, 960, (15, 5, 64), 2560),
        "SmolLM2 1.7B": _smollm2(24, 2048, (32, 32, 64), 8192),
    }),
    *_listed(f"{_TORCHTUNE}/llama3, llama3_1, llama3_2, llama3_3", {
        "Llama 3.2 1B": _llama(16, 2048, (32, 8, 64), 8192, tied=True),
        "Llama 3.2 3B": _llama(28, 3072, (24, 8, 128), 8192, tied=True),
        "Llama 3 8B": _llama(32, 4096, (32, 8, 128), 14_336, context=8192),
        "Llama 3.1 8B": _llama(32, 4096, (32, 8, 128), 14_336),
        "Llama 3 70B": _llama(80, 8192, (64, 8, 128), 28_672, context=8192),
        "Llama 3.1 70B": _llama(80, 8192, (64, 8, 128), 28_672),
        "Llama 3.3 70B": _llama(80, 8192, (64, 8, 128), 28_672),
        "Llama 3.1 405B": _llama(126, 16_384, (128, 8, 128), 53_248),
    }),
    *_listed(f"{_TORCHTUNE}/qwen2_5", {
        "Qwen2.5 0.5B": _qwen25(24, 896, (14, 2, 64), 4864, vocab=151_936, tied=True),
        "Qwen2.5 1.5B": _qwen25(28, 1536, (12, 2, 128), 8960, vocab=151_936, tied=True),
        "Qwen2.5 3B": _qwen25(36, 2048, (16, 2, 128), 11_008, vocab=151_936, tied=True),
        "Qwen2.5 7B": _qwen25(28, 3584, (28, 4, 128), 18_944),
        "Qwen2.5 14B": _qwen25(48, 5120, (40, 8, 128), 13_824),
        "Qwen2.5 32B": _qwen25(64, 5120, (40, 8, 128), 27_648),
        "Qwen2.5 72B": _qwen25(80, 8192, (64, 8, 128), 29_568),
    }),
    *_listed(f"{_TORCHTUNE}/qwen3", {
        "Qwen3 0.6B": _qwen3(28, 1024, (16, 8, 128), 3072, tied=True),
        "Qwen3 1.7B": _qwen3(28, 2048, (16, 8, 128), 6144, tied=True),
        "Qwen3 4B": _qwen3(36, 2560, (32, 8, 128), 9728, tied=True),
        "Qwen3 8B": _qwen3(36, 4096, (32, 8, 128), 12_288),
        "Qwen3 14B": _qwen3(40, 5120, (40, 8, 128), 17_408),
        "Qwen3 32B": _qwen3(64, 5120, (64, 8, 128), 25_600),
    }),
    *_listed("Qwen on Hugging Face, config.json of each", {
        "Qwen3 30B A3B": _qwen3_moe(48, 2048, (32, 4, 128), 768, 40_960),
        "Qwen3 Coder 30B A3B": _qwen3_moe(48, 2048, (32, 4, 128), 768, 262_144),
        "Qwen3 235B A22B": _qwen3_moe(94, 4096, (64, 4, 128), 1536, 40_960),
        "Qwen3 Next 80B A3B": _qwen3_next(),
    }),
    *_listed("openai/gpt-oss, gpt_oss/torch/model.py", {
        "gpt-oss 20B": _gpt_oss(24, 32),
        "gpt-oss 120B": _gpt_oss(36, 128),
    }, native="mxfp4"),
    *_listed(_GEMMA, {
        "Gemma 3 270M": _gemma(18, 640, (4, 1, 256), 2048, window=512, context=32_768),
        "Gemma 3 1B": _gemma(26, 1152, (4, 1, 256), 6912, window=512, context=32_768),
    }),
    *_listed(_GEMMA, {
        "Gemma 3 4B": _gemma(34, 2560, (8, 4, 256), 10_240, window=1024, context=131_072, sees=True),
        "Gemma 3 12B": _gemma(48, 3840, (16, 8, 256), 15_360, window=1024, context=131_072, sees=True),
        "Gemma 3 27B": _gemma(62, 5376, (32, 16, 128), 21_504, window=1024, context=131_072, sees=True),
    }, purpose=_SEES),
    *_listed("Mistral AI on Hugging Face, config.json", {
        "Mistral 7B v0.3": _dense("mistral", 32, 4096, (32, 8, 128), 14_336, 32_768, 32_768),
    }),
    *_listed("Microsoft on Hugging Face, config.json of each", {
        "Phi 3.5 mini": _dense("phi3", 32, 3072, (32, 32, 96), 8192, 32_064, 131_072),
        "Phi 4": _dense("phi3", 40, 5120, (40, 10, 128), 17_920, 100_352, 16_384),
    }),
    *_listed("DeepSeek-V3 technical report, arXiv 2412.19437, section 4.2", {
        "DeepSeek V3": _deepseek_v3(),
    }, native="fp8"),
    *_listed("BAAI on Hugging Face, config.json of each", {
        "BGE-M3": _encoder("xlm-roberta", 24, 1024, 16, 250_002, 8194, 8192, types=1),
        "BGE small en v1.5": _encoder("bert", 12, 384, 12, 30_522, 512, 512, types=2),
    }, purpose="embedding", native="fp32"),
    *_listed("BAAI on Hugging Face, config.json", {
        "BGE reranker v2 M3": _encoder("xlm-roberta", 24, 1024, 16, 250_002, 8194, 8192, types=1),
    }, purpose="reranking", native="fp32"),
    *_listed("sentence-transformers/all-MiniLM-L6-v2, config.json", {
        "MiniLM L6 v2": _encoder("bert", 6, 384, 12, 30_522, 512, 256, types=2),
    }, purpose="embedding", native="fp32"),
    *_listed("llava-hf/llava-v1.6-34b-hf, config.json", {
        "LLaVA 1.6 34B": _dense(
            "llama", 60, 7168, (56, 8, 128), 20_480, 64_000, 4096, vision=_LLAVA_TOWER
        ),
    }, purpose=_SEES),
    *_listed("openai/whisper, model-card.md, and config.json of each", {
        "Whisper large v3": _whisper(32),
        "Whisper large v3 turbo": _whisper(4),
    }, purpose="speech", native="fp16"),
)  # fmt: skip
