"""The header of a GGUF file: what the model is, and where its tensors stand.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little endian).
"""

from __future__ import annotations

import mmap
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asbuilt.errors import NotFoundError, UserError

__all__ = ["Q4_1", "Q8_0", "TYPE_NAMES", "GgufHeader", "TensorInfo", "read_header"]

Q4_1, Q8_0 = 3, 8
TYPE_NAMES = {
    0: "F32", 1: "F16", 2: "Q4_0", Q4_1: "Q4_1", 6: "Q5_0", 7: "Q5_1", Q8_0: "Q8_0", 10: "Q2_K",
    11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 20: "IQ4_NL", 23: "IQ4_XS", 30: "BF16", 39: "MXFP4",
}  # fmt: skip
"""The tensor types that models are commonly stored in."""

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
        last = max((data_start + tensor.offset for tensor in tensors), default=0)
        if last >= len(self._data):
            raise ValueError(f"it ends at {len(self._data)} bytes, before its last tensor at {last}")
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
