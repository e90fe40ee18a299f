"""Machines: how much memory, how fast it is read, how much arithmetic.

`asbuilt.resources.probing` looks at the machine that runs this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from asbuilt.errors import NotFoundError, UserError
from asbuilt.registry import nearest

__all__ = ["GIB", "MACHINES", "Machine", "custom_machine", "find_machine"]

GIB = 2**30
_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine as a plan sees it.

    `memory_bytes` is the memory that models run in: of the whole machine when `unified` (or without a GPU),
    else of the device. `usable_bytes` is what system and driver report of it; `reserve_bytes` of that stay
    free. `bandwidth_gbs` in 10^9 bytes a second, and `compute_tflops` in dense bf16 with float32 sums, are
    None when unknown. `host_bytes` is main memory beside a device; None when `unified` or unknown.
    """

    name: str
    memory_bytes: int
    usable_bytes: int
    unified: bool
    bandwidth_gbs: float | None = None
    compute_tflops: float | None = None
    reserve_bytes: int = 0
    host_bytes: int | None = None
    device: str = ""
    source: str = ""

    @property
    def budget_bytes(self) -> int:
        """What a plan may fill."""
        return self.usable_bytes - self.reserve_bytes


_SYSTEM_BYTES = 4 * GIB
"""For the operating system and its services, where they share the memory of models."""

_MARGIN_BYTES = GIB
"""llama.cpp's own default margin on a device (`--fit-target`)."""


def _unified(
    name: str, device: str, gib: float, *, usable_gib: float, gbs: float, tflops: float, source: str
) -> Machine:
    return Machine(
        name=name, device=device, memory_bytes=round(gib * GIB), usable_bytes=round(usable_gib * GIB),
        unified=True, bandwidth_gbs=gbs, compute_tflops=tflops, reserve_bytes=_SYSTEM_BYTES, source=source,
    )  # fmt: skip


def _apple(name: str, device: str, gib: int, *, gbs: float, tflops: float) -> Machine:
    # Metal hands out three quarters of the memory (recommendedMaxWorkingSetSize); the system has the rest.
    return Machine(
        name=name, device=device, memory_bytes=gib * GIB, usable_bytes=gib * GIB * 3 // 4,
        unified=True, bandwidth_gbs=gbs, compute_tflops=tflops, reserve_bytes=_MARGIN_BYTES,
        source="Apple technical specifications; float32 arithmetic, llama.cpp discussion 4167",
    )  # fmt: skip


def _discrete(
    name: str, device: str, gb: float, *, usable_mib: int, gbs: float, tflops: float, source: str
) -> Machine:
    """`gb` as it is sold; `usable_mib` as nvidia-smi reports it."""
    return Machine(
        name=name, device=device, memory_bytes=round(gb * GIB), usable_bytes=usable_mib * _MIB,
        unified=False, bandwidth_gbs=gbs, compute_tflops=tflops, reserve_bytes=_MARGIN_BYTES, source=source,
    )  # fmt: skip


_AMPERE = "NVIDIA Ampere GA102 GPU architecture"
_ADA = "NVIDIA Ada GPU architecture"
_BLACKWELL = "NVIDIA RTX Blackwell GPU architecture"

