"""Writes small GGUF files, independently of the reader under test."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

ALIGNMENT = 32


def gguf_bytes(
    metadata: Mapping[str, Any], tensors: Sequence[tuple[str, tuple[int, ...], int, bytes]]
) -> bytes:
    """A whole file; a tensor is (name, shape, type, data)."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += _string(key) + _typed(value)
    offset, data = 0, b""
    for name, shape, kind, content in tensors:
        head += _string(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in shape)
        head += struct.pack("<IQ", kind, offset)
        data += content + b"\0" * (-len(content) % ALIGNMENT)
        offset = len(data)
    return head + b"\0" * (-len(head) % ALIGNMENT) + data


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _typed(value: Any) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int() if value < 0:
            return struct.pack("<Iq", 11, value)
        case int():
            return struct.pack("<IQ", 10, value)
        case float():
            return struct.pack("<Id", 12, value)
        case str():
            return struct.pack("<I", 8) + _string(value)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_string, value))
        case list():
            return struct.pack("<IIQ", 9, 5, len(value)) + b"".join(struct.pack("<i", each) for each in value)
    raise TypeError(f"{value!r}")
