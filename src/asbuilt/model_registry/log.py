"""The registry's log: one line an event, and what it says of the versions that were in production."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from asbuilt.errors import StorageError
from asbuilt.model_registry.durable import append_line

__all__ = ["Action", "LogEntry", "append", "in_production", "read"]

Action = Literal["register", "promote", "rollback", "canary-start", "canary-end", "open-failed", "gc"]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An event, written before it took effect. `before` is what was in production then: a promotion or
    rollback that a kill or a full disk cut short is told by the `before` of the next one."""

    at: str
    action: Action
    version: str | None
    before: str | None
    reason: str = ""
    share: float | None = None


def append(file: Path, entry: LogEntry) -> None:
    """Add an entry, synced. Raises OSError."""
    append_line(file, json.dumps(asdict(entry), ensure_ascii=False))


def read(file: Path) -> list[LogEntry]:
    """All entries, oldest first; what a killed writer left of a line is not one.

    Raises StorageError for a line that is none, and OSError.
    """
    if not file.exists():
        return []
    *lines, _torn = file.read_bytes().split(b"\n")
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entries.append(LogEntry(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise StorageError(
                f"line {number} of {str(file)!r} is no entry of a log.", hint="Restore it from a backup."
            ) from error
    return entries


def in_production(entries: Sequence[LogEntry], now: str | None) -> list[str]:
    """The versions that rollbacks lead back through, oldest first; the last is `now`, in production.

    A promotion adds one and a rollback takes the last away. An entry took effect when the next one
    found its version in production, the last when `now` is its version.
    """
    moves = [entry for entry in entries if entry.action in ("promote", "rollback")]
    stack: list[str] = []
    for at, entry in enumerate(moves, 1):
        if entry.version != (moves[at].before if at < len(moves) else now):
            continue
        if entry.action == "rollback":
            del stack[-1:]
        elif entry.version is not None:
            stack.append(entry.version)
    if now is not None and stack[-1:] != [now]:
        stack.append(now)  # put there by hand, or the log was lost
    return stack
