"""How llama.cpp is set up: known before it is loaded, so that a plan can count with it."""

from __future__ import annotations

from dataclasses import dataclass

from asbuilt.errors import UserError

__all__ = ["BATCH_TOKENS", "EngineSettings", "refuse_less_than_one"]

BATCH_TOKENS = 256
"""Prompt tokens computed in one go. Between two batches other requests get their next token, and a
cancelled one ends (after at most two). Larger batches are no faster on a CPU."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`context_tokens` is for each slot; `gpu_layers` -1 means all that fit. `exact` keeps the cache in
    float32 and computes attention plainly: slower, and as near to training as the engine comes."""

    context_tokens: int
    slots: int
    threads: int
    gpu_layers: int
    exact: bool = False


def refuse_less_than_one(**values: int | None) -> None:
    """Raises UserError that names the first value below 1; None passes."""
    for name, value in values.items():
        if value is not None and value < 1:
            raise UserError(f"{name} is {value}; it must be at least 1.")
