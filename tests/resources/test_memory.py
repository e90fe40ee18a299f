from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import NotFoundError, UserError
from asbuilt.resources.memory import (
    compute_bytes,
    kv_bytes_per_token,
    kv_cache_bytes,
    kv_read_bytes,
    vector_index_bytes,
)
from asbuilt.resources.models import MODELS
from asbuilt.resources.precision import CACHE_TYPES
from asbuilt.resources.shape import Attention, Experts, LatentAttention, ModelShape, Recurrent

GIB, MIB = 2**30, 2**20


def small(
    *, heads: int = 8, kv_heads: int = 2, head_dim: int = 64, feed_forward: int = 1024, layers: int = 4,
    window: int = 0, local_layers: int = 0, experts: Experts | None = None,
) -> ModelShape:  # fmt: skip
    """The shape of a model file that was made to ask llama.cpp for its buffers."""
    return ModelShape(
        family="llama", layers=layers, hidden=512, vocab=2048, feed_forward=0 if experts else feed_forward,
        attention=Attention(heads=heads, kv_heads=kv_heads, head_dim=head_dim),
        max_context=131_072, tied=True, window=window, local_layers=local_layers, experts=experts,
    )  # fmt: skip


SMOLLM2 = MODELS["SmolLM2 135M"].shape
GEMMA = small(heads=4, head_dim=128, layers=8, window=256, local_layers=7)
GPT_OSS = small(window=128, local_layers=2, experts=Experts(total=16, active=4, width=512))
QWEN3_MOE = small(experts=Experts(total=16, active=4, width=256))

DEEPSEEK = ModelShape(
    family="deepseek2", layers=4, hidden=512, vocab=2048, feed_forward=1024, max_context=131_072,
    attention=LatentAttention(heads=8, q_rank=256, kv_rank=128, rope_dim=32, nope_dim=64, value_dim=64),
    experts=Experts(total=8, active=2, width=128, shared_width=128, dense_layers=1, router_bias=True),
)  # fmt: skip
QWEN3_NEXT = ModelShape(
    family="qwen3next", layers=8, hidden=512, vocab=2048, feed_forward=0, max_context=131_072,
    attention=Attention(heads=4, kv_heads=1, head_dim=128, qk_norm=True, output_gate=True),
    recurrent=Recurrent(layers=6, conv_kernel=4, inner=512, state=64, groups=4, heads=8),
    experts=Experts(total=8, active=2, width=128, shared_width=128, shared_gate=True),
)  # fmt: skip

REPORTED = [
    # shape, context of a slot, slots, micro batch, flash attention, MiB of cache and of compute buffer
    (SMOLLM2, 2048, 1, 256, True, 45, 8.3213),
    (SMOLLM2, 8192, 1, 256, True, 180, 11.3213),
    (SMOLLM2, 8192, 1, 512, True, 180, 22.6426),
    (SMOLLM2, 2048, 4, 256, True, 180, 8.3213),
    (SMOLLM2, 4096, 2, 128, True, 180, 4.6607),
    (SMOLLM2, 8192, 4, 512, True, 720, 22.6426),
    (SMOLLM2, 2048, 1, 512, False, 45, 47.5137),
    (SMOLLM2, 8192, 1, 256, False, 180, 83.7569),
    (GEMMA, 4096, 1, 256, True, 4.0 + 3.5, 7.7637),
    (GEMMA, 4096, 2, 128, True, 8.0 + 7.0, 3.8819),
    (GPT_OSS, 4096, 1, 256, True, 4.0 + 0.5, 10.7600),
    (QWEN3_MOE, 2048, 1, 256, True, 4.0, 6.5088),
    (QWEN3_MOE, 2048, 1, 128, True, 4.0, 3.2544),
    (DEEPSEEK, 4096, 1, 256, True, 5.0, 7.5069),
    (DEEPSEEK, 2048, 2, 256, True, 5.0, 6.5069),
    (QWEN3_NEXT, 4096, 1, 256, True, 4.0 + 0.8203125, 7.13),
    (QWEN3_NEXT, 2048, 2, 256, True, 4.0 + 2 * 0.8203125, 6.26),
    (small(heads=16), 2048, 1, 256, True, 4.0, 6.5088),
    (small(feed_forward=2048), 2048, 1, 256, True, 4.0, 9.5088),
]
"""What llama.cpp of 2026-10 reports when it loads the starter model, and model files of a few layers."""


@pytest.mark.parametrize(("shape", "context", "slots", "batch", "flash", "cache", "compute"), REPORTED)
def test_buffers_are_those_that_llama_cpp_reports(
    shape: ModelShape, context: int, slots: int, batch: int, flash: bool, cache: float, compute: float
) -> None:
    assert kv_cache_bytes(shape, context=context, slots=slots, micro_batch=batch) == cache * MIB
    predicted = compute_bytes(shape, context=context, slots=slots, micro_batch=batch, flash_attention=flash)
    output = 4 * slots * shape.vocab
    assert (predicted - output) / MIB == pytest.approx(compute, rel=0.025)


