"""The shape of a model, from the config.json of its Hugging Face checkpoint.

Fields and their defaults: huggingface/transformers, src/transformers/models/*/configuration_*.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from asbuilt.errors import UserError
from asbuilt.resources.shape import (
    Attention,
    Experts,
    Family,
    LatentAttention,
    ModelShape,
    Recurrent,
    refuse_family,
)
from asbuilt.resources.towers import AudioEncoder, VisionTower

__all__ = ["shape_of_config"]


class _Config:
    """Reads numbers of a config.json: above 0, or from 0 where 0 is the default.

    Raises UserError for any other.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def number(self, name: str, default: int | None = None) -> int:
        value = self.values.get(name)
        value = default if value is None else value
        least = 0 if default == 0 else 1
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UserError(
                f"config.json has {name} = {value!r}, where a number from {least} is needed.",
                hint="Take the config.json of the model's own page.",
            )
        return value

    def flag(self, name: str, default: bool) -> bool:
        return bool(self.values.get(name, default))

    def inner(self, name: str) -> _Config:
        value = self.values.get(name)
        if not isinstance(value, Mapping):
            raise UserError(
                f"config.json has no {name}.", hint="Take the config.json of the model's own page."
            )
        return _Config(value)

    def layers_of(self, kind: str, default: int) -> int:
        """How many layers `layer_types` gives that kind, or `default` without it."""
        kinds = self.values.get("layer_types")
        return sum(each == kind for each in kinds) if isinstance(kinds, list) else default


def shape_of_config(config: Mapping[str, Any]) -> ModelShape:
    """Raises UserError for an unknown `model_type`, or when a needed field is missing."""
    kind = str(config.get("model_type", ""))
    if kind not in _READERS:
        raise refuse_family(kind)
    return _READERS[kind](_Config(config))


