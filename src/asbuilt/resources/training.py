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

    The model sees `batch` sequences of `sequence` tokens at a time. `precision` is that of the weights and of
    the computation; QLoRA stores the base in NF4 instead. `adapter_precision` is fp32 as PEFT casts it by
    default. `first_layer`: LoRA leaves the layers before it alone. `mixed`: full training keeps fp32 weights
    and gradients, and computes with bf16 copies of the weights. `chunked_loss`: logits are made in pieces.
    `learnt`: tokens of a sequence that logits are made for, None for all. `preference`: DPO, with a chosen
    and a rejected sequence each. `accumulated`: a step of the optimizer sums the gradients of several
    batches.
    """

    method: Method = "lora"
    batch: int = 1
    sequence: int = 2048
    rank: int = 16
    targets: tuple[str, ...] | None = None
    first_layer: int = 0
    precision: Literal["bf16", "fp32"] = "bf16"
    adapter_precision: Literal["bf16", "fp32"] = "fp32"
    mixed: bool = False
    optimizer: Optimizer = "adamw"
    checkpointing: bool = True
    chunked_loss: bool = False
    learnt: int | None = None
    preference: bool = False
    accumulated: bool = True

    @property
    def tokens(self) -> int:
        """Tokens that the model sees at a time."""
        return self.batch * self.sequence * (2 if self.preference else 1)

    @property
    def width(self) -> int:
        """Bytes of an element in the computation."""
        return 2 if self.precision == "bf16" or self.mixed else 4

    @property
    def state_width(self) -> int:
        """Bytes of a trained parameter and of its gradient."""
        if self.method == "full":
            return 4 if self.mixed else self.width
        return 2 if self.adapter_precision == "bf16" else 4


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
    """Peak memory of one training step on one device: where the way back begins or where it ends, whichever
    takes more.

    Begin: weights, moments of AdamW (of the width of the state, or one byte each with 8-bit AdamW),
    activations and logits, the bf16 copies of `mixed`, gradients of earlier batches, and that of the head,
    which comes first. End: the activations are gone, and all gradients are there; those of tied embeddings
    come twice.
    Activations are what eager PyTorch keeps in a gated network with fused attention (counted with
    `torch.autograd.graph.saved_tensors_hooks`; for older networks see Korthikanti et al., arXiv 2205.05198);
    with checkpointing `hidden` a layer, and one layer in full or the logits, whichever is larger, because
    the one is gone before the other comes. Logits in float32 with their gradient and one softmax; chunked,
    an eighth at a time with its gradient.
    Raises UserError for a model that is not a decoder.
    """
    if shape.encoder_only or shape.audio:
        raise UserError(
            f"training memory of a {shape.family} model is not known.", hint="Train a language model."
        )
    full = plan.method == "full"
    stored = "nf4" if plan.method == "qlora" else "fp32" if plan.mixed else plan.precision
    weights = weights_of(shape, stored).total_bytes
    trained = shape.params if full else _adapter_params(shape, plan)
    adapter = 0 if full else trained * plan.state_width
    gradients = trained * plan.state_width
    optimizer = 2 * trained * (1 if plan.optimizer == "adamw-8bit" else plan.state_width)
    embedding = shape.vocab * shape.hidden * plan.state_width if full else 0
    begin = TrainingMemory(
        weights_bytes=weights + (2 * shape.params if full and plan.mixed else 0),
        adapter_bytes=adapter,
        gradients_bytes=gradients if plan.accumulated else embedding,
        optimizer_bytes=optimizer,
        **_activations(shape, plan, head_gradient=embedding if plan.accumulated else 0),
    )
    end = TrainingMemory(
        weights_bytes=weights,
        adapter_bytes=adapter,
        gradients_bytes=gradients + (embedding if shape.tied else 0),
        optimizer_bytes=optimizer,
        activations_bytes=0,
        logits_bytes=0,
    )
    return max(begin, end, key=lambda memory: memory.total_bytes)


def _adapter_params(shape: ModelShape, plan: TrainingPlan) -> int:
    return shape.adapter_params(plan.rank, plan.targets) * (shape.layers - plan.first_layer) // shape.layers


def _activations(shape: ModelShape, plan: TrainingPlan, *, head_gradient: int) -> dict[str, int]:
    layer = plan.tokens * _token_bytes(shape, plan)
    logits = _logits(shape, plan) + head_gradient
    if not plan.checkpointing:
        return {"activations_bytes": (shape.layers - plan.first_layer) * layer, "logits_bytes": logits}
    stream = 4 if plan.mixed else plan.width
    kept = shape.layers * shape.hidden * plan.tokens * stream
    return {"activations_bytes": kept + layer, "logits_bytes": max(0, logits - layer)}


def _token_bytes(shape: ModelShape, plan: TrainingPlan) -> int:
    """What one token leaves in one layer for the way back."""
    queries, attended = shape.attention.query_elements, sum(shape.attention.cache_elements)
    network = shape.feed_forward
    if shape.experts:
        network = max(network, shape.experts.active * shape.experts.width + shape.experts.shared_width)
    # Norms compute in float32. Queries, keys, values and what comes of them; gate, its activation, and up.
    norms = 2 * shape.hidden * 4
    inside = (2 * queries + attended + 3 * network) * plan.width
    return norms + inside + _inputs_bytes(shape, plan, network)


def _inputs_bytes(shape: ModelShape, plan: TrainingPlan, network: int) -> int:
    """Of one token in one layer: what matrices whose gradient is wanted have read. What the last matrix of
    attention reads is counted there, unless it is cast."""
    if plan.method == "full" and plan.mixed:  # five matrices cast what they read; norms are trained too
        return (5 * shape.hidden + network) * 2 + 2 * shape.hidden * 4
    if plan.method == "full":
        return (2 * shape.hidden + network + 2 * shape.hidden) * plan.width
    chosen = [
        each
        for each in shape.linears()
        if (each.name in plan.targets if plan.targets else each.group in ("attention", "feed_forward"))
    ]
    low_rank = sum(each.active for each in chosen) * plan.rank * plan.state_width // shape.layers
    if plan.state_width > plan.width:  # PEFT casts for each adapter
        return low_rank + sum(each.inputs * each.active for each in chosen) * plan.state_width // shape.layers
    return low_rank + (2 * shape.hidden + network) * plan.width


def _logits(shape: ModelShape, plan: TrainingPlan) -> int:
    copies = 2 if plan.chunked_loss else 3
    if plan.preference:  # TRL's loss takes two more (measured)
        copies += 2
    tokens = plan.tokens if plan.learnt is None else plan.tokens // plan.sequence * plan.learnt
    tokens = tokens // _CHUNKS if plan.chunked_loss else tokens
    return copies * 4 * tokens * shape.vocab
