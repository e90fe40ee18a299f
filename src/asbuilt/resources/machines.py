"""Machines: how much memory, how fast it is read, how much arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asbuilt.errors import NotFoundError, UserError
from asbuilt.registry import nearest

__all__ = ["GIB", "MACHINES", "Machine", "custom_machine", "find_machine"]

GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine as a plan sees it.

    `memory_bytes` is the memory that models run in: of the whole machine when `unified` (or without a GPU),
    else of the device; `usable_bytes` is what its driver or system gives out. `reserve_bytes` stays free for
    the system. `bandwidth_gbs` in 10^9 bytes a second; `compute_tflops` is dense bf16 with float32 sums,
    None when unknown. `host_bytes` is main memory beside a device; None when unknown or `unified`.
    """

    name: str
    memory_bytes: int
    usable_bytes: int
    bandwidth_gbs: float
    unified: bool
    compute_tflops: float | None = None
    reserve_bytes: int = 0
    host_bytes: int | None = None
    device: str = ""
    source: str = ""

    @property
    def budget_bytes(self) -> int:
        """What a plan may fill."""
        return self.usable_bytes - self.reserve_bytes

    @property
    def memory_gib(self) -> float:
        return self.memory_bytes / GIB


def _unified(
    name: str, device: str, gib: float, usable: float, gbs: float, tflops: float | None, source: str
) -> Machine:
    return Machine(
        name=name, device=device, memory_bytes=round(gib * GIB), usable_bytes=round(usable * GIB),
        bandwidth_gbs=gbs, unified=True, compute_tflops=tflops, reserve_bytes=4 * GIB, source=source,
    )  # fmt: skip


def _discrete(name: str, device: str, gib: float, gbs: float, tflops: float, source: str) -> Machine:
    # The driver keeps between 0.2 and 0.6 GiB for itself; another 0.5 GiB goes to the runtime's context.
    return Machine(
        name=name, device=device, memory_bytes=round(gib * GIB), usable_bytes=round((gib - 0.5) * GIB),
        bandwidth_gbs=gbs, unified=False, compute_tflops=tflops, reserve_bytes=GIB // 2, source=source,
    )  # fmt: skip


_ALL = (
    _unified("dgx-spark", "NVIDIA GB10", 119.7, 119.7, 273, 62, "NVIDIA DGX Spark hardware overview"),
    _discrete("rtx-4090", "NVIDIA GeForce RTX 4090", 24, 1008, 165, "NVIDIA Ada GPU architecture"),
)

MACHINES: Mapping[str, Machine] = {machine.name: machine for machine in _ALL}


def find_machine(name: str) -> Machine:
    """The machine of that name. Raises NotFoundError with the nearest."""
    word = name.strip().lower().replace(" ", "-").replace("_", "-")
    if word not in MACHINES:
        close = nearest(word, tuple(MACHINES))
        hint = f"Did you mean {close!r}?" if close else f"Known: {', '.join(sorted(MACHINES))}."
        raise NotFoundError(f"no machine is called {name!r}.", hint=hint)
    return MACHINES[word]


def custom_machine(*, memory_gib: float, bandwidth_gbs: float, host_gib: float | None = None) -> Machine:
    """A machine that a blueprint describes; unified unless it states `host_gib`.

    Raises UserError unless every figure is positive.
    """
    for what, value in (("memory_gib", memory_gib), ("bandwidth_gbs", bandwidth_gbs), ("host_gib", host_gib)):
        if value is not None and not value > 0:
            raise UserError(f"{what} of a machine is {value!r}.", hint="Give a number above 0.")
    memory = round(memory_gib * GIB)
    return Machine(
        name="custom",
        memory_bytes=memory,
        usable_bytes=memory,
        bandwidth_gbs=bandwidth_gbs,
        unified=host_gib is None,
        host_bytes=None if host_gib is None else round(host_gib * GIB),
        source="the blueprint",
    )