def test_engines_that_keep_logits_of_a_whole_batch() -> None:
    # ggml-org/llama.cpp, pull request 22171: gemma-3-4b on one device, 517 MiB without its masks.
    shape = MODELS["Gemma 3 4B"].shape
    with_masks = compute_bytes(shape, context=32_768, logit_rows=512)
    masks = 2 * 512 * (32_768 + 1536)
    assert (with_masks - masks) / MIB == pytest.approx(517, rel=0.005)


@pytest.mark.parametrize(
    ("name", "context", "gib"),
    [
        ("DeepSeek V3", 163_840, 10.72),  # unslothai/unsloth, pull request 4757
        ("Llama 3.1 8B", 131_072, 16.0),
        ("Gemma 3 27B", 131_072, 10.6),  # 62 when taken for full attention
        ("gpt-oss 120B", 131_072, 4.52),
    ],
)
def test_caches_of_published_models(name: str, context: int, gib: float) -> None:
    assert kv_cache_bytes(MODELS[name].shape, context=context) / GIB == pytest.approx(gib, rel=0.005)


def test_a_full_window_and_a_unified_cache() -> None:
    gemma = MODELS["Gemma 3 27B"].shape
    assert kv_cache_bytes(gemma, context=131_072, full_window=True) == 62 * GIB
    four = kv_cache_bytes(gemma, context=8192, slots=4)
    shared = kv_cache_bytes(gemma, context=8192, slots=4, unified=True)
    # Local layers: four buffers of 1024 + 512 cells against one of 4 x 1024 + 512.
    assert four - shared == gemma.local_layers * (4 * 1536 - 4608) * 2 * 2 * 2048


def test_a_recurrent_state_does_not_grow() -> None:
    shape = MODELS["Qwen3 Next 80B A3B"].shape
    short, long = (kv_cache_bytes(shape, context=context) for context in (4096, 8192))
    assert long - short == 4096 * 24_576
    # 36 layers x (3 x 8192 + 128 x 4096) float32 a slot.
    assert short - 4096 * 24_576 == 36 * 4 * (3 * 8192 + 128 * 4096)


def test_whisper_keeps_the_sound() -> None:
    shape = MODELS["Whisper large v3"].shape
    assert kv_cache_bytes(shape, context=448) - 512 * 163_840 == 1500 * 163_840  # 234 MiB


def test_encoders_keep_nothing() -> None:
    assert kv_cache_bytes(MODELS["BGE-M3"].shape, context=8192, slots=4) == 0


@pytest.mark.parametrize(("cache_type", "factor"), [("q8_0", 0.53125), ("q4_0", 0.28125), ("f32", 2)])
def test_quantised_caches(cache_type: str, factor: float) -> None:
    whole = kv_cache_bytes(SMOLLM2, context=4096)
    assert kv_cache_bytes(SMOLLM2, context=4096, cache_type_k=cache_type, cache_type_v=cache_type) == round(
        whole * factor
    )


def test_an_unknown_cache_type_is_refused() -> None:
    with pytest.raises(NotFoundError, match=r"'q8'.*'q8_0'"):
        kv_bytes_per_token(SMOLLM2, cache_type_k="q8")


@pytest.mark.parametrize(("context", "slots"), [(0, 1), (1, 0), (1, -1)])
def test_counts_below_one_are_refused(context: int, slots: int) -> None:
    with pytest.raises(UserError, match="above 0"):
        kv_cache_bytes(SMOLLM2, context=context, slots=slots)
    with pytest.raises(UserError, match="above 0"):
        compute_bytes(SMOLLM2, context=context, slots=slots)


def test_vector_indexes() -> None:
    assert vector_index_bytes(1_000_000, 384, graph=False) == 1_536_000_000
    # Qdrant, capacity planning: a million vectors of 1024 take about 6 GB.
    assert vector_index_bytes(1_000_000, 1024) == 6_144_000_000
    assert vector_index_bytes(1000, 1024, quantised=True, payload_bytes=100) == 1_636_000


SHAPES = st.sampled_from([model.shape for model in MODELS.values()])
TYPES = st.sampled_from(sorted(CACHE_TYPES))


@given(shape=SHAPES, context=st.integers(1, 200_000), slots=st.integers(1, 16), kind=TYPES)
def test_a_cache_grows_with_context_and_slots(shape: ModelShape, context: int, slots: int, kind: str) -> None:
    cache = partial(kv_cache_bytes, shape, cache_type_k=kind, cache_type_v=kind)
    size = cache(context=context, slots=slots)
    assert size <= cache(context=context + 256, slots=slots)
    assert cache(context=context, slots=slots + 1) == pytest.approx(size * (slots + 1) / slots, abs=2)
    assert size <= cache(context=context, slots=slots, full_window=True)


@given(shape=SHAPES, depth=st.integers(0, 100_000))
def test_what_is_read_was_kept(shape: ModelShape, depth: int) -> None:
    assert kv_read_bytes(shape, depth=depth) <= kv_cache_bytes(shape, context=max(depth, 1))


@given(shape=SHAPES, context=st.integers(256, 100_000), batch=st.integers(1, 2048))
def test_compute_grows_with_the_micro_batch(shape: ModelShape, context: int, batch: int) -> None:
    assert compute_bytes(shape, context=context, micro_batch=batch) <= compute_bytes(
        shape, context=context, micro_batch=batch + 1
    )
