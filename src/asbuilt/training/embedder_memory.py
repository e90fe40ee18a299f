"""What the training of a sentence embedder will take, before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from asbuilt.training.memory import CPU_RUNTIME_BYTES, refuse_above_free

__all__ = ["embedder_training_bytes", "refuse_what_cannot_fit"]


def embedder_training_bytes(folder: Path, *, texts: Sequence[tuple[int, int]]) -> int:
    """Peak memory of a step in float32, the runtime's included. `texts`: how many texts there are of how
    many tokens, questions and passages apart.

    Weight and two moments of AdamW; then activations, which go, or gradients, which come. A token leaves 10
    hidden states and 2 of the network a layer, and 3 scores a head for each token that it looks at: with
    dropout, attention is not fused (counted with `torch.autograd.graph.saved_tensors_hooks`).
    """
    stated = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    hidden, layers, network, heads = (
        int(stated[name])
        for name in ("hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads")
    )
    scores = 3 * heads if stated.get("attention_probs_dropout_prob", 0.1) else 0
    activations: int = sum(
        4 * number * tokens * layers * (10 * hidden + 2 * network + scores * tokens)
        for number, tokens in texts
    )
    return 3 * weights + max(weights, activations) + CPU_RUNTIME_BYTES


def refuse_what_cannot_fit(folder: Path, *, texts: Sequence[tuple[int, int]], gpu: bool) -> None:
    """Raises LimitError where the training would take more memory than is free."""
    refuse_above_free(
        embedder_training_bytes(folder, texts=texts),
        gpu=gpu,
        what=" and ".join(f"{number} texts of up to {tokens} tokens" for number, tokens in texts)
        + " at once",
        hint="Take a smaller batch or fewer max_tokens.",
    )
