"""Requests and what happens in them: values, and where the running code stands."""

from __future__ import annotations

import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import uuid4

__all__ = ["Here", "Span", "Trace", "here"]

_MOST_SPANS = 500  # of one request


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a request: what `component` did, from `start_ms` after the request's begin. `parent` is the
    position of the span that it happened in; None for the first level. Tokens are those of an answer, and
    `model` what wrote it."""

    component: str
    method: str
    parent: int | None
    start_ms: float
    ms: float
    failed: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    model: str = ""


@dataclass(slots=True)
class Trace:
    """One request and its spans, in the order in which they began; one that never ended is None."""

    name: str
    began: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.perf_counter)
    ms: float = 0.0
    id: str = field(default_factory=lambda: uuid4().hex)
    spans: list[Span | None] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def begin(self) -> int | None:
        """The position of a new span; None when there are too many. From any thread."""
        with self._lock:
            if len(self.spans) >= _MOST_SPANS:
                return None
            self.spans.append(None)
            return len(self.spans) - 1

    def now_ms(self) -> float:
        """Milliseconds since the request began."""
        return round(1000 * (time.perf_counter() - self.clock), 3)

    def to_json(self) -> dict[str, Any]:
        """A line of the file of spans."""
        return {
            "id": self.id,
            "name": self.name,
            "began": self.began,
            "ms": self.ms,
            "spans": [span and {name: getattr(span, name) for name in Span.__slots__} for span in self.spans],
        }


class Here(NamedTuple):
    """The component that works now, and the request and its span that it works in."""

    component: str | None = None
    trace: Trace | None = None
    span: int | None = None


here: ContextVar[Here] = ContextVar("asbuilt_here", default=Here())  # noqa: B039  it is frozen
"""Copied into worker threads and tasks with the rest of the context."""