def _attention(
    config: _Config, *, biases: str = "", qk_norm: bool = False, head_dim: int | None = None, **rest: bool
) -> Attention:
    heads = config.number("num_attention_heads")
    return Attention(
        heads=heads,
        kv_heads=config.number("num_key_value_heads", heads),
        head_dim=config.number("head_dim", head_dim or config.number("hidden_size") // heads),
        biases=biases,
        qk_norm=qk_norm,
        **rest,
    )


def _decoder(
    config: _Config,
    family: Family,
    attention: Attention | LatentAttention,
    *,
    experts: Experts | None = None,
    tied: bool = False,
    **rest: Any,
) -> ModelShape:
    dense = experts is None or experts.dense_layers > 0
    return ModelShape(
        family=family,
        layers=config.number("num_hidden_layers"),
        hidden=config.number("hidden_size"),
        vocab=config.number("vocab_size"),
        attention=attention,
        feed_forward=config.number("intermediate_size") if dense else 0,
        max_context=config.number("max_position_embeddings"),
        tied=config.flag("tie_word_embeddings", tied),
        experts=experts,
        **rest,
    )


def _llama(config: _Config) -> ModelShape:
    if config.flag("mlp_bias", False):
        raise UserError(
            "config.json has mlp_bias, which no published llama model uses.",
            hint="Its memory is not known; give the GGUF file of the model instead.",
        )
    biases = "qkvo" if config.flag("attention_bias", False) else ""
    return _decoder(config, "llama", _attention(config, biases=biases))


def _mistral(config: _Config) -> ModelShape:
    # llama.cpp keeps the whole context even where a window is given, so the cache is counted whole.
    return _decoder(config, "mistral", _attention(config))


def _mixtral(config: _Config) -> ModelShape:
    experts = Experts(
        total=config.number("num_local_experts"),
        active=config.number("num_experts_per_tok"),
        width=config.number("intermediate_size"),
    )
    return _decoder(config, "mixtral", _attention(config), experts=experts)


def _qwen2(config: _Config) -> ModelShape:
    return _decoder(config, "qwen2", _attention(config, biases="qkv"))


def _qwen3(config: _Config) -> ModelShape:
    return _decoder(config, "qwen3", _attention(config, qk_norm=True, head_dim=128))


def _qwen3_moe(config: _Config) -> ModelShape:
    dense = config.values.get("mlp_only_layers") or []
    if dense or config.number("decoder_sparse_step", 1) != 1:
        raise UserError(
            "config.json mixes layers with and without experts in an order that is not known.",
            hint="Give the GGUF file of the model instead.",
        )
    experts = Experts(
        total=config.number("num_experts"),
        active=config.number("num_experts_per_tok"),
        width=config.number("moe_intermediate_size"),
    )
    return _decoder(config, "qwen3moe", _attention(config, qk_norm=True), experts=experts)


def _qwen3_next(config: _Config) -> ModelShape:
    layers, every = config.number("num_hidden_layers"), config.number("full_attention_interval", 4)
    value_heads = config.number("linear_num_value_heads")
    recurrent = Recurrent(
        layers=config.layers_of("linear_attention", layers - layers // every),
        conv_kernel=config.number("linear_conv_kernel_dim"),
        inner=value_heads * config.number("linear_value_head_dim"),
        state=config.number("linear_key_head_dim"),
        groups=config.number("linear_num_key_heads"),
        heads=value_heads,
    )
    experts = Experts(
        total=config.number("num_experts"),
        active=config.number("num_experts_per_tok"),
        width=config.number("moe_intermediate_size"),
        shared_width=config.number("shared_expert_intermediate_size"),
        shared_gate=True,
    )
    attention = _attention(config, qk_norm=True, output_gate=True)
    return _decoder(config, "qwen3next", attention, experts=experts, recurrent=recurrent)


def _gemma2(config: _Config) -> ModelShape:
    layers = config.number("num_hidden_layers")
    return _decoder(
        config,
        "gemma2",
        _attention(config, head_dim=256),
        tied=True,
        norms=4,
        window=config.number("sliding_window", 4096),
        local_layers=config.layers_of("sliding_attention", layers - layers // 2),
    )


_GEMMA3_DEFAULTS = {
    "vocab_size": 262_208, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
    "max_position_embeddings": 131_072, "tie_word_embeddings": True,
}  # fmt: skip
"""The published files leave out what equals the library's defaults."""


def _gemma3_text(config: _Config, vision: VisionTower | None = None) -> ModelShape:
    config = _Config({**_GEMMA3_DEFAULTS, **config.values})
    layers, every = config.number("num_hidden_layers"), config.number("sliding_window_pattern", 6)
    return _decoder(
        config,
        "gemma3",
        _attention(config, qk_norm=True),
        norms=4,
        window=config.number("sliding_window"),
        local_layers=config.layers_of("sliding_attention", layers - layers // every),
        vision=vision,
    )


def _gemma3(config: _Config) -> ModelShape:
    text, sight = config.inner("text_config"), config.inner("vision_config")
    hidden, width = text.number("hidden_size"), sight.number("hidden_size")
    tower = VisionTower(
        layers=sight.number("num_hidden_layers"),
        hidden=width,
        feed_forward=sight.number("intermediate_size"),
        image=sight.number("image_size"),
        patch=sight.number("patch_size"),
        projector_params=width + width * hidden,
        image_tokens=config.number("mm_tokens_per_image", 256),
    )
    return _gemma3_text(text, tower)


def _gpt_oss(config: _Config) -> ModelShape:
    layers = config.number("num_hidden_layers")
    experts = Experts(
        total=config.number("num_local_experts"),
        active=config.number("num_experts_per_tok"),
        width=config.number("intermediate_size"),
        biases=True,
    )
    attention = _attention(config, biases="qkvo", sinks=True, head_dim=64)
    return _decoder(
        config,
        "gpt-oss",
        attention,
        experts=experts,
        window=config.number("sliding_window", 128),
        local_layers=config.layers_of("sliding_attention", layers - layers // 2),
    )


def _deepseek(config: _Config) -> ModelShape:
    attention = LatentAttention(
        heads=config.number("num_attention_heads"),
        q_rank=config.number("q_lora_rank", 0),
        kv_rank=config.number("kv_lora_rank"),
        rope_dim=config.number("qk_rope_head_dim"),
        nope_dim=config.number("qk_nope_head_dim"),
        value_dim=config.number("v_head_dim"),
    )
    width = config.number("moe_intermediate_size")
    experts = Experts(
        total=config.number("n_routed_experts"),
        active=config.number("num_experts_per_tok"),
        width=width,
        shared_width=width * config.number("n_shared_experts", 0),
        dense_layers=config.number("first_k_dense_replace", 0),
        router_bias=config.values.get("topk_method") == "noaux_tc",
    )
    return _decoder(config, "deepseek2", attention, experts=experts)


def _phi3(config: _Config) -> ModelShape:
    # As with mistral, llama.cpp ignores the window.
    return _decoder(config, "phi3", _attention(config))


def _encoder(family: Family) -> Callable[[_Config], ModelShape]:
    def read(config: _Config) -> ModelShape:
        positions = config.number("max_position_embeddings")
        # XLM-RoBERTa's first two positions stand for padding.
        return _decoder(
            config,
            family,
            _attention(config, biases="qkvo"),
            gated=False,
            linear_biases=True,
            positions=positions,
            token_types=config.number("type_vocab_size", 2),
            pooler=True,
        )

    return read


def _whisper(config: _Config) -> ModelShape:
    hidden, heads = config.number("d_model"), config.number("decoder_attention_heads")
    positions = config.number("max_target_positions", 448)
    return ModelShape(
        family="whisper",
        layers=config.number("decoder_layers"),
        hidden=hidden,
        vocab=config.number("vocab_size"),
        attention=Attention(heads=heads, kv_heads=heads, head_dim=hidden // heads, biases="qvo"),
        feed_forward=config.number("decoder_ffn_dim"),
        max_context=positions,
        tied=True,
        gated=False,
        norms=3,
        linear_biases=True,
        positions=positions,
        audio=AudioEncoder(
            layers=config.number("encoder_layers"),
            hidden=hidden,
            feed_forward=config.number("encoder_ffn_dim"),
            mel_bins=config.number("num_mel_bins", 80),
            positions=config.number("max_source_positions", 1500),
        ),
    )


_READERS: Mapping[str, Callable[[_Config], ModelShape]] = {
    "bert": _encoder("bert"),
    "deepseek_v2": _deepseek,
    "deepseek_v3": _deepseek,
    "gemma2": _gemma2,
    "gemma3": _gemma3,
    "gemma3_text": _gemma3_text,
    "gpt_oss": _gpt_oss,
    "llama": _llama,
    "mistral": _mistral,
    "mixtral": _mixtral,
    "phi3": _phi3,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "qwen3_moe": _qwen3_moe,
    "qwen3_next": _qwen3_next,
    "whisper": _whisper,
    "xlm-roberta": _encoder("xlm-roberta"),
}
