"""Layer 2: the declared API against the operations that are served."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from asbuilt.blueprint import ApiSpec, Loaded
from asbuilt.blueprint.fault import shown
from asbuilt.drift.difference import Difference

__all__ = ["contract_differences", "limit_differences"]

_PARAMETER = re.compile(r"\{[^}]*\}")


def contract_differences(loaded: Loaded, api: ApiSpec, served: Collection[str]) -> list[Difference]:
    """`served` are operations with their whole path. What parameters are called makes no difference.

    Operations outside of the declared prefix (the OpenAI-compatible ones) are not part of it, unless
    nothing at all is served below it.
    """
    tree = loaded.tree
    below = {
        _unnamed(f"{method} {path.removeprefix(api.prefix)}")
        for method, _, path in (operation.partition(" ") for operation in served)
        if path.startswith(f"{api.prefix}/")
    }
    if not below:
        message = "nothing is served below this prefix"
        return [Difference("contract", tree.fault(("api", "prefix"), message, value=shown(api.prefix)))]
    if not api.routes:
        return []
    found = [
        Difference(
            "contract",
            tree.fault(
                ("api", "routes", number),
                "is declared, but not served",
                value=shown(route),
                allowed=tuple(sorted(below)),
                word=route,
            ),
        )
        for number, route in enumerate(api.routes)
        if _unnamed(route) not in below
    ]
    declared = {_unnamed(route) for route in api.routes}
    found += [
        Difference("contract", tree.fault(("api", "routes"), "is served, but not declared", value=extra))
        for extra in sorted(below - declared)
    ]
    return found


def limit_differences(
    loaded: Loaded, declared: Mapping[str, Any], served: Mapping[str, Any]
) -> list[Difference]:
    """Every field of the section `api` but its routes, as it is declared and as it was served with."""
    return [
        Difference(
            "contract",
            loaded.tree.fault(
                ("api", name), f"is served with {shown(served.get(name))}", value=shown(declared[name])
            ),
        )
        for name in declared
        if name != "routes" and declared[name] != served.get(name)
    ]


def _unnamed(route: str) -> str:
    return _PARAMETER.sub("{}", route)
