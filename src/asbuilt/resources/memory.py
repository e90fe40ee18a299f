"""The parts of a plan in bytes: weights, cache, compute buffers, index, training state.

Weights stand in `asbuilt.resources.weights`. Every formula names its source; all sizes are integers in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from asbuilt.errors import NotFoundError, UserError
from asbuilt.registry import nearest
from asbuilt.resources.precision import CACHE_TYPES
from asbuilt.resources.shape import ModelShape

__all__ = [
    "DEFAULT_MICRO_BATCH",
    "RUNTIME_BYTES",
    "compute_bytes",
    "kv_bytes_per_token",
    "kv_cache_bytes",
    "kv_read_bytes",
    "vector_index_bytes",
]

DEFAULT_MICRO_BATCH = 512
"""Tokens that llama.cpp computes at once (`--ubatch-size`)."""

RUNTIME_BYTES: Mapping[str, int] = {"llama.cpp": 500_000_000, "torch": 1_400_000_000}
"""What an engine and its driver take on an NVIDIA GPU before a model is loaded. Sources: 0.25 to 0.5 GB
for llama.cpp, reported by users; 1.4 GB for PyTorch, the constant of Unsloth's estimator."""

_CELLS = 256
"""llama.cpp pads the cells of a cache to this many."""

_INDICES_BYTES = 64
"""Token, position and cache indices that go in with one token."""


def kv_bytes_per_token(shape: ModelShape, *, cache_type_k: str = "f16", cache_type_v: str = "f16") -> int:
    """Bytes that one token leaves in the layers that look at everything.

    Layers x (K elements x bytes + V elements x bytes); with latent attention only the latent and the
    rotary key are kept. Sources: Ainslie et al., GQA, arXiv 2305.13245; DeepSeek-V2, arXiv 2405.04434,
    section 2.1. Encoders keep nothing. Raises NotFoundError for an unknown cache type.
    """
    return round(_global_layers(shape) * _token_bytes(shape, cache_type_k, cache_type_v))


def kv_cache_bytes(
    shape: ModelShape,
    *,
    context: int,
    slots: int = 1,
    cache_type_k: str = "f16",
    cache_type_v: str = "f16",
    micro_batch: int = DEFAULT_MICRO_BATCH,
    unified: bool = False,
    full_window: bool = False,
) -> int:
    """The cache of a llama.cpp server: `slots` sequences of `context` tokens each.

    Global layers hold every cell, padded to 256 a sequence. Layers with a sliding window hold
    min(cells, window + micro_batch) padded to 256 (with `unified`, one buffer for all sequences:
    window x slots + micro_batch), or everything with `full_window` (`--swa-full`). Recurrent layers hold
    one float32 state a slot. Whisper adds K and V of the encoded sound.
    Source: llama.cpp, src/llama-kv-cache-iswa.cpp, src/llama-context.cpp, src/llama-hparams.cpp.
    Raises NotFoundError for an unknown cache type, UserError for a context or slots below 1.
    """
    _check(context=context, slots=slots, micro_batch=micro_batch)
    if shape.encoder_only:
        return 0
    a_token = _token_bytes(shape, cache_type_k, cache_type_v)
    per_slot = _pad(context)
    cells = per_slot * slots
    if not shape.window or full_window:
        local = cells
    elif unified:
        local = _pad(min(cells, shape.window * slots + micro_batch))
    else:
        local = slots * _pad(min(per_slot, shape.window + micro_batch))
    total = a_token * (_global_layers(shape) * cells + shape.local_layers * local)
    if shape.recurrent:
        total += 4 * shape.recurrent.layers * shape.recurrent.state_elements * slots
    if shape.audio:
        total += a_token * shape.layers * shape.audio.positions * slots
    return round(total)


def kv_read_bytes(
    shape: ModelShape, *, depth: int, cache_type_k: str = "f16", cache_type_v: str = "f16"
) -> int:
    """Bytes of the cache that the token after `depth` others reads: what is in reach, and the states."""
    a_token = _token_bytes(shape, cache_type_k, cache_type_v)
    reach = min(depth, shape.window) if shape.window else depth
    size = a_token * (_global_layers(shape) * depth + shape.local_layers * reach)
    if shape.recurrent:
        size += 4 * shape.recurrent.layers * shape.recurrent.state_elements
    return round(size)


