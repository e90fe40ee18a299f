"""What a model on ONNX Runtime takes."""

from __future__ import annotations

from pathlib import Path

from asbuilt.resources.demand import Demand, MemoryPart

__all__ = ["onnx_demand"]

_MIB = 1 << 20
_RUNTIME_BYTES = 52 * _MIB
_WEIGHTS_RATIO = 1.09
_BATCH_BYTES = 92 * _MIB
"""Measured once (benchmarks/memory_prediction.py --parts; x86-64, Python 3.11, onnxruntime, MiniLM): the
process grows by 76 MiB with the graph of 21.7 MiB and by 146 (175 while it loads) with that of 86.1, and
by 92 to 95 more once it embeds batches of long passages."""


def onnx_demand(weights_bytes: int, *, dim: int = 0, source: str = "size of the file") -> Demand:
    """For a graph of `weights_bytes`; working memory is that of a small encoder."""
    return Demand(
        (
            MemoryPart(
                "ONNX Runtime", _RUNTIME_BYTES, "measured: libraries, tokenizer", shared="onnxruntime"
            ),
            MemoryPart("weights", round(weights_bytes * _WEIGHTS_RATIO), source),
            MemoryPart("batches", _BATCH_BYTES, "measured: 16 texts of 128 tokens", when="ingesting"),
        ),
        dim=dim,
    )


def folder_demand(file: Path, *, dim: int = 0) -> Demand:
    """For the model in `file`, with the weights that some exports keep beside it."""
    beside = (file.with_name(f"{file.name}_data"), file.with_name(f"{file.name}.data"))
    size = sum(each.stat().st_size for each in (file, *beside) if each.is_file())
    return onnx_demand(size, dim=dim)
