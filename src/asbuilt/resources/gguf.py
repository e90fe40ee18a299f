"""The header of a GGUF file: what the model is, and where its tensors stand.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little endian).
"""

from __future__ import annotations

import mmap
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from asbuilt.errors import NotFoundError, UserError

__all__ = ["BLOCKS", "Q4_1", "Q8_0", "TYPE_NAMES", "TYPE_NUMBERS", "GgufHeader", "TensorInfo", "read_header"]

Q4_1, Q8_0 = 3, 8
_TYPES: Mapping[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), Q4_1: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), Q8_0: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8),
    28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip
"""Number -> name, weights in a block, bytes of a block. Source: gguf-py/gguf/constants.py in llama.cpp."""

TYPE_NAMES: Mapping[int, str] = {number: name for number, (name, _, _) in _TYPES.items()}
TYPE_NUMBERS: Mapping[str, int] = {name: number for number, name in TYPE_NAMES.items()}
BLOCKS: Mapping[int, tuple[int, int]] = {
    number: (size, bytes_) for number, (_, size, bytes_) in _TYPES.items()
}
"""Type number -> weights in a block and bytes of a block."""

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_CONTROL_TOKEN = 3


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """`shape` has the contiguous dimension first; `offset` counts from the header's `data_start`."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int

    @property
    def params(self) -> int:
        return prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Raises UserError for a type of block that is not known."""
        if self.type not in BLOCKS:
            raise UserError(
                f"tensor {self.name!r} is stored as type {self.type}, whose size is not known.",
                hint="Convert the model to a common type, such as Q8_0 or Q4_K_M.",
            )
        weights, size = BLOCKS[self.type]
        return self.params // weights * size


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """`tensors_start` and `data_start` are offsets in bytes into the file."""

    metadata: Mapping[str, Any]
    tensors: tuple[TensorInfo, ...]
    tensors_start: int
    data_start: int
    alignment: int

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    @property
    def context_length(self) -> int:
        """Tokens that the model was trained on; 0 when it does not say."""
        return int(self.metadata.get(f"{self.architecture}.context_length", 0))

    @property
    def params(self) -> int:
        return sum(tensor.params for tensor in self.tensors)

    @property
    def weights_bytes(self) -> int:
        """What its tensors take in memory. Raises UserError for a type of block that is not known."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    @property
    def quantisation(self) -> str:
        """The type of most of its matrices."""
        kinds = Counter(tensor.type for tensor in self.tensors if len(tensor.shape) > 1)
        if not kinds:
            return "none"
        kind = kinds.most_common(1)[0][0]
        return TYPE_NAMES.get(kind, f"type {kind}")

    @property
    def turn_tokens(self) -> tuple[str, ...]:
        """The control tokens that begin and end turns: the chat template's own, and end of text.

        Text that holds one of them, written out, would be read as the token itself.
        """
        tokens = self.metadata.get("tokenizer.ggml.tokens", ())
        kinds = self.metadata.get("tokenizer.ggml.token_type", ())
        template = str(self.metadata.get("tokenizer.chat_template", ""))
        ends = {self.metadata.get(f"tokenizer.ggml.{end}_token_id") for end in ("bos", "eos", "eot")}
        return tuple(
            token
            for number, (token, kind) in enumerate(zip(tokens, kinds, strict=False))
            if kind == _CONTROL_TOKEN and token and (number in ends or token in template)
        )


def read_header(file: Path) -> GgufHeader:
    """Read and check the header.

    Raises NotFoundError, or UserError when `file` is not a whole GGUF header.
    """
    try:
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data).header()
    except OSError as error:
        raise NotFoundError(f"no model file can be read at {str(file)!r}: {error.strerror}.") from error
    except (struct.error, ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
        raise UserError(
            f"{str(file)!r} is not a whole GGUF model file ({error}).",
            hint="Download or install it again.",
        ) from error


def _least_bytes(tensor: TensorInfo) -> int:
    """Its size, or 1 where its type is newer than this table."""
    return tensor.size_bytes if tensor.type in BLOCKS else 1


class _Reader:
    """Reads values from `data` one after another. Any exception means that the data are damaged."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def header(self) -> GgufHeader:
        if self._take(4) != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        version = self._number("I")
        if version not in (2, 3):
            raise ValueError(f"GGUF version {version}, known are 2 and 3")
        tensor_count, entry_count = self._number("Q"), self._number("Q")
        metadata = {self._string(): self._value(self._number("I")) for _ in range(entry_count)}
        tensors_start = self._at
        tensors = tuple(self._tensor() for _ in range(tensor_count))
        alignment = int(metadata.get("general.alignment", 32))
        data_start = -(-self._at // alignment) * alignment
        end = max((data_start + tensor.offset + _least_bytes(tensor) for tensor in tensors), default=0)
        if end > len(self._data):
            raise ValueError(f"it ends at {len(self._data)} bytes, its tensors at {end}")
        return GgufHeader(metadata, tensors, tensors_start, data_start, alignment)

    def _take(self, size: int) -> bytes:
        start, self._at = self._at, self._at + size
        if self._at > len(self._data):
            raise ValueError(f"it ends at {len(self._data)} bytes, inside its header")
        return self._data[start : self._at]

    def _number(self, kind: str) -> Any:
        return struct.unpack("<" + kind, self._take(struct.calcsize("<" + kind)))[0]

    def _string(self) -> str:
        return self._take(self._number("Q")).decode("utf-8", "replace")

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            return self._number(_NUMBERS[kind])
        inner, count = self._number("I"), self._number("Q")
        if inner == _STRING:
            return self._strings(count)
        if inner == _ARRAY:
            return [self._value(inner) for _ in range(count)]
        item = np.dtype("<" + _NUMBERS[inner])
        return np.frombuffer(self._take(count * item.itemsize), item)

    def _strings(self, count: int) -> list[str]:
        # A vocabulary has 50,000 to 250,000 entries, so this loop does without calls of its own.
        data, at, length_at = self._data, self._at, struct.Struct("<Q").unpack_from
        strings = []
        for _ in range(count):
            start = at + 8
            at = start + length_at(data, at)[0]
            if at > len(data):
                raise ValueError(f"it ends at {len(data)} bytes, inside its header")
            strings.append(data[start:at].decode("utf-8", "replace"))
        self._at = at
        return strings

    def _tensor(self) -> TensorInfo:
        name = self._string()
        shape = tuple(self._number("Q") for _ in range(self._number("I")))
        return TensorInfo(name, shape, self._number("I"), self._number("Q"))
