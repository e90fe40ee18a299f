"""The headers of safetensors checkpoints: exact tensor bytes and types, without reading a weight.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from asbuilt.errors import NotFoundError, UserError
from asbuilt.resources.hf_config import shape_of_config
from asbuilt.resources.shape import Group, ModelShape
from asbuilt.resources.weights import Weights

__all__ = ["Checkpoint", "StoredTensor", "read_checkpoint"]

_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
_LONGEST_HEADER = 100_000_000
"""Bytes; the format's own limit."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """`dtype` by the format's name, such as "BF16" or "F8_E4M3"."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int

    @property
    def params(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tensors of one file or of all shards, and the shape when a config.json stands beside them.

    Packed 4-bit weights count as the bytes that hold them, so `params` is that of the tensors, not of
    the model, when `dtype` is "U8" or "I32".
    """

    tensors: tuple[StoredTensor, ...]
    shape: ModelShape | None = None

    @property
    def params(self) -> int:
        return sum(tensor.params for tensor in self.tensors)

    @property
    def weights_bytes(self) -> int:
        return sum(tensor.size_bytes for tensor in self.tensors)

    @property
    def dtype(self) -> str:
        """The type that most bytes are stored in."""
        sizes: Counter[str] = Counter()
        for tensor in self.tensors:
            sizes[tensor.dtype] += tensor.size_bytes
        return sizes.most_common(1)[0][0] if sizes else "none"

    @property
    def weights(self) -> Weights:
        sizes: Counter[Group] = Counter()
        for tensor in self.tensors:
            sizes[_group(tensor)] += tensor.size_bytes
        return Weights(dict(sizes), self.dtype.lower(), exact=True)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the header of a file, or of every shard of a folder.

    Raises NotFoundError when there is none, and UserError when one is damaged or a shard is missing, or
    for a config.json of an unknown architecture.
    """
    folder = path if path.is_dir() else path.parent
    files = _files(path) if path.is_dir() else [path]
    tensors = tuple(tensor for file in files for tensor in _tensors(file))
    config = folder / "config.json"
    shape = shape_of_config(_json(config, config.read_bytes())) if config.is_file() else None
    return Checkpoint(tensors, shape)


def _files(folder: Path) -> list[Path]:
    index = folder / _INDEX
    if not index.is_file():
        if not (folder / _SINGLE).is_file():
            raise NotFoundError(
                f"no {_SINGLE} and no {_INDEX} in {str(folder)!r}.", hint="Name a folder with a checkpoint."
            )
        return [folder / _SINGLE]
    names = _json(index, index.read_bytes()).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise _damaged(index, "it has no weight_map")
    shards = sorted(set(names.values()))
    if outside := [name for name in shards if Path(name).name != name]:
        raise _damaged(index, f"it names {outside[0]!r}, which is not a file beside it")
    return [folder / name for name in shards]


def _tensors(file: Path) -> Iterator[StoredTensor]:
    try:
        with file.open("rb") as stream:
            size = file.stat().st_size
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
                raise _damaged(file, f"a header of {length} bytes in a file of {size}")
            header = _json(file, stream.read(length))
    except OSError as error:
        raise NotFoundError(f"no checkpoint can be read at {str(file)!r}: {error.strerror}.") from error
    data = size - 8 - length
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            start, end = entry["data_offsets"]
            tensor = StoredTensor(name, str(entry["dtype"]), tuple(map(int, entry["shape"])), end - start)
        except (TypeError, ValueError, LookupError) as error:
            raise _damaged(file, f"tensor {name!r} is not described") from error
        if not 0 <= start <= end <= data:
            raise _damaged(file, f"tensor {name!r} ends at {end}, and the data at {data}")
        yield tensor


def _json(file: Path, text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(file, "it is not JSON") from error
    if not isinstance(value, dict):
        raise _damaged(file, "it is not a JSON object")
    return value


def _damaged(file: Path, why: str) -> UserError:
    return UserError(f"{str(file)!r} is not whole ({why}).", hint="Download it again.")


def _group(tensor: StoredTensor) -> Group:
    name = tensor.name
    if any(part in name for part in ("vision_tower", "vision_model", "visual.", "multi_modal_projector")):
        return "vision"
    if ".experts." in name:
        return "experts"
    if len(tensor.shape) < 2:
        return "vectors"
    if "embed" in name:
        return "embedding"
    if "lm_head" in name or "pooler" in name or "classifier" in name:
        return "head"
    if name.endswith((".mlp.gate.weight", "router.weight")):
        return "router"
    if "linear_attn" in name:
        return "recurrent"
    return "attention" if "attn" in name or "attention" in name else "feed_forward"
