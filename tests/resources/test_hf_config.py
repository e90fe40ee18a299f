"""config.json files as they were published, cut to the fields that matter, against the catalogue."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import UserError
from asbuilt.resources.hf_config import shape_of_config
from asbuilt.resources.models import MODELS
from asbuilt.resources.shape import FAMILIES

CONFIGS: dict[str, dict[str, Any]] = {
    "SmolLM2 135M": {
        "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49_152,
        "max_position_embeddings": 8192, "tie_word_embeddings": True, "attention_bias": False,
    },
    "Llama 3.1 8B": {
        "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128_256,
        "max_position_embeddings": 131_072, "tie_word_embeddings": False, "mlp_bias": False,
    },
    "Mistral 7B v0.3": {
        "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32_768,
        "max_position_embeddings": 32_768, "sliding_window": None,
    },
    "Qwen2.5 7B": {
        "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18_944, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152_064,
        "max_position_embeddings": 32_768, "tie_word_embeddings": False, "use_sliding_window": False,
    },
    "Qwen3 4B": {
        "model_type": "qwen3", "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36,
        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151_936,
        "max_position_embeddings": 40_960, "tie_word_embeddings": True,
    },
    "Qwen3 30B A3B": {
        "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 48,
        "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 151_936,
        "max_position_embeddings": 40_960, "num_experts": 128, "num_experts_per_tok": 8,
        "moe_intermediate_size": 768, "decoder_sparse_step": 1, "mlp_only_layers": [],
    },
    "Qwen3 Next 80B A3B": {
        "model_type": "qwen3_next", "hidden_size": 2048, "intermediate_size": 5120, "num_hidden_layers": 48,
        "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256, "vocab_size": 151_936,
        "max_position_embeddings": 262_144, "num_experts": 512, "num_experts_per_tok": 10,
        "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512, "full_attention_interval": 4,
        "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_num_key_heads": 16,
        "linear_num_value_heads": 32, "linear_value_head_dim": 128,
    },
    "gpt-oss 20B": {
        "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 24,
        "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 201_088,
        "max_position_embeddings": 131_072, "num_local_experts": 32, "num_experts_per_tok": 4,
        "sliding_window": 128, "layer_types": ["sliding_attention", "full_attention"] * 12,
    },
    "Gemma 3 1B": {
        "model_type": "gemma3_text", "hidden_size": 1152, "intermediate_size": 6912, "num_hidden_layers": 26,
        "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 262_144,
        "max_position_embeddings": 32_768, "sliding_window": 512, "sliding_window_pattern": 6,
    },
    "Gemma 3 4B": {
        "model_type": "gemma3", "mm_tokens_per_image": 256,
        "text_config": {
            "model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10_240,
            "num_hidden_layers": 34, "sliding_window": 1024,
        },
        "vision_config": {
            "model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304,
            "num_hidden_layers": 27, "image_size": 896, "patch_size": 14,
        },
    },
    "Phi 4": {
        "model_type": "phi3", "hidden_size": 5120, "intermediate_size": 17_920, "num_hidden_layers": 40,
        "num_attention_heads": 40, "num_key_value_heads": 10, "vocab_size": 100_352,
        "max_position_embeddings": 16_384, "sliding_window": None, "tie_word_embeddings": False,
    },
    "DeepSeek V3": {
        "model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18_432,
        "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128,
        "vocab_size": 129_280, "max_position_embeddings": 163_840, "n_routed_experts": 256,
        "num_experts_per_tok": 8, "n_shared_experts": 1, "moe_intermediate_size": 2048,
        "first_k_dense_replace": 3, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128, "v_head_dim": 128, "topk_method": "noaux_tc",
    },
    "Whisper large v3": {
        "model_type": "whisper", "d_model": 1280, "encoder_layers": 32, "decoder_layers": 32,
        "encoder_attention_heads": 20, "decoder_attention_heads": 20, "encoder_ffn_dim": 5120,
        "decoder_ffn_dim": 5120, "num_mel_bins": 128, "vocab_size": 51_866, "max_source_positions": 1500,
        "max_target_positions": 448,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_published_configs_give_the_shape_of_the_catalogue(name: str) -> None:
    assert shape_of_config(CONFIGS[name]) == MODELS[name].shape


@pytest.mark.parametrize(
    ("name", "max_context", "config"),
    [
        ("BGE-M3", 8194, {"model_type": "xlm-roberta", "hidden_size": 1024, "intermediate_size": 4096,
                          "num_hidden_layers": 24, "num_attention_heads": 16, "vocab_size": 250_002,
                          "max_position_embeddings": 8194, "type_vocab_size": 1}),
        ("MiniLM L6 v2", 512, {"model_type": "bert", "hidden_size": 384, "intermediate_size": 1536,
                               "num_hidden_layers": 6, "num_attention_heads": 12, "vocab_size": 30_522,
                               "max_position_embeddings": 512, "type_vocab_size": 2}),
    ],
)  # fmt: skip
def test_encoders(name: str, max_context: int, config: dict[str, Any]) -> None:
    shape = shape_of_config(config)
    assert (shape.params, shape.max_context) == (MODELS[name].params, max_context)


@pytest.mark.parametrize(
    ("config", "params", "active"),
    [
        ({"model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
          "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32_000,
          "max_position_embeddings": 32_768, "num_local_experts": 8, "num_experts_per_tok": 2},
         46_702_792_704, 12.75e9),
        ({"model_type": "gemma2", "hidden_size": 3584, "intermediate_size": 14_336, "num_hidden_layers": 42,
          "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256, "vocab_size": 256_000,
          "max_position_embeddings": 8192, "sliding_window": 4096}, 9_241_705_984, 9.24e9),
        ({"model_type": "deepseek_v2", "hidden_size": 2048, "intermediate_size": 10_944,
          "num_hidden_layers": 27, "num_attention_heads": 16, "vocab_size": 102_400,
          "max_position_embeddings": 163_840, "n_routed_experts": 64, "num_experts_per_tok": 6,
          "n_shared_experts": 2, "moe_intermediate_size": 1408, "first_k_dense_replace": 1,
          "q_lora_rank": None, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128,
          "v_head_dim": 128, "topk_method": "greedy"}, 15_706_484_224, 2.45e9),
    ],
)  # fmt: skip
def test_families_outside_the_catalogue(config: dict[str, Any], params: int, active: float) -> None:
    """Mixtral 8x7B, Gemma 2 9B and DeepSeek-V2-Lite: safetensors metadata on their pages."""
    shape = shape_of_config(config)
    assert shape.params == params
    assert shape.active_params == pytest.approx(active, rel=0.01)


@pytest.mark.parametrize("kind", ["mamba", "qwen3_5_moe", "", "Llama"])
def test_an_unknown_architecture_is_refused_and_the_known_are_named(kind: str) -> None:
    with pytest.raises(UserError) as raised:
        shape_of_config({**CONFIGS["Llama 3.1 8B"], "model_type": kind})
    assert repr(kind) in raised.value.message
    assert all(family in raised.value.hint for family in FAMILIES)


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in CONFIGS for field in CONFIGS[name]])
def test_a_missing_field_is_named_or_has_a_default(name: str, field: str) -> None:
    cut = {key: value for key, value in CONFIGS[name].items() if key != field}
    try:
        shape = shape_of_config(cut)
    except UserError as error:
        message = error.message
    else:
        assert shape.layers
        return
    assert field in message or field == "model_type"


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_attention_heads", 0), ("hidden_size", "4096"), ("vocab_size", -1), ("vocab_size", True),
     ("num_hidden_layers", 1.5), ("mlp_bias", True)],
)  # fmt: skip
def test_values_that_cannot_be(field: str, value: object) -> None:
    with pytest.raises(UserError, match=field):
        shape_of_config({**CONFIGS["Llama 3.1 8B"], field: value})


def test_a_mixture_of_layers_that_is_not_known_is_refused() -> None:
    with pytest.raises(UserError, match="with and without experts"):
        shape_of_config({**CONFIGS["Qwen3 30B A3B"], "mlp_only_layers": [0]})


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-10, 10**6), st.text(max_size=5), st.lists(st.integers())
)


@given(
    name=st.sampled_from(sorted(CONFIGS)),
    changes=st.dictionaries(
        st.sampled_from(sorted({field for config in CONFIGS.values() for field in config} - {"model_type"})),
        VALUES,
        max_size=3,
    ),
)
def test_any_config_is_read_or_refused(name: str, changes: dict[str, Any]) -> None:
    try:
        shape = shape_of_config({**CONFIGS[name], **changes})
    except UserError:
        return
    assert shape.params > 0
