"""The planning kit's memory sheet: what models take in each precision, and whether they fit together.

GB are 10^9 bytes throughout, as machines and model files are sold. This is the sheet for a first
thought: weights and a flat allowance for everything else. `asbuilt plan` adds caches and buffers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from asbuilt.errors import UserError
from asbuilt.resources.models import find_model
from asbuilt.resources.weights import weights_of

__all__ = [
    "TIGHT_GB",
    "Allocation",
    "MemoryUsage",
    "ModelFootprint",
    "footprint_of",
    "plan_memory_usage",
]

TIGHT_GB = 10.0
"""With less than this left, a plan is tight."""

_BAR = 40
_COLUMNS: Mapping[str, str] = {
    "fp32": "fp32_gb", "float32": "fp32_gb", "bf16": "bf16_gb", "bfloat16": "bf16_gb", "fp16": "bf16_gb",
    "float16": "bf16_gb", "int8": "int8_gb", "int4": "int4_gb", "fp4": "fp4_gb",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelFootprint:
    """GB (10^9 bytes) that the weights of one model take in each precision.

    >>> ModelFootprint("ours", 3_000_000_000, 12.0, 6.0, 3.2, 1.9, 1.8).gb("FP16")
    6.0
    """

    name: str
    params: int
    fp32_gb: float
    bf16_gb: float
    int8_gb: float
    int4_gb: float
    fp4_gb: float

    def gb(self, precision: str) -> float:
        """GB in `precision`, one of fp32, bf16 (or fp16), int8, int4 and fp4, in any case.

        Raises UserError.
        """
        column = _COLUMNS.get(precision.strip().lower())
        if column is None:
            raise UserError(
                f"{self.name} has no footprint in precision {precision!r}.",
                hint="Precisions: fp32, bf16, fp16, int8, int4, fp4.",
            )
        return float(getattr(self, column))


@dataclass(frozen=True, slots=True)
class Allocation:
    """One model in one precision, in GB."""

    name: str
    precision: str
    gb: float


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """Models beside each other in `budget_gb`, with `additional_gb` for everything that is not weights.

    `notes` tells which names were corrected.
    """

    allocations: tuple[Allocation, ...]
    additional_gb: float
    budget_gb: float
    notes: tuple[str, ...] = ()

    @property
    def total_gb(self) -> float:
        return sum(allocation.gb for allocation in self.allocations) + self.additional_gb

    @property
    def remaining_gb(self) -> float:
        """Negative when over budget."""
        return self.budget_gb - self.total_gb

    @property
    def status(self) -> Literal["over", "tight", "good"]:
        if self.remaining_gb < 0:
            return "over"
        return "tight" if self.remaining_gb < TIGHT_GB else "good"

    @property
    def verdict(self) -> str:
        match self.status:
            case "over":
                return f"over budget by {-self.remaining_gb:.1f} GB"
            case "tight":
                return f"tight: {self.remaining_gb:.1f} GB left"
        return f"good: {self.remaining_gb:.1f} GB left"

    @property
    def bar(self) -> str:
        """How full the budget is, as text; more than full ends in an arrow."""
        share = self.total_gb / self.budget_gb
        filled = min(round(share * _BAR), _BAR)
        end = ">" if share > 1 else "]"
        return f"[{'#' * filled}{'.' * (_BAR - filled)}{end} {share:.0%}"

    def __str__(self) -> str:
        rows = [(f"{each.name} ({each.precision})", each.gb) for each in self.allocations]
        rows += [("cache, buffers, system", self.additional_gb), ("total", self.total_gb)]
        width = max(len(label) for label, _ in rows)
        lines = [f"{label:<{width}} {gb:>8.1f} GB" for label, gb in rows]
        return "\n".join([*lines, f"{self.bar} of {self.budget_gb:g} GB", self.verdict, *self.notes])


def footprint_of(name: str) -> ModelFootprint:
    """The footprint of a published model, as files of it are: int8 is Q8_0, int4 is Q4_K_M, and fp4 is NVFP4
    with embedding and head in 16 bits (MXFP4 where the model came in it).

    >>> llama = footprint_of("Llama 3.1 8B")
    >>> llama.params
    8030261248
    >>> print(f"{llama.bf16_gb:.1f} GB, or {llama.int4_gb:.1f} GB in int4")
    16.1 GB, or 4.9 GB in int4

    Raises NotFoundError with the nearest names.
    """
    model = find_model(name).model
    fp4 = "mxfp4" if model.native == "mxfp4" else "nvfp4"
    sizes = (
        weights_of(model.shape, precision).total_bytes / 1e9
        for precision in ("fp32", "bf16", "q8_0", "q4_k_m", fp4)
    )
    return ModelFootprint(model.name, model.params, *sizes)


def plan_memory_usage(
    models: Sequence[tuple[str, str]],
    additional_gb: float = 10.0,
    *,
    budget_gb: float = 128.0,
    catalogue: Mapping[str, ModelFootprint] | None = None,
) -> MemoryUsage:
    """Put models, each a name and a precision, beside each other on one machine (a DGX Spark's 128 GB).

    Names are looked up in `catalogue` first, as they are written, then among published models.

    >>> print(plan_memory_usage([("Llama 3.3 70B", "int4"), ("BGE-M3", "fp32")]))
    Llama 3.3 70B (int4)       42.5 GB
    BGE-M3 (fp32)               2.3 GB
    cache, buffers, system     10.0 GB
    total                      54.7 GB
    [#################.......................] 43% of 128 GB
    good: 73.3 GB left
    >>> mine = ModelFootprint("ours", 3_000_000_000, 12.0, 6.0, 3.2, 1.9, 1.8)
    >>> plan_memory_usage([("ours", "bf16")], budget_gb=24, catalogue={"ours": mine}).verdict
    'tight: 8.0 GB left'

    Raises NotFoundError for an unknown model, and UserError for an unknown precision or a figure that
    cannot be.
    """
    for what, value in (("additional_gb", additional_gb), ("budget_gb", budget_gb)):
        if not 0 <= value < float("inf") or (what == "budget_gb" and value == 0):
            raise UserError(f"{what} is {value!r}.", hint="Give a size in GB.")
    allocations, notes = [], []
    for name, precision in models:
        if catalogue is not None and name in catalogue:
            footprint = catalogue[name]
        else:
            footprint = footprint_of(name)
            if correction := find_model(name).correction:
                notes.append(correction)
        allocations.append(Allocation(footprint.name, precision, footprint.gb(precision)))
    return MemoryUsage(tuple(allocations), additional_gb, budget_gb, tuple(notes))
