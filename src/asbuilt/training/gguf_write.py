"""A GGUF file from another: its metadata as they are, its weights changed and stored anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from asbuilt.errors import MissingError, StorageError, UserError

__all__ = ["Precision", "gguf_package", "rewrite", "written_at_once"]

Precision = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]
"""What the `gguf` package can write. K-quants it can only read."""

_FILE_TYPES: dict[Precision, int] = {
    "f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q8_0": 7, "q5_0": 8, "q5_1": 9, "bf16": 32,
}  # fmt: skip
"""`general.file_type`. Source: LlamaFileType in gguf-py/gguf/constants.py of llama.cpp."""

_BLOCK = 32
_FINER = ("token_embd.weight", "output.weight")
"""Stay at Q8_0 in files of fewer bits: every token passes through them, and they are stored once."""

Weights = NDArray[np.float32]


def gguf_package() -> ModuleType:
    """Raises MissingError."""
    try:
        import gguf
    except ImportError as error:
        raise MissingError(
            "GGUF files are written by the package gguf, which is not installed.",
            hint="Run: pip install 'asbuilt[training]'",
        ) from error
    package: ModuleType = gguf
    return package


@contextmanager
def written_at_once(file: Path) -> Iterator[Path]:
    """A path to write to, which becomes `file` when the block ends well, and is removed otherwise.

    Raises StorageError.
    """
    partial = file.with_name(file.name + ".partial")
    try:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            with partial.open("rb") as stream:
                os.fsync(stream.fileno())
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write {str(file)!r}: {error.strerror or error}.") from error


def rewrite(
    base: Path, out: Path, change: Callable[[str, Weights], Weights], *, precision: Precision, name: str
) -> Path:
    """`base` with each tensor as `change` gives it, stored as `precision`, to `out`.

    `change` gets a tensor's GGUF name and its weights as float32 of shape (rows, columns), and gives
    the same shape. Vectors are stored as F32, matrices whose rows do not divide by 32 as F16. All
    metadata stay, except `general.name`, which becomes `name`, and `general.file_type`. One tensor is
    in memory at a time. Raises UserError for another precision, StorageError.
    """
    if precision not in get_args(Precision):
        raise UserError(
            f"precision {precision!r} cannot be written; known are {', '.join(get_args(Precision))}."
        )
    gguf = gguf_package()
    reader = gguf.GGUFReader(base)
    architecture = reader.fields["general.architecture"].contents()
    with written_at_once(out) as partial, closing(gguf.GGUFWriter(partial, architecture)) as writer:
        _copy_metadata(gguf, reader, writer, precision=precision, name=name)
        kinds = []
        for tensor in reader.tensors:
            kind = _kind(gguf, tensor.name, [int(side) for side in tensor.shape], precision)
            shape = [int(side) for side in reversed(tensor.shape)]
            stored = gguf.quant_shape_to_byte_shape(shape, kind)
            as_floats = {"F32": np.float32, "F16": np.float16}.get(kind.name)
            nbytes = int(np.prod(stored))
            if as_floats is None:
                writer.add_tensor_info(tensor.name, stored, np.dtype(np.uint8), nbytes, raw_dtype=kind)
            else:
                writer.add_tensor_info(tensor.name, shape, np.dtype(as_floats), nbytes)
            kinds.append(kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor, kind in zip(reader.tensors, kinds, strict=True):
            weights = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
            changed = change(tensor.name, weights)
            assert changed.shape == weights.shape
            writer.write_tensor_data(gguf.quantize(changed, kind))
    return out


def _kind(gguf: ModuleType, name: str, shape: list[int], precision: Precision) -> Any:
    """`shape` has the contiguous dimension first."""
    types = gguf.GGMLQuantizationType
    if len(shape) < 2:
        return types.F32
    if precision.startswith("q") and shape[0] % _BLOCK:
        return types.F16
    if precision.startswith(("q4", "q5")) and name in _FINER:
        return types.Q8_0
    return types[precision.upper()]


def _copy_metadata(gguf: ModuleType, reader: Any, writer: Any, *, precision: Precision, name: str) -> None:
    derived = {
        "general.architecture",
        "general.name",
        "general.file_type",
    }  # the writer adds the first itself
    for field in reader.fields.values():
        if field.name in derived or field.name.startswith("GGUF."):
            continue
        if field.name == "general.alignment":
            writer.add_custom_alignment(field.contents())
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)
    writer.add_name(name)
    writer.add_file_type(_FILE_TYPES[precision])
