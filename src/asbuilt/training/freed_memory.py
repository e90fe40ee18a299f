"""What a training has freed goes back to the system at once."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["return_freed_memory"]

_M_MMAP_THRESHOLD = -3  # malloc.h
_THRESHOLD_BYTES = 2**20


def return_freed_memory() -> None:
    """From now on, blocks of 1 MiB and more are mapped one by one and unmapped when they are freed (glibc;
    elsewhere nothing changes).

    By default glibc raises that threshold to 32 MiB as blocks are freed, and keeps what is below it in a
    heap that tensors of changing sizes leave full of holes: four checkpointed rows of the starter model then
    take 2.01 GiB instead of 1.26, at the same speed (benchmarks/training_memory.py).
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(ctypes.c_int(_M_MMAP_THRESHOLD), ctypes.c_int(_THRESHOLD_BYTES))
