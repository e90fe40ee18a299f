"""Weights as transformers and PEFT store them, read one tensor at a time as float32.

Format: https://github.com/huggingface/safetensors#format. Read here rather than by its package, whose
numpy side does not know bfloat16.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asbuilt.errors import NotFoundError, UserError

__all__ = ["StoredTensor", "stored_tensors"]

_BYTES = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """`start` counts from the beginning of `file`."""

    file: Path
    kind: str
    shape: tuple[int, ...]
    start: int

    def read(self) -> NDArray[np.float32]:
        with self.file.open("rb") as stream:
            stream.seek(self.start)
            data = stream.read(prod(self.shape) * _BYTES[self.kind])
        if self.kind == "BF16":  # the upper half of a float32
            return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(self.shape)
        given = np.frombuffer(data, "<f4" if self.kind == "F32" else "<f2")
        return given.astype(np.float32).reshape(self.shape)


def stored_tensors(files: Sequence[Path]) -> Mapping[str, StoredTensor]:
    """By name, the tensors of `files`.

    Raises NotFoundError, or UserError where a file is damaged or stores other than floats of 16 or 32 bits.
    """
    return {name: tensor for file in files for name, tensor in _tensors(file).items()}


def _tensors(file: Path) -> dict[str, StoredTensor]:
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            size = file.stat().st_size
            if length > size - 8:
                raise ValueError(f"its header takes {length} bytes, the file has {size}")
            header = json.loads(stream.read(length))
        found = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            kind, shape = entry["dtype"], tuple(int(side) for side in entry["shape"])
            start, end = entry["data_offsets"]
            if kind not in _BYTES:
                raise ValueError(f"{name} is stored as {kind}, known are {', '.join(_BYTES)}")
            if end - start != prod(shape) * _BYTES[kind] or start < 0 or 8 + length + end > size:
                raise ValueError(f"{name} is not whole")
            found[name] = StoredTensor(file, kind, shape, 8 + length + start)
    except OSError as error:
        raise NotFoundError(f"no weights can be read at {str(file)!r}: {error.strerror}.") from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise UserError(
            f"{str(file)!r} is not a whole safetensors file ({error}).", hint="Train or download it again."
        ) from error
    return found
