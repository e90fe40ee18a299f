"""A llama of two layers with random weights as a GGUF file, and LoRA adapters for it as PEFT writes them.

The output is not tied to the embedding and attention is strong, so that a reply depends on every weight
and on the order of the rows of q and k.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

WIDTH, HEADS, KV_HEADS, HEAD, FEED, LAYERS, VOCABULARY = 64, 4, 2, 16, 96, 2, 32
LINEAR = {
    "self_attn.q_proj": ("attn_q", WIDTH, WIDTH),
    "self_attn.k_proj": ("attn_k", KV_HEADS * HEAD, WIDTH),
    "self_attn.v_proj": ("attn_v", KV_HEADS * HEAD, WIDTH),
    "self_attn.o_proj": ("attn_output", WIDTH, WIDTH),
    "mlp.gate_proj": ("ffn_gate", FEED, WIDTH),
    "mlp.up_proj": ("ffn_up", FEED, WIDTH),
    "mlp.down_proj": ("ffn_down", WIDTH, FEED),
}
"""Name in transformers -> name in GGUF, rows, columns."""
RANK, ALPHA = 4, 8.0
_SIZES = {
    "block_count": LAYERS,
    "embedding_length": WIDTH,
    "feed_forward_length": FEED,
    "attention.head_count": HEADS,
    "attention.head_count_kv": KV_HEADS,
    "rope.dimension_count": HEAD,
}


def tiny_base(
    file: Path, *, tokenizer_of: Path | None = None, architecture: str = "llama", context: int = 256
) -> Path:
    """`tokenizer_of` is a llama's GGUF file, whose metadata are taken over; without it nothing serves."""
    import gguf

    random = np.random.default_rng(7)
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_name("Tiny")
    sizes = {f"{architecture}.{key}": value for key, value in _SIZES.items()}
    sizes[f"{architecture}.context_length"] = context
    for key, value in sizes.items():
        writer.add_uint32(key, value)
    vocabulary = VOCABULARY
    if tokenizer_of is None:
        writer.add_float32(f"{architecture}.attention.layer_norm_rms_epsilon", 1e-5)
        writer.add_string("tokenizer.chat_template", "{{ messages }}")
    else:
        reader = gguf.GGUFReader(tokenizer_of)
        vocabulary = len(reader.fields["tokenizer.ggml.tokens"].data)
        for name, field in reader.fields.items():
            if name.startswith(("tokenizer.", "llama.")) and name not in sizes:
                inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
                writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)

    def weights(*shape: int, spread: float = 0.2) -> NDArray[np.float32]:
        return random.normal(0, spread, shape).astype(np.float32)

    writer.add_tensor("token_embd.weight", weights(vocabulary, WIDTH, spread=1.0))
    writer.add_tensor("output.weight", weights(vocabulary, WIDTH, spread=1.0))
    writer.add_tensor("output_norm.weight", 1 + weights(WIDTH, spread=0.1))
    for layer in range(LAYERS):
        for name, rows, columns in LINEAR.values():
            writer.add_tensor(f"blk.{layer}.{name}.weight", weights(rows, columns))
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", 1 + weights(WIDTH, spread=0.1))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def tiny_adapter(folder: Path, *, seed: int = 1, width: int = WIDTH, **config: Any) -> Path:
    """An adapter for all linear layers; `config` changes entries of adapter_config.json."""
    random = np.random.default_rng(seed)
    tensors = {}
    for layer in range(LAYERS):
        for name, (_, rows, columns) in LINEAR.items():
            module = f"base_model.model.model.layers.{layer}.{name}"
            a, b = (RANK, width if columns == WIDTH else columns), (rows, RANK)
            tensors[f"{module}.lora_A.weight"] = random.normal(0, 0.2, a).astype(np.float32)
            tensors[f"{module}.lora_B.weight"] = random.normal(0, 0.2, b).astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    targets = [name.rsplit(".", 1)[-1] for name in LINEAR]
    given = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": ALPHA, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps({**given, "target_modules": targets, **config}))
    return folder
