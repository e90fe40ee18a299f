"""One thing wrong with a blueprint, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["Fault", "Severity", "Steps", "dotted", "in_order", "shown"]

Severity = Literal["error", "warning"]

Steps = tuple[str | int, ...]
"""The way from the top of a blueprint to something in it: keys and list positions."""

_MAX_SHOWN = 60  # characters of a value
_MAX_ALLOWED = 12  # alternatives that a line lists


@dataclass(frozen=True, slots=True)
class Fault:
    """Where (counted from 1), what, the value found there, what was allowed, the nearest of these.

    `path` leads from the top of the blueprint to the place: ``components.retriever.config.top_k``.
    `value` is already fit to be shown: shortened, and empty where it must not be seen.
    """

    line: int
    column: int
    path: str
    message: str
    value: str = ""
    allowed: tuple[str, ...] = ()
    nearest: str | None = None
    severity: Severity = "error"

    def format(self, file: Path | str) -> str:
        """One line: ``file:line:column: path: message (value); allowed: ...; did you mean ...?``"""
        parts = [self.message + (f" ({self.value})" if self.value else "")]
        if self.allowed:
            more = len(self.allowed) - _MAX_ALLOWED
            listed = ", ".join(self.allowed[:_MAX_ALLOWED]) + (f" and {more} more" if more > 0 else "")
            parts.append(f"allowed: {listed}")
        if self.nearest is not None:
            parts.append(f"did you mean {self.nearest!r}?")
        kind = "warning: " if self.severity == "warning" else ""
        path = f"{self.path}: " if self.path else ""
        return f"{file}:{self.line}:{self.column}: {kind}{path}{'; '.join(parts)}"

    def to_json(self) -> dict[str, Any]:
        """For programs: every field under its own name."""
        return {
            "severity": self.severity,
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "message": self.message,
            "value": self.value,
            "allowed": list(self.allowed),
            "nearest": self.nearest,
        }


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """As they stand in the file."""
    return tuple(sorted(faults, key=lambda fault: (fault.line, fault.column, fault.path, fault.message)))


def dotted(steps: Steps) -> str:
    """``("components", "x", "inputs", 0)`` -> ``components.x.inputs[0]``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def shown(value: Any) -> str:
    """A value as messages show it: on one line, not too long."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."
