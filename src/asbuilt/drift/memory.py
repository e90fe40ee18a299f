"""Layer 4: planned memory against the measured peak."""

from __future__ import annotations

from asbuilt.blueprint import Loaded
from asbuilt.drift.difference import Difference

__all__ = ["TOLERANCE", "memory_differences"]

TOLERANCE = 0.05
"""Share of the prediction by which a peak may exceed it. One that stays below is no difference: a
service that was asked little never fills its caches."""

_GIB = 2**30


def memory_differences(
    loaded: Loaded, *, predicted_bytes: int, budget_bytes: int, peak_bytes: int
) -> list[Difference]:
    """`predicted_bytes` is planned for this machine by the blueprint as it stands now, `budget_bytes` what
    its target machine has for it, `peak_bytes` the last measured peak of serving it here."""
    peak = f"the last service took {peak_bytes / _GIB:.2f} GiB at its peak"
    found = []
    if peak_bytes > budget_bytes:
        found.append(f"{peak}; this target has {budget_bytes / _GIB:.2f} GiB for it")
    if peak_bytes > (1 + TOLERANCE) * predicted_bytes:
        found.append(f"{peak}; planned are {predicted_bytes / _GIB:.2f} GiB (`asbuilt plan` shows of what)")
    return [Difference("memory", loaded.tree.fault(("target",), message)) for message in found]
