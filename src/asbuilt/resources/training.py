"""Memory of a training run: weights, adapters, gradients, optimiser, activations, logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from asbuilt.errors import UserError
from asbuilt.resources.shape import ModelShape
from asbuilt.resources.weights import weights_of

__all__ = ["Method", "Optimizer", "TrainingMemory", "TrainingPlan", "training_memory"]

Method = Literal["lora", "qlora", "full"]
Optimizer = Literal["adamw", "adamw-8bit"]

_CHUNKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """One training run.

    A step sees `batch` sequences of `sequence` tokens. `precision` is that of the weights and of the
    computation; QLoRA stores the base in NF4 instead. `adapter_precision` is fp32 as PEFT casts it by
    default. `mixed`: full training keeps fp32 master weights and gradients beside bf16 weights.
    `chunked_loss`: logits are made in pieces. `learnt`: tokens of a sequence that logits are made for, None
    for all. `preference`: DPO, with a chosen and a rejected sequence each.
    """

    method: Method = "lora"
    batch: int = 1
    sequence: int = 2048
    rank: int = 16
    targets: tuple[str, ...] | None = None
    precision: Literal["bf16", "fp32"] = "bf16"
    adapter_precision: Literal["bf16", "fp32"] = "fp32"
    mixed: bool = False
    optimizer: Optimizer = "adamw"
    checkpointing: bool = True
    chunked_loss: bool = False
    learnt: int | None = None
    preference: bool = False

    @property
    def tokens(self) -> int:
        """Tokens of one step."""
        return self.batch * self.sequence * (2 if self.preference else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingMemory:
    """What a run takes at its peak, in bytes. Runtime overhead is not in it.

    `logits_bytes` is what the logits take beyond the activations that they do not meet.
    """

    weights_bytes: int
    adapter_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    activations_bytes: int
    logits_bytes: int

    @property
    def total_bytes(self) -> int:
        return (
            self.weights_bytes
            + self.adapter_bytes
            + self.gradients_bytes
            + self.optimizer_bytes
            + self.activations_bytes
            + self.logits_bytes
        )


def training_memory(shape: ModelShape, plan: TrainingPlan) -> TrainingMemory:
    """Peak memory of one training step on one device.

    State a trained parameter: weight, gradient of the same width, and two moments of AdamW (of the width of
    the weight, float32 with `mixed`, or one byte each with 8-bit AdamW).
    Activations: Korthikanti et al., arXiv 2205.05198, carried over to gated networks and grouped queries
    with fused attention. A token leaves (5 hidden + 2 queries + 2 keys and values + 4 feed-forward)
    elements a layer; with checkpointing, `hidden` a layer, and one layer in full or the logits, whichever
    is larger, because the one is gone before the other comes. An adapter that is wider than the computation
    keeps what it reads in its own precision too, once a matrix, as PEFT casts it. Logits in float32 with
    their gradient and one softmax; chunked, an eighth at a time with its gradient.
    Raises UserError for a model that is not a decoder.
    """
    if shape.encoder_only or shape.audio:
        raise UserError(
            f"training memory of a {shape.family} model is not known.", hint="Train a language model."
        )
    width = 2 if plan.precision == "bf16" else 4
    base = weights_of(shape, "nf4" if plan.method == "qlora" else plan.precision).total_bytes
    if plan.method == "full":
        trained, state_width = shape.params, 4 if plan.mixed else width
        adapter = 4 * trained if plan.mixed else 0
    else:
        trained = shape.adapter_params(plan.rank, plan.targets)
        state_width = 2 if plan.adapter_precision == "bf16" else 4
        adapter = trained * state_width
    moment = 1 if plan.optimizer == "adamw-8bit" else state_width
    return TrainingMemory(
        weights_bytes=base,
        adapter_bytes=adapter,
        gradients_bytes=trained * state_width,
        optimizer_bytes=2 * trained * moment,
        **_activations(shape, plan, width),
    )


def _activations(shape: ModelShape, plan: TrainingPlan, width: int) -> dict[str, int]:
    layer = plan.tokens * (_token_elements(shape) * width + _cast_bytes(shape, plan))
    logits = _logits(shape, plan)
    if not plan.checkpointing:
        return {"activations_bytes": shape.layers * layer, "logits_bytes": logits}
    kept = shape.layers * shape.hidden * plan.tokens * width
    return {"activations_bytes": kept + layer, "logits_bytes": max(0, logits - layer)}


def _token_elements(shape: ModelShape) -> int:
    """Elements that one token leaves in one layer for the way back."""
    keys, values = shape.attention.cache_elements
    network = shape.feed_forward
    if shape.experts:
        network = max(network, shape.experts.active * shape.experts.width + shape.experts.shared_width)
    return 5 * shape.hidden + 2 * shape.attention.query_elements + keys + values + 4 * network


def _cast_bytes(shape: ModelShape, plan: TrainingPlan) -> int:
    """Bytes that one token leaves in one layer, on average, as inputs of adapters cast to float32."""
    if plan.method == "full" or plan.precision == "fp32" or plan.adapter_precision == "bf16":
        return 0
    inputs = sum(
        each.inputs * each.active
        for each in shape.linears()
        if (each.name in plan.targets if plan.targets else each.group in ("attention", "feed_forward"))
    )
    return 4 * inputs // shape.layers


def _logits(shape: ModelShape, plan: TrainingPlan) -> int:
    copies = 2 if plan.chunked_loss else 3
    if plan.preference:  # those of the reference, without a gradient
        copies += 1
    tokens = plan.tokens if plan.learnt is None else plan.tokens // plan.sequence * plan.learnt
    tokens = tokens // _CHUNKS if plan.chunked_loss else tokens
    return copies * 4 * tokens * shape.vocab
