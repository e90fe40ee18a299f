"""Demands added up, and held against a machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from asbuilt.resources.demand import MemoryPart
from asbuilt.resources.machines import Machine

__all__ = ["Fit", "MemoryPlan", "MemoryRow", "Verdict", "fit", "has_gpu", "rows_of"]

Verdict = Literal["over", "tight", "good"]

_TIGHT_BYTES = 10 * 10**9
_TIGHT_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """A part, and the component that takes it."""

    component: str
    part: MemoryPart


@dataclass(frozen=True, slots=True)
class Fit:
    """How bytes lie in one memory. `spare_bytes` is negative when it is over."""

    memory: Literal["memory", "GPU", "host"]
    need_bytes: int
    budget_bytes: int

    @property
    def spare_bytes(self) -> int:
        return self.budget_bytes - self.need_bytes

    @property
    def verdict(self) -> Verdict:
        """Tight: less than 10 GB left, or less than a tenth where that is not even 100 GB."""
        if self.spare_bytes < 0:
            return "over"
        tight = self.spare_bytes < min(_TIGHT_BYTES, _TIGHT_SHARE * self.budget_bytes)
        return "tight" if tight else "good"


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Every part of a system in the memory of a machine; what components share counts once."""

    rows: tuple[MemoryRow, ...]
    machine: Machine

    @property
    def serving_bytes(self) -> int:
        """While it answers."""
        return sum(row.part.bytes for row in self.rows if row.part.when == "serving")

    @property
    def total_bytes(self) -> int:
        """While it answers and embeds documents at the same time."""
        return sum(row.part.bytes for row in self.rows)

    @property
    def process_bytes(self) -> int:
        """Of `serving_bytes`, what the system counts as the process's own: without what is on a GPU."""
        return sum(
            row.part.bytes
            for row in self.rows
            if row.part.when == "serving" and not (row.part.on_device and has_gpu(self.machine))
        )

    @property
    def fits(self) -> tuple[Fit, ...]:
        return fit((row.part for row in self.rows), self.machine)

    @property
    def tightest(self) -> Fit:
        """Of the memories of the machine, the one that decides."""
        return min(self.fits, key=lambda each: each.spare_bytes)

    @property
    def verdict(self) -> Verdict:
        return self.tightest.verdict


def fit(parts: Iterable[MemoryPart], machine: Machine) -> tuple[Fit, ...]:
    """One memory where it is shared; else the GPU's, and the host's where its size is known."""
    parts = tuple(parts)
    if machine.unified:
        return (Fit("memory", sum(part.bytes for part in parts), machine.budget_bytes),)
    device = sum(part.bytes for part in parts if part.on_device)
    found = [Fit("GPU", device, machine.budget_bytes)]
    if machine.host_bytes is not None:
        host = sum(part.bytes for part in parts if not part.on_device)
        found.append(Fit("host", host, machine.host_bytes - _host_reserve(machine.host_bytes)))
    return tuple(found)


def has_gpu(machine: Machine) -> bool:
    """Whether models can run on a GPU there. A machine that a blueprint describes in numbers counts as one:
    the figures are those of the memory that models run in."""
    return machine.device != "CPU"


def _host_reserve(host_bytes: int) -> int:
    return min(4 << 30, host_bytes // 10)


def rows_of(demands: Mapping[str, Iterable[MemoryPart]]) -> tuple[MemoryRow, ...]:
    """The parts of each component, in order; a shared part stands with the first that has it."""
    seen: set[str] = set()
    rows: list[MemoryRow] = []
    for component, parts in demands.items():
        for part in parts:
            if part.shared:
                if part.shared in seen:
                    continue
                seen.add(part.shared)
            rows.append(MemoryRow(component, part))
    return tuple(rows)