_ALL = (
    # 1 PFLOP of sparse FP4 implies 125 of dense bf16; users measure about half of it.
    _unified("dgx-spark", "NVIDIA GB10", 128e9 / GIB, usable_gib=119.0, gbs=273, tflops=62,
             source="NVIDIA DGX Spark hardware overview"),
    _unified("strix-halo", "AMD Radeon 8060S", 128, usable_gib=120, gbs=256, tflops=59,
             source="AMD Ryzen AI Max+ 395 specifications"),
    _apple("m2-ultra", "Apple M2 Ultra", 192, gbs=800, tflops=27.2),
    _apple("m3-max", "Apple M3 Max", 128, gbs=400, tflops=14.2),
    _apple("m3-ultra", "Apple M3 Ultra", 512, gbs=819, tflops=28.2),
    _apple("m4-max", "Apple M4 Max", 128, gbs=546, tflops=18.4),
    _discrete("rtx-3090", "NVIDIA GeForce RTX 3090", 24, usable_mib=24_576, gbs=936, tflops=71,
              source=_AMPERE),
    _discrete("rtx-4090", "NVIDIA GeForce RTX 4090", 24, usable_mib=24_564, gbs=1008, tflops=165,
              source=_ADA),
    _discrete("rtx-5090", "NVIDIA GeForce RTX 5090", 32, usable_mib=32_607, gbs=1792, tflops=209,
              source=_BLACKWELL),
    _discrete("rtx-a6000", "NVIDIA RTX A6000", 48, usable_mib=49_140, gbs=768, tflops=155, source=_AMPERE),
    _discrete("rtx-6000-ada", "NVIDIA RTX 6000 Ada Generation", 48, usable_mib=49_140, gbs=960, tflops=364,
              source=_ADA),
    _discrete("l4", "NVIDIA L4", 24, usable_mib=23_034, gbs=300, tflops=121, source="NVIDIA L4 datasheet"),
    _discrete("l40s", "NVIDIA L40S", 48, usable_mib=46_068, gbs=864, tflops=362,
              source="NVIDIA L40S datasheet"),
    _discrete("a100-40gb", "NVIDIA A100-SXM4-40GB", 40, usable_mib=40_960, gbs=1555, tflops=312,
              source="NVIDIA A100 datasheet"),
    _discrete("a100-80gb", "NVIDIA A100-SXM4-80GB", 80, usable_mib=81_920, gbs=2039, tflops=312,
              source="NVIDIA A100 datasheet"),
    _discrete("h100", "NVIDIA H100 80GB HBM3", 80, usable_mib=81_559, gbs=3350, tflops=989,
              source="NVIDIA H100 datasheet"),
    _discrete("h200", "NVIDIA H200", 141, usable_mib=143_771, gbs=4800, tflops=989,
              source="NVIDIA H200 datasheet"),
    _discrete("b200", "NVIDIA B200", 180, usable_mib=182_630, gbs=7700, tflops=2250,
              source="NVIDIA DGX B200 datasheet"),
)  # fmt: skip

MACHINES: Mapping[str, Machine] = {machine.name: machine for machine in _ALL}
"""Machines by name. Cards stand without a host: `host_bytes` is None."""


def find_machine(name: str) -> Machine:
    """The machine of that name: "dgx-spark", "RTX 4090". Raises NotFoundError with the nearest."""
    word = "-".join(name.lower().replace("_", " ").replace("-", " ").split())
    if word not in MACHINES:
        close = nearest(word, tuple(MACHINES))
        hint = f"Did you mean {close!r}?" if close else f"Known: {', '.join(sorted(MACHINES))}, this-machine."
        raise NotFoundError(f"no machine is called {name!r}.", hint=hint)
    return MACHINES[word]


def custom_machine(
    *,
    memory_gib: float,
    bandwidth_gbs: float | None = None,
    compute_tflops: float | None = None,
    host_gib: float | None = None,
) -> Machine:
    """A machine that a blueprint describes: unified, unless `host_gib` says that a device has a host.

    Raises UserError unless every figure is a number above 0.
    """
    figures = {
        "memory_gib": memory_gib, "bandwidth_gbs": bandwidth_gbs, "compute_tflops": compute_tflops,
        "host_gib": host_gib,
    }  # fmt: skip
    for what, value in figures.items():
        if value is not None and not 0 < value < float("inf"):
            raise UserError(f"{what} of a machine is {value!r}.", hint="Give a number above 0.")
    memory = round(memory_gib * GIB)
    unified = host_gib is None
    # A tenth at most, so that a small machine keeps room for models.
    reserve = min(_SYSTEM_BYTES if unified else _MARGIN_BYTES, memory // 10)
    return Machine(
        name="custom",
        memory_bytes=memory,
        usable_bytes=memory,
        unified=unified,
        bandwidth_gbs=bandwidth_gbs,
        compute_tflops=compute_tflops,
        reserve_bytes=reserve,
        host_bytes=None if host_gib is None else round(host_gib * GIB),
        source="the blueprint",
    )
