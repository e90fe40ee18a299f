"""asbuilt: design, plan, build, serve and prove an AI system on one workstation, from one blueprint.

The public names, nothing else. Each is imported when it is first used, so that ``import asbuilt``
costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asbuilt.blueprint import Blueprint
    from asbuilt.errors import AsbuiltError
    from asbuilt.registry import component
    from asbuilt.system import System
    from asbuilt.tools.function import tool
    from asbuilt.types import Answer, Chunk, Citation, Document, GenerationOptions, Hit, Message

__all__ = [
    "Answer",
    "AsbuiltError",
    "Blueprint",
    "Chunk",
    "Citation",
    "Document",
    "GenerationOptions",
    "Hit",
    "Message",
    "System",
    "component",
    "tool",
]
__version__ = "0.1.0"

_HOME = {
    "AsbuiltError": "asbuilt.errors",
    "Blueprint": "asbuilt.blueprint",
    "System": "asbuilt.system",
    "component": "asbuilt.registry",
    "tool": "asbuilt.tools.function",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'asbuilt' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME.get(name, "asbuilt.types")), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
