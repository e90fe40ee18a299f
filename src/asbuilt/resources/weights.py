"""Bytes of a model's weights, by where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asbuilt.resources.precision import find_precision
from asbuilt.resources.shape import Group, ModelShape

__all__ = ["StoredModel", "Weights", "weights_of"]


@dataclass(frozen=True, slots=True)
class Weights:
    """`by_group` in bytes. `exact`: added up from a file's header rather than computed from a precision."""

    by_group: Mapping[Group, int]
    precision: str
    exact: bool = False

    @property
    def total_bytes(self) -> int:
        return sum(self.by_group.values())


@dataclass(frozen=True, slots=True)
class StoredModel:
    """What the headers of a model's files tell: its shape, its exact weights, and its parameters."""

    shape: ModelShape
    weights: Weights
    params: int


def weights_of(shape: ModelShape, precision: str) -> Weights:
    """The weights of a model stored in `precision` (a name that `find_precision` knows).

    A tower for pictures stays in 16 bits (32 in fp32), as it is published.
    """
    form = find_precision(precision)
    params = shape.params_by_group
    bits: dict[Group, float] = {
        "embedding": params["embedding"] * form.embedding_bits_of(shape),
        "vectors": params["vectors"] * form.vector_bits,
    }
    for linear in shape.linears():
        here = linear.params * form.linear_bits(linear, shape.layers)
        bits[linear.group] = bits.get(linear.group, 0) + here
    tower = 32 if form.name == "fp32" else 16
    if shape.vision:
        bits["vision"] = params["vision"] * tower
    if shape.audio:
        # An encoder of sound is quantised together with its decoder.
        bits["audio"] = params["audio"] * form.bits
    return Weights({group: round(number / 8) for group, number in bits.items()}, form.name)