def compute_bytes(
    shape: ModelShape,
    *,
    context: int,
    slots: int = 1,
    micro_batch: int = DEFAULT_MICRO_BATCH,
    flash_attention: bool = True,
    unified: bool = False,
    logit_rows: int | None = None,
) -> int:
    """llama.cpp's compute buffer and output buffer: what one micro batch needs besides weights and cache.

    A token takes the widest step of a layer in float32: 3 feed-forward + 5 hidden elements (the active
    experts' widths add up), or 2 queries + 2 keys and values + 5 hidden, with a row of scores a head where
    flash attention is off. A recurrent layer takes its own, and a copy of every state. Attention masks over
    the cells of a slot (of all slots when `unified`) take 2 bytes an entry, or 4 without flash attention.
    Logits are made for one token a slot, or for `logit_rows` of a batch (engines before 2026 made them for
    every token), and one row a slot is kept for the server.
    Source: sizes that llama.cpp reports; tests/resources/test_memory.py holds them.
    Raises UserError for a context or slots below 1.
    """
    _check(context=context, slots=slots, micro_batch=micro_batch)
    cells = _pad(context) * (slots if unified else 1)
    tokens = min(micro_batch, _pad(context))
    attention, hidden = shape.attention, 5 * shape.hidden
    keys, values = attention.cache_elements
    network = 3 * _network_width(shape) + hidden
    attending = 2 * attention.query_elements + keys + values + hidden
    if not flash_attention:
        attending += attention.heads * cells
    masks = cells
    if shape.window:
        masks += _pad(min(cells, shape.window * (slots if unified else 1) + micro_batch))
    masks *= 2 if flash_attention else 4
    recurrent, states = 0, 0
    if shape.recurrent:
        recurrent = shape.recurrent.step_elements + hidden
        states = 4 * slots * shape.recurrent.state_elements
    step = 4 * tokens * max(network, attending, recurrent) + states
    if shape.encoder_only:
        return step + tokens * (masks + _INDICES_BYTES)
    rows = slots if logit_rows is None else logit_rows
    logits = 4 * rows * (shape.vocab + shape.hidden)
    output = 4 * slots * shape.vocab
    return max(step, logits) + tokens * (masks + _INDICES_BYTES) + output


def vector_index_bytes(
    points: int, dim: int, *, quantised: bool = False, graph: bool = True, payload_bytes: int = 0
) -> int:
    """An index of `points` float32 vectors of `dim`, in memory.

    `graph`: half as much again for the links of a nearest-neighbour graph and the ids of its points.
    `quantised`: one byte a dimension in memory, the full vectors on disk. `payload_bytes` of each point.
    Source: Qdrant, capacity planning: points x dim x 4 x 1.5.
    """
    vector = dim * (1 if quantised else 4)
    return round(points * (vector * (1.5 if graph else 1) + payload_bytes))


def _check(**counts: int) -> None:
    for what, count in counts.items():
        if count < 1:
            raise UserError(f"{what} is {count!r}.", hint="Give a whole number above 0.")


def _global_layers(shape: ModelShape) -> int:
    return 0 if shape.encoder_only else shape.global_layers


def _token_bytes(shape: ModelShape, cache_type_k: str, cache_type_v: str) -> float:
    keys, values = shape.attention.cache_elements
    return keys * _cache_type(cache_type_k) + values * _cache_type(cache_type_v)


def _cache_type(name: str) -> float:
    if name not in CACHE_TYPES:
        close = nearest(name, tuple(CACHE_TYPES))
        hint = f"Did you mean {close!r}?" if close else f"Known: {', '.join(CACHE_TYPES)}."
        raise NotFoundError(f"no cache type is called {name!r}.", hint=hint)
    return CACHE_TYPES[name]


def _pad(cells: int) -> int:
    return -(-cells // _CELLS) * _CELLS


def _network_width(shape: ModelShape) -> int:
    experts = shape.experts
    if experts is None:
        return shape.feed_forward
    return max(shape.feed_forward, experts.active * experts.width, experts.shared_width)
