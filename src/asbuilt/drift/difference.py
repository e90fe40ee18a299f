"""One place where the drawing and what stands there part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from asbuilt.blueprint import Fault

__all__ = ["LAYERS", "Difference", "Layer", "Report"]

Layer = Literal["ports", "contract", "wiring", "memory", "targets"]

LAYERS: dict[Layer, str] = {
    "ports": "declared inputs, outputs, needs and config against the signatures of the classes",
    "contract": "declared API against the operations that are served",
    "wiring": "declared components and needs against those that run, and their calls",
    "memory": "planned memory against the measured peak",
    "targets": "targets against the last evidence",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """`fault` says where in the blueprint, what it states and what was found instead."""

    layer: Layer
    fault: Fault

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"layer": self.layer, **self.fault.to_json()}


@dataclass(frozen=True, slots=True)
class Report:
    """`compared` says of each layer what the drawing was held against; a layer that had nothing to
    be held against is in `unknown`, with what would change that."""

    differences: tuple[Difference, ...]
    compared: dict[Layer, str]
    unknown: dict[Layer, str]
