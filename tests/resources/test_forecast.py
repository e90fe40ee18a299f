"""The forecast against published speeds. A figure outside its band is named, with the reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import UserError
from asbuilt.resources.forecast import decode_rate, first_token_s, prefill_rate, read_bytes
from asbuilt.resources.machines import MACHINES, custom_machine
from asbuilt.resources.models import MODELS
from asbuilt.resources.shape import ModelShape
from asbuilt.resources.weights import weights_of

LLAMA_CPP = "llama.cpp, benches/dgx-spark.md"

DECODE = [
    # machine, model, precision, tokens before, tokens a second, source
    ("dgx-spark", "gpt-oss 20B", "mxfp4", 0, 84.10, LLAMA_CPP),
    ("dgx-spark", "gpt-oss 20B", "mxfp4", 4096, 77.36, LLAMA_CPP),
    ("dgx-spark", "gpt-oss 20B", "mxfp4", 32_768, 59.85, LLAMA_CPP),
    ("dgx-spark", "gpt-oss 120B", "mxfp4", 0, 59.02, LLAMA_CPP),
    ("dgx-spark", "gpt-oss 120B", "mxfp4", 8192, 51.85, LLAMA_CPP),
    ("dgx-spark", "gpt-oss 120B", "mxfp4", 32_768, 41.35, LLAMA_CPP),
    ("dgx-spark", "gpt-oss 120B", "mxfp4", 0, 57.85, "llama.cpp f5acfb2ff, AGENTS.md of a public repository"),
    ("dgx-spark", "gpt-oss 120B", "mxfp4", 0, 52.37, "SGLang on the same machine"),
    ("dgx-spark", "gpt-oss 120B", "mxfp4", 0, 58.82, "vLLM, spark-arena/recipe-registry, issue 17"),
    ("dgx-spark", "gpt-oss 120B", "mxfp4", 0, 57.5, "vLLM, kubis.ai, topology benchmark"),
    ("dgx-spark", "Qwen3 Coder 30B A3B", "q8_0", 0, 60.92, LLAMA_CPP),
    ("dgx-spark", "Qwen3 Coder 30B A3B", "q8_0", 8192, 48.58, LLAMA_CPP),
    ("dgx-spark", "Qwen3 Coder 30B A3B", "q8_0", 32_768, 30.80, LLAMA_CPP),
    ("dgx-spark", "Qwen2.5 7B", "q8_0", 0, 29.30, LLAMA_CPP),
    ("dgx-spark", "Qwen2.5 7B", "q8_0", 8192, 27.42, LLAMA_CPP),
    ("dgx-spark", "Qwen2.5 7B", "q8_0", 32_768, 22.70, LLAMA_CPP),
    ("dgx-spark", "Llama 3.1 8B", "nvfp4", 0, 38.65, "TensorRT-LLM, NVIDIA's table, second-hand"),
    ("dgx-spark", "Llama 3.3 70B", "fp8", 0, 2.7, "SGLang, LMSYS's table, second-hand"),
    (
        "dgx-spark",
        "Gemma 3 27B",
        "q4_k_m",
        0,
        11,
        "nabe2030/dense-27b-31b-dgx-spark: dense 27 to 31B, 10 to 12",
    ),
    ("dgx-spark", "Gemma 3 27B", "bf16", 0, 4.1, "nabe2030/dense-27b-31b-dgx-spark: 3.8 to 4.5"),
]

EXCEPTIONS = [
    (
        "dgx-spark",
        "gpt-oss 120B",
        "mxfp4",
        33.55,
        "below",
        "vLLM of early 2026, before its MXFP4 kernels for GB10",
    ),
    ("dgx-spark", "gpt-oss 120B", "mxfp4", 26.0, "below", "vLLM 0.19 with --enforce-eager: no CUDA graphs"),
    ("dgx-spark", "Llama 3.1 8B", "fp8", 20.5, "below", "SGLang's first FP8 kernels for GB10"),
    ("dgx-spark", "Llama 3.3 70B", "nvfp4", 4.1, "below", "NVFP4 kernels of vLLM 26.02 and 26.06 for GB10"),
    (
        "dgx-spark",
        "Qwen3 32B",
        "bf16",
        3.7,
        "above",
        "16-bit matrices alone: no unpacking, 87 % of the bandwidth",
    ),
]
"""Published figures outside the band."""

PREFILL = [
    ("dgx-spark", "gpt-oss 20B", 2048, 3782.76, LLAMA_CPP),
    ("dgx-spark", "gpt-oss 120B", 2048, 1937.54, LLAMA_CPP),
    ("dgx-spark", "gpt-oss 120B", 2048, 2449.83, "llama.cpp f5acfb2ff"),
    ("dgx-spark", "gpt-oss 120B", 2048, 4663.70, "vLLM of early 2026"),
    ("dgx-spark", "Qwen3 Coder 30B A3B", 2048, 3175.62, LLAMA_CPP),
    ("dgx-spark", "Qwen2.5 7B", 512, 2379.83, LLAMA_CPP),
    ("dgx-spark", "Qwen2.5 7B", 8192, 2186.60, LLAMA_CPP),
    ("dgx-spark", "Gemma 3 4B", 2048, 5713.05, LLAMA_CPP),
    ("rtx-4090", "Llama 3.1 8B", 512, 10_358.75, "llama.cpp, pull request 7676"),
    ("rtx-3090", "Llama 3.1 8B", 512, 3491.20, "llama.cpp, pull request 7860"),
]


@pytest.mark.parametrize(("machine", "name", "precision", "depth", "published", "source"), DECODE)
def test_decode_is_inside_its_band(
    machine: str, name: str, precision: str, depth: int, published: float, source: str
) -> None:
    shape = MODELS[name].shape
    band = decode_rate(shape, weights_of(shape, precision), MACHINES[machine], depth=depth)
    assert band.low <= published <= band.high, source


@pytest.mark.parametrize(("machine", "name", "precision", "published", "side", "reason"), EXCEPTIONS)
def test_exceptions_are_still_exceptions(
    machine: str, name: str, precision: str, published: float, side: str, reason: str
) -> None:
    shape = MODELS[name].shape
    band = decode_rate(shape, weights_of(shape, precision), MACHINES[machine])
    assert published < band.low if side == "below" else published > band.high, reason


@pytest.mark.parametrize(("machine", "name", "prompt", "published", "source"), PREFILL)
def test_prefill_is_inside_its_band(
    machine: str, name: str, prompt: int, published: float, source: str
) -> None:
    band = prefill_rate(MODELS[name].shape, MACHINES[machine], prompt=prompt)
    assert band is not None
    assert band.low <= published <= band.high, source


def test_time_to_first_token() -> None:
    # vLLM of early 2026: 614.7 ms end to end for 2,048 tokens.
    shape = MODELS["gpt-oss 120B"].shape
    band = first_token_s(shape, weights_of(shape, "mxfp4"), MACHINES["dgx-spark"], prompt=2048)
    assert band is not None
    assert band.low <= 0.6147 <= band.high


def test_the_starter_model_on_two_cores() -> None:
    # docs/log.md: 59 to 71 tokens a second on a machine that copies 20 GB/s and multiplies at 57 GFLOPS.
    shape = MODELS["SmolLM2 135M"].shape
    machine = custom_machine(memory_gib=24, bandwidth_gbs=20.1, compute_tflops=0.057)
    band = decode_rate(shape, weights_of(shape, "q8_0"), machine)
    assert 59 <= band.expected <= 71


def test_bytes_of_a_token_leave_out_what_is_not_read() -> None:
    dense, tied = MODELS["Llama 3.1 8B"].shape, MODELS["SmolLM2 135M"].shape
    assert read_bytes(dense, weights_of(dense, "bf16")) == 2 * (dense.params - 128_256 * 4096)
    assert read_bytes(tied, weights_of(tied, "bf16")) == 2 * tied.params
    sparse = MODELS["gpt-oss 20B"].shape
    weights = weights_of(sparse, "mxfp4")
    others = sum(size for group, size in weights.by_group.items() if group not in ("experts", "embedding"))
    assert read_bytes(sparse, weights) == others + round(weights.by_group["experts"] * 4 / 32)
    sees = MODELS["LLaVA 1.6 34B"].shape
    assert read_bytes(sees, weights_of(sees, "bf16")) < 2 * (sees.params - sees.params_by_group["vision"])


def test_what_cannot_be_forecast() -> None:
    encoder, decoder = MODELS["BGE-M3"].shape, MODELS["SmolLM2 135M"].shape
    with pytest.raises(UserError, match="writes no tokens"):
        decode_rate(encoder, weights_of(encoder, "fp32"), MACHINES["l4"])
    unknown = custom_machine(memory_gib=64)
    with pytest.raises(UserError, match="bandwidth of custom is not known"):
        decode_rate(decoder, weights_of(decoder, "q8_0"), unknown)
    assert prefill_rate(decoder, unknown) is None
    assert first_token_s(decoder, weights_of(decoder, "q8_0"), custom_machine(memory_gib=64, bandwidth_gbs=9),
                         prompt=9) is None  # fmt: skip


DECODERS = st.sampled_from([m.shape for m in MODELS.values() if not m.shape.encoder_only])


@given(shape=DECODERS, machine=st.sampled_from(sorted(MACHINES)), depth=st.integers(0, 100_000))
def test_bands_are_ordered_and_depth_slows(shape: ModelShape, machine: str, depth: int) -> None:
    weights = weights_of(shape, "q8_0")
    here = decode_rate(shape, weights, MACHINES[machine], depth=depth)
    deeper = decode_rate(shape, weights, MACHINES[machine], depth=depth + 1)
    assert 0 < here.low < here.expected < here.high
    assert deeper.expected <= here.expected
