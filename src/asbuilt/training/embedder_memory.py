"""What the training of a sentence embedder will take, before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

from asbuilt.training.memory import CPU_RUNTIME_BYTES, refuse_above_free

__all__ = ["embedder_training_bytes", "refuse_what_cannot_fit"]


def embedder_training_bytes(folder: Path, *, rows: int, longest: int) -> int:
    """Peak memory of a step with `rows` texts of `longest` tokens, in float32, the runtime's included.

    Weight, gradient and two moments of AdamW; a token leaves 20 hidden sizes' worth of elements a layer, and
    a pair of tokens two elements a head (scores and what dropout leaves of them).
    """
    stated = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    hidden, layers = int(stated["hidden_size"]), int(stated["num_hidden_layers"])
    heads = int(stated["num_attention_heads"])
    activations = 4 * rows * longest * layers * (20 * hidden + 2 * heads * longest)
    return 4 * weights + activations + CPU_RUNTIME_BYTES


def refuse_what_cannot_fit(folder: Path, *, rows: int, longest: int, gpu: bool) -> None:
    """Raises LimitError where the training would take more memory than is free."""
    refuse_above_free(
        embedder_training_bytes(folder, rows=rows, longest=longest),
        gpu=gpu,
        what=f"{rows} texts of up to {longest} tokens at once",
        hint="Take a smaller batch or fewer max_tokens.",
    )
