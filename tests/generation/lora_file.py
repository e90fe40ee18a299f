"""Writes small LoRA adapters as GGUF files: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asbuilt.generation.models import STARTER, find_model
from asbuilt.resources.gguf import read_header

_ALIGNMENT = 32
_STRING, _FLOAT, _F32 = 8, 6, 0
_RANK = 2


def starter_adapter(file: Path, *, scale: float, seed: int = 0) -> Path:
    """An adapter of the starter's query projections; with `scale` 0 it changes nothing."""
    random = np.random.default_rng(seed)
    header = read_header(find_model(STARTER))
    tensors: dict[str, NDArray[np.float32]] = {}
    for tensor in header.tensors:
        if tensor.name.endswith("attn_q.weight"):
            wide, high = tensor.shape
            tensors[f"{tensor.name}.lora_a"] = random.normal(size=(_RANK, wide)).astype(np.float32)
            tensors[f"{tensor.name}.lora_b"] = (scale * random.normal(size=(high, _RANK))).astype(np.float32)
    return lora_file(file, tensors, architecture=header.architecture)


def lora_file(
    file: Path,
    tensors: Mapping[str, NDArray[np.float32]],
    *,
    architecture: str = "llama",
    kind: str = "adapter",
) -> Path:
    """Matrices of shape (rows, columns) by name, with an alpha of twice the rank."""
    texts = {"general.type": kind, "general.architecture": architecture, "adapter.type": "lora"}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(texts) + 1)
    for key, value in texts.items():
        head += _text(key) + struct.pack("<I", _STRING) + _text(value)
    head += _text("adapter.lora.alpha") + struct.pack("<If", _FLOAT, 2.0 * _RANK)
    data = b""
    for name, matrix in tensors.items():
        rows, columns = matrix.shape
        head += _text(name) + struct.pack("<I2QIQ", 2, columns, rows, _F32, len(data))
        data += _padded(matrix.tobytes())
    file.write_bytes(_padded(head) + data)
    return file


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % _ALIGNMENT)
