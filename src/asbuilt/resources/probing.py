"""What the machine that runs this has: memory, GPU if there is one, and its speed, measured briefly."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from asbuilt.resources.machines import GIB, MACHINES, Machine

__all__ = ["Speed", "measure_speed", "probe"]

_CGROUP = Path("/sys/fs/cgroup/memory.max")
_MIB = 2**20
_BLOCK_BYTES = 64 * _MIB
"""Larger than the caches of one core."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Memory bandwidth in 10^9 bytes a second (read and written), arithmetic in 10^12 float32 operations."""

    bandwidth_gbs: float
    compute_tflops: float


def probe(*, speed: Speed | None = None) -> Machine:
    """This machine. An NVIDIA GPU is found through nvidia-smi where that is installed; none is required.

    Figures of a known GPU come from the catalogue. Without a GPU, `speed` (one that `measure_speed` found
    and the caller kept) is used as it is; without it, bandwidth and arithmetic stay None.
    """
    import psutil

    host = _memory_limit(psutil.virtual_memory().total)
    gpu = _nvidia_gpu()
    if gpu is None:
        return Machine(
            name="this-machine",
            memory_bytes=host,
            usable_bytes=host,
            unified=True,
            bandwidth_gbs=speed.bandwidth_gbs if speed else None,
            compute_tflops=speed.compute_tflops if speed else None,
            reserve_bytes=min(4 * GIB, host // 10),
            device="CPU",
            source="measured",
        )
    device, device_bytes = gpu
    known = next((machine for machine in MACHINES.values() if machine.device == device), None)
    if device_bytes is None or (known is not None and known.unified):
        # A GPU that shares main memory reports none of its own.
        facts = known or Machine(name="", memory_bytes=host, usable_bytes=host, unified=True)
        return replace(
            facts,
            name="this-machine",
            device=device,
            memory_bytes=host,
            usable_bytes=host,
            reserve_bytes=min(4 * GIB, host // 10),
            source="measured",
        )
    facts = known or Machine(name="", memory_bytes=device_bytes, usable_bytes=device_bytes, unified=False)
    return replace(
        facts,
        name="this-machine",
        device=device,
        memory_bytes=device_bytes,
        usable_bytes=device_bytes,
        reserve_bytes=min(GIB, device_bytes // 10),
        host_bytes=host,
        source="measured",
    )


def measure_speed(*, seconds: float = 0.4, threads: int | None = None) -> Speed:
    """Copy and multiply for about `seconds` in all, on `threads` (all cores that this process may use)."""
    import numpy as np

    affinity = getattr(os, "sched_getaffinity", None)  # macOS has none
    threads = threads or (len(affinity(0)) if affinity else os.cpu_count() or 1)
    source = [np.ones(_BLOCK_BYTES // 4, dtype=np.float32) for _ in range(threads)]
    target = [np.empty_like(block) for block in source]
    for index in range(threads):
        target[index][:] = 0  # pages are there before the clock starts

    def copy(index: int) -> int:
        moved, end = 0, time.perf_counter() + seconds / 2
        while time.perf_counter() < end:
            np.copyto(target[index], source[index])
            moved += 2 * _BLOCK_BYTES
        return moved

    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        moved = sum(pool.map(copy, range(threads)))
    bandwidth = moved / (time.perf_counter() - start) / 1e9

    side = 1024
    matrix = source[0][: side * side].reshape(side, side)
    matrix @ matrix  # the library's threads start before the clock
    operations, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds / 2:
        matrix @ matrix
        operations += 2 * side**3
    return Speed(bandwidth, operations / (time.perf_counter() - start) / 1e12)


def _memory_limit(total: int, cgroup: Path = _CGROUP) -> int:
    """`total`, or less where a container may use less."""
    try:
        limit = cgroup.read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def _nvidia_gpu() -> tuple[str, int | None] | None:
    """Name and memory in bytes of the largest GPU; memory None where it has none of its own."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    try:
        run = subprocess.run(
            [command, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    gpus = [line.rpartition(",") for line in run.stdout.splitlines() if "," in line]
    sizes = [(name.strip(), int(size) * _MIB if size.strip().isdigit() else None) for name, _, size in gpus]
    return max(sizes, key=lambda gpu: gpu[1] or 0, default=None)
