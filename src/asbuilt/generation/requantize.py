"""Q4_1 weights stored again as Q8_0, once, because llama.cpp multiplies those faster on a CPU.

Q4_1 (blocks of 32 with a scale and a minimum) has no fast matrix kernel; Q8_0 has one on x86 and
on ARM. Eight bits hold what four bits and a minimum said almost exactly. Q4_0, which is faster
still, does not: its levels lie elsewhere. The measurements are in docs/log.md.
"""

from __future__ import annotations

import math
import os
import struct
from hashlib import file_digest
from pathlib import Path
from typing import BinaryIO

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from asbuilt.errors import StorageError
from asbuilt.resources.gguf import Q4_1, Q8_0, GgufHeader, TensorInfo, read_header

__all__ = ["default_cache", "q4_1_to_q8_0", "requantized", "worthwhile"]

_RECIPE = "q8_0-1"
"""Changes when the conversion does, so that derived files are made again."""

_BLOCK = 32
_Q4_1_BYTES, _Q8_0_BYTES = 20, 34
_BLOCKS_AT_ONCE = 1 << 17  # 16 MB of float32
_MOST_BYTES = 1 << 30
"""Larger models wait for memory rather than for arithmetic, and would only grow."""

Bytes = NDArray[np.uint8]


def default_cache() -> Path:
    """$ASBUILT_CACHE, else the user's cache folder."""
    if given := os.environ.get("ASBUILT_CACHE"):
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("asbuilt")


def worthwhile(source: Path, header: GgufHeader) -> bool:
    """True for a model of at most 1 GiB with Q4_1 weights."""
    return source.stat().st_size <= _MOST_BYTES and any(tensor.type == Q4_1 for tensor in header.tensors)


def requantized(source: Path, *, cache: Path) -> Path:
    """`source` with its Q4_1 tensors as Q8_0, from `cache` or made now (seconds) and kept there.

    The name of the kept file holds the SHA-256 of its source and of itself, so that a damaged or
    foreign file is never used: it is deleted and made again. Processes that start together make it
    once. Raises StorageError.
    """
    with source.open("rb") as stream:
        origin = file_digest(stream, "sha256").hexdigest()[:16]
    stem = f"{origin}-{_RECIPE}"
    try:
        if (kept := _kept(cache, stem)) is not None:
            return kept
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{stem}.lock"):
            if (kept := _kept(cache, stem)) is not None:
                return kept
            for bad in cache.glob(f"{stem}-*.gguf"):
                bad.unlink()
            partial = cache / f"{stem}.partial"  # one left by a process that was killed is overwritten
            _convert(source, partial)
            return partial.replace(cache / _name(stem, partial))
    except OSError as error:
        raise StorageError(
            f"cannot keep the converted model in {str(cache)!r}: {error.strerror or error}.",
            hint="Free disk space, or set ASBUILT_CACHE to another folder.",
        ) from error


def _kept(cache: Path, stem: str) -> Path | None:
    return next((file for file in cache.glob(f"{stem}-*.gguf") if file.name == _name(stem, file)), None)


def _name(stem: str, file: Path) -> str:
    with file.open("rb") as stream:
        return f"{stem}-{file_digest(stream, 'sha256').hexdigest()[:16]}.gguf"


def _convert(source: Path, target: Path) -> None:
    header = read_header(source)
    sizes = _sizes(header, source.stat().st_size)
    with source.open("rb") as old, target.open("wb") as new:
        new.write(old.read(header.tensors_start))
        offset = 0
        for tensor, size in zip(header.tensors, sizes, strict=True):
            new.write(_description(tensor, offset))
            grown = size // _Q4_1_BYTES * _Q8_0_BYTES if tensor.type == Q4_1 else size
            offset += -(-grown // header.alignment) * header.alignment
        for tensor, size in zip(header.tensors, sizes, strict=True):
            new.write(b"\0" * (-new.tell() % header.alignment))
            old.seek(header.data_start + tensor.offset)
            _copy(old, new, size, convert=tensor.type == Q4_1)
        new.flush()
        os.fsync(new.fileno())


def _sizes(header: GgufHeader, file_bytes: int) -> list[int]:
    """Bytes of each tensor: of Q4_1 ones exactly, of others up to where the next one begins."""
    starts = sorted(tensor.offset for tensor in header.tensors)
    next_start = dict(zip(starts, [*starts[1:], file_bytes - header.data_start], strict=True))
    return [
        math.prod(tensor.shape) // _BLOCK * _Q4_1_BYTES
        if tensor.type == Q4_1
        else next_start[tensor.offset] - tensor.offset
        for tensor in header.tensors
    ]


def _description(tensor: TensorInfo, offset: int) -> bytes:
    name = tensor.name.encode()
    kind = Q8_0 if tensor.type == Q4_1 else tensor.type
    shape = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
    return struct.pack("<Q", len(name)) + name + shape + struct.pack("<IQ", kind, offset)


def _copy(old: BinaryIO, new: BinaryIO, size: int, *, convert: bool) -> None:
    step = _BLOCKS_AT_ONCE * _Q4_1_BYTES
    for start in range(0, size, step):
        data = old.read(min(step, size - start))
        if len(data) < min(step, size - start):
            raise OSError(0, "the source ended early")
        if convert:
            data = q4_1_to_q8_0(np.frombuffer(data, np.uint8).reshape(-1, _Q4_1_BYTES)).tobytes()
        new.write(data)


def q4_1_to_q8_0(blocks: Bytes) -> Bytes:
    """Shape (n, 20) -> (n, 34): 32 values ``scale * level + minimum`` as ``scale * level``.

    Each value moves by at most half of a 127th of the largest magnitude in its block, plus what
    float16 rounds off the scale.
    """
    scale, minimum = (blocks[:, at : at + 2].copy().view(np.float16).astype(np.float32) for at in (0, 2))
    levels = blocks[:, 4:]
    values = np.concatenate([levels & 15, levels >> 4], axis=1) * scale + minimum
    step = np.abs(values).max(axis=1, keepdims=True) / 127
    inverse = np.divide(1, step, out=np.zeros_like(step), where=step > 0)
    out = np.empty((len(blocks), _Q8_0_BYTES), np.uint8)
    out[:, :2] = step.astype(np.float16).view(np.uint8)
    out[:, 2:] = np.rint(values * inverse).astype(np.int8).view(np.uint8)
    return out
