"""Caches and compute buffers: what llama.cpp reports against what asbuilt computes.

    python benchmarks/llama_buffers.py [MODEL.gguf]

Writes model files of a few layers (all weights zero) for the attention kinds that differ, loads each, and
compares. The table in tests/resources/test_memory.py was made with this. About 20 s on one core.
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from math import prod
from pathlib import Path

from asbuilt.resources.gguf_shape import read_gguf_model
from asbuilt.resources.memory import compute_bytes, kv_cache_bytes

MIB = 2**20
VOCAB, WIDTH = 2048, 512

Shapes = dict[str, tuple[int, ...]]
Facts = Mapping[str, int | float | str | list[str] | list[int]]

LOAD = """
import os, secrets, sys, tempfile, time, xllamacpp
file, context, slots, batch = sys.argv[1], *map(int, sys.argv[2:])
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel = file, context * slots, slots
params.kv_unified, params.n_gpu_layers, params.cache_ram_mib, params.verbosity = False, 0, 0, 5
params.n_batch = params.n_ubatch = batch
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
params.hostnames, params.api_keys = [tempfile.mkdtemp() + "/s.sock"], [secrets.token_hex(8)]
server = xllamacpp.Server(params)
time.sleep(0.5)  # its log is written by a thread
os._exit(0)
"""


def write(file: Path, architecture: str, facts: Facts, tensors: Shapes) -> None:
    """A GGUF file whose matrices are F16 and whose vectors are F32, all zero and not written out."""
    everything: dict[str, int | float | str | list[str] | list[int]] = {
        "general.architecture": architecture,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": [chr(256 + number) for number in range(VOCAB)],
        "tokenizer.ggml.token_type": [1] * VOCAB,
        "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.eos_token_id": 2,
    }
    everything |= {f"{architecture}.{key}": value for key, value in facts.items()}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(everything))
    head += b"".join(_text(key) + _value(value) for key, value in everything.items())
    offset = 0
    for name, shape in tensors.items():
        head += _text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head += struct.pack("<IQ", int(len(shape) > 1), offset)
        offset += -(-prod(shape) * (2 if len(shape) > 1 else 4) // 32) * 32
    head += bytes(-len(head) % 32)
    with file.open("wb") as stream:
        stream.write(head)
        stream.truncate(len(head) + offset)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: int | float | str | list[str] | list[int]) -> bytes:
    match value:
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _text(value)
    if isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(_text(str(item)) for item in value)
    return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *(int(item) for item in value))


def decoder(
    architecture: str, *, layers: int = 4, heads: int = 8, kv_heads: int = 2, head_dim: int = 64,
    feed_forward: int = 1024, experts: int = 0, window: int = 0, norms: tuple[str, ...] = (),
) -> tuple[str, dict[str, int | float | str | list[str] | list[int]], Shapes]:  # fmt: skip
    """Grouped-query attention; `norms` are further vectors of a layer, of a head's or the hidden width."""
    facts: dict[str, int | float | str | list[str] | list[int]] = {
        "block_count": layers, "context_length": 131_072, "embedding_length": WIDTH,
        "feed_forward_length": feed_forward,
        "attention.head_count": heads, "attention.head_count_kv": kv_heads,
        "attention.key_length": head_dim, "attention.value_length": head_dim, "rope.freq_base": 1e4,
        "attention.layer_norm_rms_epsilon": 1e-6, "rope.dimension_count": head_dim,
    }  # fmt: skip
    if window:
        facts["attention.sliding_window"] = window
    if experts:
        facts |= {"expert_count": experts, "expert_used_count": 4, "expert_feed_forward_length": feed_forward}
    queries, keys = heads * head_dim, kv_heads * head_dim
    layer: Shapes = {
        "attn_norm": (WIDTH,), "attn_q": (WIDTH, queries), "attn_k": (WIDTH, keys), "attn_v": (WIDTH, keys),
        "attn_output": (queries, WIDTH), "ffn_norm": (WIDTH,),
    }  # fmt: skip
    layer |= {name: (head_dim if name.endswith(("q_norm", "k_norm")) else WIDTH,) for name in norms}
    narrow, wide = (WIDTH, feed_forward), (feed_forward, WIDTH)
    if experts:
        layer |= {"ffn_gate_inp": (WIDTH, experts), "ffn_down_exps": (*wide, experts)}
        layer |= {"ffn_gate_exps": (*narrow, experts), "ffn_up_exps": (*narrow, experts)}
    else:
        layer |= {"ffn_gate": narrow, "ffn_up": narrow, "ffn_down": wide}
    tensors: Shapes = {"token_embd.weight": (WIDTH, VOCAB), "output_norm.weight": (WIDTH,)}
    if experts:
        tensors["output.weight"] = (WIDTH, VOCAB)
    for number in range(layers):
        tensors |= {f"blk.{number}.{name}.weight": shape for name, shape in layer.items()}
    return architecture, facts, tensors


QK = ("attn_q_norm", "attn_k_norm")
CASES = {
    "grouped queries": decoder("llama", feed_forward=2048),
    "wide queries": decoder("qwen3", heads=16, norms=QK),
    "sliding window": decoder(
        "gemma3", layers=8, heads=4, head_dim=128, window=256,
        norms=(*QK, "post_attention_norm", "post_ffw_norm"),
    ),
    "experts": decoder("qwen3moe", experts=16, feed_forward=256, norms=QK),
}  # fmt: skip


def reported(file: Path, context: int, slots: int, batch: int) -> tuple[float, float]:
    """MiB of the cache and of the compute buffer, as llama.cpp prints them."""
    command = ["timeout", "30", sys.executable, "-c", LOAD, str(file), str(context), str(slots), str(batch)]
    text = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    # It first plans without memory, with caches of 0 MiB, and then loads.
    caches = re.findall(r"(?:KV|RS) buffer size = +([0-9.]+)", text)
    computes = re.findall(r"compute buffer size = +([0-9.]+)", text)
    return sum(map(float, caches)), float(computes[-1]) if computes else float("nan")


def main() -> None:
    """Print the table."""
    print(f"{'model':<20}{'context':>8}{'slots':>6}{'batch':>6}{'cache MiB':>20}{'compute MiB':>22}")
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.gguf" for name in CASES}
        for name, file in files.items():
            write(file, *CASES[name])
        files |= {Path(given).name: Path(given) for given in sys.argv[1:]}
        for name, file in files.items():
            shape = read_gguf_model(file).shape
            for context, slots, batch in ((4096, 1, 256), (2048, 4, 256), (8192, 1, 512)):
                cache, compute = reported(file, context, slots, batch)
                ours = kv_cache_bytes(shape, context=context, slots=slots, micro_batch=batch) / MIB
                buffer = compute_bytes(shape, context=context, slots=slots, micro_batch=batch)
                buffer -= 4 * slots * shape.vocab  # the output buffer, which it prints apart
                pair = f"{cache:.2f} / {ours:.2f}", f"{compute:.2f} / {buffer / MIB:.2f}"
                print(f"{name[:19]:<20}{context:>8}{slots:>6}{batch:>6}{pair[0]:>20}{pair[1]:>22}")


if __name__ == "__main__":
    main()
