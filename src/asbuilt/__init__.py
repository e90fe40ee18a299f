"""asbuilt: design, plan, build, serve and prove an AI system on one workstation, from one blueprint.

The public names, nothing else. Each is imported when it is first used, so that ``import asbuilt``
costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asbuilt.blueprint import (
        PATTERN_REFERENCE,
        Blueprint,
        ComponentSpec,
        ComponentStatus,
        EvaluationMetric,
        EvaluationPlan,
        MachineSpec,
        PortSpec,
        SystemArchitecture,
        SystemSpec,
        show_pattern,
    )
    from asbuilt.errors import AsbuiltError
    from asbuilt.registry import component
    from asbuilt.resources.footprint import ModelFootprint, plan_memory_usage
    from asbuilt.system import System
    from asbuilt.tools.function import tool
    from asbuilt.types import Answer, Chunk, Citation, Document, GenerationOptions, Hit, Message

__all__ = [
    "PATTERN_REFERENCE",
    "Answer",
    "AsbuiltError",
    "Blueprint",
    "Chunk",
    "Citation",
    "ComponentSpec",
    "ComponentStatus",
    "Document",
    "EvaluationMetric",
    "EvaluationPlan",
    "GenerationOptions",
    "Hit",
    "MachineSpec",
    "Message",
    "ModelFootprint",
    "PortSpec",
    "System",
    "SystemArchitecture",
    "SystemSpec",
    "component",
    "plan_memory_usage",
    "show_pattern",
    "tool",
]
__version__ = "0.1.0"

_NAMES_OF = {
    "asbuilt.blueprint": (
        "PATTERN_REFERENCE", "Blueprint", "ComponentSpec", "ComponentStatus", "EvaluationMetric",
        "EvaluationPlan", "MachineSpec", "PortSpec", "SystemArchitecture", "SystemSpec", "show_pattern",
    ),
    "asbuilt.errors": ("AsbuiltError",),
    "asbuilt.registry": ("component",),
    "asbuilt.resources.footprint": ("ModelFootprint", "plan_memory_usage"),
    "asbuilt.system": ("System",),
    "asbuilt.tools.function": ("tool",),
    "asbuilt.types": ("Answer", "Chunk", "Citation", "Document", "GenerationOptions", "Hit", "Message"),
}  # fmt: skip
_HOME = {name: module for module, names in _NAMES_OF.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'asbuilt' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
