"""Which component is played by what, with which config, and is given which others."""

from __future__ import annotations

from typing import Any

from asbuilt.blueprint.needs import resolve_needs
from asbuilt.blueprint.spec import Blueprint

__all__ = ["wiring"]


def wiring(blueprint: Blueprint) -> dict[str, dict[str, Any]]:
    """Each built component with `use`, `config` and resolved `needs` (keyword to name or names), as JSON
    values: what a running process was built from, for comparing it with the drawing later.

    Raises BlueprintError for needs that cannot be met.
    """
    needs = resolve_needs(blueprint)
    return {
        each.name: {
            "use": each.use,
            "config": dict(each.config),
            "needs": {
                need: target if isinstance(target, str) else list(target)
                for need, target in needs.get(each.name, {}).items()
            },
        }
        for each in blueprint.components
        if each.use is not None
    }
