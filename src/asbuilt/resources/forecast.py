"""How fast a model will be on a machine, before anyone downloads it: every figure with its band."""

from __future__ import annotations

from dataclasses import dataclass

from asbuilt.errors import UserError
from asbuilt.resources.machines import Machine
from asbuilt.resources.memory import kv_read_bytes
from asbuilt.resources.shape import ModelShape
from asbuilt.resources.weights import Weights

__all__ = [
    "DECODE_SHARE",
    "PREFILL_SHARE",
    "Band",
    "decode_rate",
    "first_token_s",
    "prefill_rate",
    "read_bytes",
]


@dataclass(frozen=True, slots=True)
class Band:
    """low <= expected <= high."""

    low: float
    expected: float
    high: float

    def scaled(self, factor: float) -> Band:
        return Band(self.low * factor, self.expected * factor, self.high * factor)

    def __str__(self) -> str:
        return f"{self.expected:.3g} ({self.low:.3g} to {self.high:.3g})"


DECODE_SHARE = Band(0.62, 0.72, 0.82)
"""Share of its memory bandwidth that a machine reaches while it writes tokens one by one. Fitted on the
published figures in tests/resources/test_forecast.py, which names those outside."""

PREFILL_SHARE = Band(0.2, 0.45, 0.95)
"""Share of `Machine.compute_tflops` that reading a prompt reaches. Wide, because kernels differ by
engine, precision and generation of hardware."""


def read_bytes(
    shape: ModelShape,
    weights: Weights,
    *,
    depth: int = 0,
    cache_type_k: str = "f16",
    cache_type_v: str = "f16",
) -> int:
    """Bytes read from memory for one token written after `depth` others.

    All weights but the input embedding (unless it is the output head too) and the towers; of the experts
    the active share; and the cache up to `depth`.
    """
    parts = dict(weights.by_group)
    embedding = parts.pop("embedding", 0)
    parts.pop("vision", 0)
    parts.pop("audio", 0)
    if shape.experts:
        parts["experts"] = round(parts.get("experts", 0) * shape.experts.active / shape.experts.total)
    head = embedding if shape.tied and not shape.encoder_only else 0
    cache = kv_read_bytes(shape, depth=depth, cache_type_k=cache_type_k, cache_type_v=cache_type_v)
    return sum(parts.values()) + head + cache


def decode_rate(
    shape: ModelShape,
    weights: Weights,
    machine: Machine,
    *,
    depth: int = 0,
    cache_type_k: str = "f16",
    cache_type_v: str = "f16",
) -> Band:
    """Tokens a second for one user: 1 / (bytes read / (share x bandwidth) + operations / arithmetic).

    The second term counts on a CPU and is below 1 % on a GPU. It holds when the model lies wholly in the
    machine's fast memory. Raises UserError for an encoder, or when the bandwidth is not known.
    """
    if machine.bandwidth_gbs is None:
        raise UserError(
            f"the memory bandwidth of {machine.name} is not known.",
            hint="State it: target: {memory_gib: 64, bandwidth_gbs: 400}.",
        )
    if shape.encoder_only:
        raise UserError(f"a {shape.family} model writes no tokens.", hint="Ask for a language model.")
    size = read_bytes(shape, weights, depth=depth, cache_type_k=cache_type_k, cache_type_v=cache_type_v)
    reading_s = size / (machine.bandwidth_gbs * 1e9)
    tflops = machine.compute_tflops
    computing_s = 2 * shape.active_params / (tflops * 1e12) if tflops else 0.0
    share = DECODE_SHARE
    low, expected, high = (
        1 / (reading_s / part + computing_s) for part in (share.low, share.expected, share.high)
    )
    return Band(low, expected, high)


def prefill_rate(shape: ModelShape, machine: Machine, *, prompt: int = 2048) -> Band | None:
    """Tokens of a prompt read a second, the mean over `prompt` tokens; None when the machine's arithmetic
    is not known.

    Two operations for every active parameter (the head runs once, at the end), and for every token looked
    at, half the prompt on average.
    """
    if machine.compute_tflops is None:
        return None
    body = sum(linear.active_params for linear in shape.linears() if linear.group != "head")
    seen = prompt / 2
    reach = shape.global_layers * seen + shape.local_layers * min(seen, shape.window or seen)
    operations = 2 * body + 2 * reach * shape.attention.score_dims
    return PREFILL_SHARE.scaled(machine.compute_tflops * 1e12 / operations)


def first_token_s(shape: ModelShape, weights: Weights, machine: Machine, *, prompt: int) -> Band | None:
    """Seconds from a prompt of `prompt` tokens to the first token of the answer, nothing cached."""
    reading, writing = (
        prefill_rate(shape, machine, prompt=prompt),
        decode_rate(shape, weights, machine, depth=prompt),
    )
    if reading is None:
        return None
    return Band(
        prompt / reading.high + 1 / writing.high,
        prompt / reading.expected + 1 / writing.expected,
        prompt / reading.low + 1 / writing.low,
    )
