"""Memory that is free for something new at this moment."""

from __future__ import annotations

from pathlib import Path

__all__ = ["available_bytes"]

_CGROUP = Path("/sys/fs/cgroup")


def available_bytes(*, cgroup: Path = _CGROUP) -> int:
    """Bytes of main memory that can be had without swapping: of the machine, and of the control group
    (version 2) that this process is in, where that has a limit. What only caches files counts as free."""
    import psutil

    machine = int(psutil.virtual_memory().available)
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        lines = (cgroup / "memory.stat").read_text().splitlines()
        used = sum(int(size) for name, _, size in (line.partition(" ") for line in lines) if name in _HELD)
    except (OSError, ValueError):
        return machine
    return min(machine, max(0, int(limit) - used)) if limit.isdecimal() else machine


_HELD = frozenset({"anon", "shmem", "kernel"})
"""What a control group cannot give back; see Documentation/admin-guide/cgroup-v2.rst of Linux."""
