"""What a training will take, before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asbuilt.errors import LimitError
from asbuilt.resources.hf_config import shape_of_config
from asbuilt.resources.memory import RUNTIME_BYTES
from asbuilt.resources.training import Method, TrainingPlan, training_memory
from asbuilt.training.processes import processes_here

if TYPE_CHECKING:
    from asbuilt.training.recipes.dpo import DpoConfig
    from asbuilt.training.recipes.sft import SftConfig

__all__ = ["CPU_RUNTIME_BYTES", "refuse_above_free", "refuse_what_cannot_fit", "training_bytes"]

_GIB = 2**30
_WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}
_BEFORE_LOADING_BYTES = 554_000_000
"""What Python, torch, transformers and the data take on a CPU before a model is loaded
(benchmarks/training_memory.py)."""
CPU_RUNTIME_BYTES = 650_000_000
"""The same, and a margin for what the first steps allocate."""


def training_bytes(
    folder: Path, config: SftConfig | DpoConfig, *, longest: int, learnt: int, gpu: bool
) -> int:
    """Peak memory of the training, the runtime's own included: that of its steps, or on a CPU of loading
    the model where it is stored in another precision, if that is more. `longest` is the longest row in
    tokens, `learnt` the most that is learnt of one."""
    stated = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = shape_of_config(stated)
    method: Method = getattr(config, "method", "lora")
    mixed = method == "full" and config.precision == "bf16"
    layers: tuple[int, int] | None = getattr(config, "layers", None)
    plan = TrainingPlan(
        method=method,
        preference=hasattr(config, "beta"),
        batch=config.micro_batch,
        sequence=longest,
        learnt=learnt,
        rank=config.rank,
        targets=config.targets,
        first_layer=layers[0] if layers else 0,
        precision=config.precision,
        mixed=mixed,
        checkpointing=config.checkpointing,
        accumulated=config.batch > config.micro_batch,
    )
    memory = training_memory(shape, plan)
    if gpu:
        return memory.total_bytes + RUNTIME_BYTES["torch"]
    loading = _BEFORE_LOADING_BYTES + _loading_bytes(folder, stated, "fp32" if mixed else plan.precision)
    return max(memory.total_bytes + CPU_RUNTIME_BYTES, loading)


def _loading_bytes(folder: Path, stated: Mapping[str, Any], precision: str) -> int:
    """Of the stored weights, and of their copies where the precision is another; else the file is mapped,
    and its pages are the model."""
    stored = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    width = _WIDTHS.get(str(stated.get("dtype") or stated.get("torch_dtype")), 4)
    wanted = _WIDTHS["float32" if precision == "fp32" else "bfloat16"]
    return stored if width == wanted else stored + stored * wanted // width


def refuse_what_cannot_fit(
    folder: Path, config: SftConfig | DpoConfig, *, longest: int, learnt: int, gpu: bool
) -> None:
    """Raises LimitError where the training would take more memory than is free."""
    refuse_above_free(
        training_bytes(folder, config, longest=longest, learnt=learnt, gpu=gpu),
        gpu=gpu,
        what=f"{config.micro_batch} rows of up to {longest} tokens at once",
        hint="Take micro_batch: 1, checkpointing: true, a smaller max_tokens, or method: lora.",
    )


def refuse_above_free(needed: int, *, gpu: bool, what: str, hint: str) -> None:
    """Raises LimitError where `needed` bytes, for `what`, are more than are free. Processes that share this
    machine's memory each need as much; a GPU is each one's own."""
    free = _free_bytes(gpu)
    if not gpu and (processes := processes_here()) > 1:
        needed, what = needed * processes, f"{processes} processes, each with {what}"
    if needed > free:
        raise LimitError(
            f"the training would take about {needed / _GIB:.1f} GiB, and {free / _GIB:.1f} GiB are free: "
            f"{what}.",
            hint=hint,
        )


def _free_bytes(gpu: bool) -> int:
    if gpu:
        import torch

        return int(torch.cuda.mem_get_info()[0])
    import psutil

    return int(psutil.virtual_memory().available)
