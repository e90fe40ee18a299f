"""Layer 4: planned memory against the measured peak."""

from __future__ import annotations

from asbuilt.blueprint import Loaded
from asbuilt.drift.difference import Difference

__all__ = ["TOLERANCE", "memory_differences"]

TOLERANCE = 0.10
"""Share of the prediction that a peak may lie above or below it; serving is predicted within 5 %."""

_GIB = 2**30


def memory_differences(
    loaded: Loaded, *, predicted_bytes: int, usable_bytes: int, peak_bytes: int
) -> list[Difference]:
    """`predicted_bytes` is the plan of the blueprint as it stands now, `usable_bytes` what its target
    machine has for it, `peak_bytes` the last measured peak of serving it."""
    found = []
    if peak_bytes > usable_bytes:
        found.append(
            f"the measured peak of {peak_bytes / _GIB:.2f} GiB does not fit into the "
            f"{usable_bytes / _GIB:.2f} GiB that this machine has for it"
        )
    error = peak_bytes / predicted_bytes - 1
    if abs(error) > TOLERANCE:
        found.append(
            f"planned are {predicted_bytes / _GIB:.2f} GiB, measured was a peak of "
            f"{peak_bytes / _GIB:.2f} GiB ({error:+.0%}; up to {TOLERANCE:.0%} is no difference)"
        )
    return [Difference("memory", loaded.tree.fault(("target",), message)) for message in found]
