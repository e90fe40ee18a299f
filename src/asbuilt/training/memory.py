"""What a training will take, before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from asbuilt.errors import LimitError
from asbuilt.resources.hf_config import shape_of_config
from asbuilt.resources.memory import RUNTIME_BYTES
from asbuilt.resources.training import Method, TrainingPlan, training_memory

if TYPE_CHECKING:
    from asbuilt.training.recipes.dpo import DpoConfig
    from asbuilt.training.recipes.sft import SftConfig

__all__ = ["refuse_what_cannot_fit", "training_bytes"]

_GIB = 2**30
CPU_RUNTIME_BYTES = 700_000_000
"""What Python, torch, transformers and the data take on a CPU beside a model: 554 MB before one is loaded
(benchmarks/training_memory.py), and a margin for what its first steps allocate."""


def training_bytes(
    folder: Path, config: SftConfig | DpoConfig, *, longest: int, learnt: int, gpu: bool
) -> int:
    """Peak memory of the training, the runtime's own included. `longest` is the longest row in tokens,
    `learnt` the most that is learnt of one."""
    shape = shape_of_config(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    method: Method = getattr(config, "method", "lora")
    full = method == "full"
    plan = TrainingPlan(
        method=method,
        preference=hasattr(config, "beta"),
        batch=config.micro_batch,
        sequence=longest,
        learnt=learnt,
        rank=config.rank,
        targets=config.targets,
        precision="fp32" if full else config.precision,
        checkpointing=config.checkpointing,
    )
    memory = training_memory(shape, plan)
    return memory.total_bytes + (RUNTIME_BYTES["torch"] if gpu else CPU_RUNTIME_BYTES)


def refuse_what_cannot_fit(
    folder: Path, config: SftConfig | DpoConfig, *, longest: int, learnt: int, gpu: bool
) -> None:
    """Raises LimitError where the training would take more memory than is free."""
    needed, free = training_bytes(folder, config, longest=longest, learnt=learnt, gpu=gpu), _free_bytes(gpu)
    if needed > free:
        raise LimitError(
            f"the training would take about {needed / _GIB:.1f} GiB, and {free / _GIB:.1f} GiB are free: "
            f"{config.micro_batch} rows of up to {longest} tokens at once.",
            hint="Take micro_batch: 1, checkpointing: true, a smaller max_tokens, or method: lora.",
        )


def _free_bytes(gpu: bool) -> int:
    if gpu:
        import torch

        return int(torch.cuda.mem_get_info()[0])
    import psutil

    return int(psutil.virtual_memory().available)
