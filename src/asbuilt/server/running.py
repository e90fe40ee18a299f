"""What was served last: written when the service comes up, so that it can be held against the drawing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asbuilt.blueprint import ApiSpec
from asbuilt.blueprint.data import to_data
from asbuilt.blueprint.wiring import wiring
from asbuilt.errors import StorageError
from asbuilt.system import System

__all__ = ["Running", "api_values", "last_served", "operations", "remember_served"]

_FILE = "served.json"
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})


@dataclass(frozen=True, slots=True)
class Running:
    """`wiring` is as `asbuilt.blueprint.wiring` says it, `api` every field of the blueprint's section of
    that name; `operations` are ``POST /api/v1/chat`` and so on."""

    digest: str
    url: str
    pid: int
    started: str
    wiring: Mapping[str, Mapping[str, Any]]
    api: Mapping[str, Any]
    operations: tuple[str, ...]


def operations(openapi: Mapping[str, Any]) -> tuple[str, ...]:
    """The operations of an OpenAPI document, sorted."""
    return tuple(
        sorted(
            f"{method.upper()} {path}"
            for path, item in openapi.get("paths", {}).items()
            for method in item
            if method in _METHODS
        )
    )


def api_values(api: ApiSpec) -> dict[str, Any]:
    """Every field of the section as JSON has it, those with their default too."""
    return {each.name: to_data(getattr(api, each.name)) for each in fields(api)}


def remember_served(system: System, openapi: Mapping[str, Any], url: str) -> None:
    """Note what is served now, in the state folder. A disk that refuses does not stop the service."""
    running = Running(
        digest=system.blueprint.digest,
        url=url,
        pid=os.getpid(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        wiring=wiring(system.blueprint),
        api=api_values(system.blueprint.api),
        operations=operations(openapi),
    )
    aside = system.state_folder / f".{_FILE}.{os.getpid()}.new"
    try:
        aside.write_text(json.dumps(asdict(running), indent=2) + "\n", encoding="utf-8")
        aside.replace(system.state_folder / _FILE)
    except OSError:
        aside.unlink(missing_ok=True)


def last_served(state_folder: Path) -> Running | None:
    """What was served last, or is served now; None when nothing was. Raises StorageError."""
    file = state_folder / _FILE
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return Running(**{**data, "operations": tuple(data["operations"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{file} cannot be read: {error}.", hint="Delete it and serve again.") from error
