"""What the process takes that is no component's."""

from __future__ import annotations

from collections.abc import Collection

from asbuilt.resources.demand import MemoryPart

__all__ = ["PROCESS", "process_parts"]

_MIB = 1 << 20
_KNOWLEDGE_ROLES = frozenset(("chunker", "embedder", "index"))

PROCESS = "process"
"""Stands where a component's name would."""


def process_parts(roles: Collection[str]) -> tuple[MemoryPart, ...]:
    """Of a served system whose components play `roles`.

    Measured once: benchmarks/memory_prediction.py --parts; x86-64, Python 3.11.
    """
    parts = [MemoryPart("Python and web server", 110 * _MIB, "measured: a system with nothing in it")]
    if set(roles) >= _KNOWLEDGE_ROLES:
        parts.append(MemoryPart("readers", 4 * _MIB, "measured: PDF, Office and text readers"))
    return tuple(parts)
