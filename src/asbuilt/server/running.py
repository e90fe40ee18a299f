"""What was served last: written when the service comes up, so that it can be held against the drawing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asbuilt.blueprint.wiring import wiring
from asbuilt.errors import StorageError
from asbuilt.system import System

__all__ = ["Running", "last_served", "operations", "remember_served"]

_FILE = "served.json"
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})


@dataclass(frozen=True, slots=True)
class Running:
    """`wiring` is as `asbuilt.blueprint.wiring` says it; `operations` are ``POST /api/v1/chat`` and so on."""

    digest: str
    url: str
    pid: int
    started: str
    wiring: Mapping[str, Mapping[str, Any]]
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


def remember_served(system: System, openapi: Mapping[str, Any], url: str) -> None:
    """Note what is served now, in the state folder. A disk that refuses does not stop the service."""
    running = Running(
        digest=system.blueprint.digest,
        url=url,
        pid=os.getpid(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        wiring=wiring(system.blueprint),
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
