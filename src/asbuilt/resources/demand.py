"""What a component says it takes, before it is built.

A component class states it in a static method beside its constructor::

    @component("embedder/ours")
    class OurEmbedder:
        def __init__(self, *, folder_path: Path, max_tokens: int = 256) -> None: ...

        @staticmethod
        def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:
            size = (config["folder_path"] / "model.onnx").stat().st_size
            return Demand((MemoryPart("weights", size, source="the file's size"),), dim=768)

`config` has a value for every config keyword of the constructor: the blueprint's, else the default.
`demand` reads headers and sizes at most, loads nothing, and raises what the constructor or `open`
would raise. A class without the method is shown as "not stated", never as zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from asbuilt.resources.memory import DEFAULT_MICRO_BATCH, compute_bytes, kv_cache_bytes
from asbuilt.resources.shape import ModelShape
from asbuilt.resources.weights import Weights

__all__ = ["Assumptions", "Demand", "LanguageModel", "MemoryPart", "StatesDemand", "When", "holds_nothing"]

When = Literal["serving", "ingesting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What a demand may depend on besides config.

    `chunks` in the index, `dim` of the embedder's vectors (0 when no embedder says), and whether the
    target has a GPU.
    """

    chunks: int
    dim: int = 0
    gpu: bool = False


@dataclass(frozen=True, slots=True)
class MemoryPart:
    """Memory under a name of its own. `source` says where the number comes from.

    `on_device`: in the memory of a GPU where that has its own. `shared` names what several components
    have in common, such as a library: parts with the same word count once. `when` "ingesting" is added
    while documents are embedded, "serving" stays.
    """

    name: str
    bytes: int
    source: str
    on_device: bool = False
    shared: str = ""
    when: When = "serving"


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModel:
    """A language model that llama.cpp or an engine like it holds in memory.

    `context_tokens` is for each of `slots`. `device_layers` of its layers are on a GPU; None means all.
    `name` is what the catalogue or the file calls it; `published`, its name in the catalogue, is None
    for a file of unknown origin.
    """

    name: str
    shape: ModelShape
    weights: Weights
    context_tokens: int
    slots: int
    device_layers: int | None = None
    micro_batch: int = DEFAULT_MICRO_BATCH
    published: str | None = None

    @property
    def kv_cache_bytes(self) -> int:
        return kv_cache_bytes(
            self.shape, context=self.context_tokens, slots=self.slots, micro_batch=self.micro_batch
        )

    @property
    def compute_bytes(self) -> int:
        return compute_bytes(
            self.shape, context=self.context_tokens, slots=self.slots, micro_batch=self.micro_batch
        )

    @property
    def bytes(self) -> int:
        return self.weights.total_bytes + self.kv_cache_bytes + self.compute_bytes

    @property
    def device_share(self) -> float:
        """Share of the layers that is on the GPU."""
        if self.device_layers is None:
            return 1.0
        return min(self.device_layers, self.shape.layers) / self.shape.layers

    def parts(self) -> tuple[MemoryPart, ...]:
        """Weights, KV cache and compute buffers, those on the GPU apart from the others."""
        weights = "header of the file" if self.weights.exact else f"architecture, {self.weights.precision}"
        cells = f"{self.slots} x {self.context_tokens} tokens"
        share = self.device_share
        found: list[MemoryPart] = []
        for name, size, source in (
            ("weights", self.weights.total_bytes, weights),
            ("KV cache", self.kv_cache_bytes, cells),
        ):
            on_device = round(size * share)
            for there, part in ((True, on_device), (False, size - on_device)):
                if part:
                    found.append(MemoryPart(name, part, source, on_device=there))
        batch = f"{self.micro_batch} tokens at once"
        found.append(MemoryPart("compute buffers", self.compute_bytes, batch, on_device=share > 0))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Demand:
    """What one component takes. No parts: nothing that is worth a line.

    `model` adds its own parts, and is what a plan varies when it does not fit. `dim` is the length of an
    embedder's vectors. `notes` are said aloud: a corrected name, memory that is elsewhere.
    """

    parts: tuple[MemoryPart, ...] = ()
    model: LanguageModel | None = None
    dim: int = 0
    notes: tuple[str, ...] = ()

    def all_parts(self) -> tuple[MemoryPart, ...]:
        return (*(self.model.parts() if self.model else ()), *self.parts)


def holds_nothing(config: Mapping[str, Any], assumed: Assumptions) -> Demand:  # noqa: ARG001
    """The demand of a component that loads no model and keeps no data."""
    return Demand()


@runtime_checkable
class StatesDemand(Protocol):
    """A component class that says what it takes."""

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:
        """See the module. Raises UserError, NotFoundError or MissingError for what cannot be opened."""
        ...
