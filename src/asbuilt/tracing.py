"""Which component calls which while a system runs, and the spans of requests.

The public methods of a component's role are wrapped on the instance. Who calls is known from the
context: while a component works, it is the *current* one, in its threads and streams too. So a call
is seen whether it goes through a declared need or around it.
"""

from __future__ import annotations

import inspect
import json
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import uuid4

from asbuilt.errors import StorageError

__all__ = ["Call", "Observed", "Recorder", "Span", "Trace", "observe", "read_calls"]

_CALLS, _SPANS, _OLDER_SPANS = "calls.json", "spans.jsonl", "spans.older.jsonl"
_MOST_SPAN_BYTES = 4 * 2**20  # of each of the two files
_MOST_SPANS = 500  # of one request


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """`caller` and `callee` are names of components, `method` is the callee's."""

    caller: str
    callee: str
    method: str


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a request: what `component` did, from `start_ms` after the request's begin. `parent` is the
    position of the span that it happened in; None for the first level."""

    component: str
    method: str
    parent: int | None
    start_ms: float
    ms: float
    failed: bool = False


@dataclass(slots=True)
class Trace:
    """One request and its spans, in the order in which they began."""

    name: str
    began: float = field(default_factory=time.time)
    clock: float = field(default_factory=time.perf_counter)
    ms: float = 0.0
    id: str = field(default_factory=lambda: uuid4().hex)
    spans: list[Span | None] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """A line of the file of spans; spans that never ended are left out of it."""
        spans = [None if span is None else asdict(span) for span in self.spans]
        return {"id": self.id, "name": self.name, "began": self.began, "ms": self.ms, "spans": spans}


_component: ContextVar[str | None] = ContextVar("asbuilt_component", default=None)
_trace: ContextVar[Trace | None] = ContextVar("asbuilt_trace", default=None)
_parent: ContextVar[int | None] = ContextVar("asbuilt_parent_span", default=None)


class Recorder:
    """Remembers calls and spans of one system in its state folder.

    A pair of components that was not seen before is written down at once, a request's spans when it
    ends, in two files that take turns and are never larger than 8 MiB together. A disk that refuses
    costs what was to be remembered, and nothing else. `export` gets each finished trace as well.
    """

    def __init__(
        self, state_folder: Path, *, digest: str, export: Callable[[Trace], None] | None = None
    ) -> None:
        self._folder = state_folder
        self._digest = digest
        self.export = export
        self._counts: Counter[Call] = Counter()
        self._lock = threading.Lock()

    def calls(self) -> dict[Call, int]:
        """How often each was seen by this recorder."""
        with self._lock:
            return dict(self._counts)

    def saw(self, call: Call) -> None:
        """Count a call."""
        with self._lock:
            is_new = call not in self._counts
            self._counts[call] += 1
            if is_new:
                self._write_calls()

    @contextmanager
    def request(self, name: str) -> Iterator[Trace]:
        """What happens inside, in this context and those copied from it, becomes one trace."""
        trace = Trace(name)
        tokens = _trace.set(trace), _parent.set(None)
        try:
            yield trace
        finally:
            _trace.reset(tokens[0])
            _parent.reset(tokens[1])
            trace.ms = _since(trace.clock)
            if trace.spans:
                self._write_trace(trace)
                if self.export is not None:
                    self.export(trace)

    def _write_calls(self) -> None:
        file = self._folder / _CALLS
        known = set(self._counts)
        try:
            digest, calls = _read(file)
            if digest == self._digest:
                known |= calls
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not there yet, or not ours: it is replaced
        content = {"digest": self._digest, "calls": [asdict(call) for call in sorted(known)]}
        aside = file.with_name(f".{file.name}.{os.getpid()}.new")
        try:
            aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            aside.replace(file)
        except OSError:
            aside.unlink(missing_ok=True)

    def _write_trace(self, trace: Trace) -> None:
        file = self._folder / _SPANS
        line = json.dumps(trace.to_json()) + "\n"
        with self._lock:
            try:
                with file.open("a", encoding="utf-8") as stream:
                    stream.write(line)  # in one piece: other processes append too
                    full = stream.tell() > _MOST_SPAN_BYTES
                if full:
                    file.replace(self._folder / _OLDER_SPANS)
            except OSError:
                return


def read_calls(state_folder: Path) -> tuple[str, frozenset[Call]] | None:
    """The digest of the blueprint that ran last, and the calls that were seen; None when none were.

    Raises StorageError for a file that cannot be read.
    """
    file = state_folder / _CALLS
    try:
        digest, calls = _read(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{file} cannot be read: {error}.", hint="Delete it and serve again.") from error
    return digest, frozenset(calls)


def _read(file: Path) -> tuple[str, set[Call]]:
    content = json.loads(file.read_text(encoding="utf-8"))
    return str(content["digest"]), {Call(**each) for each in content["calls"]}


# ---------------------------------------------------------------- components


class Observed:
    """One component under observation, for the calls of its methods."""

    def __init__(self, name: str, recorder: Recorder) -> None:
        self.name = name
        self._recorder = recorder

    def called(self, method: str) -> None:
        """Count a call by the component that works now, if one does."""
        caller = _component.get()
        if caller is not None and caller != self.name:
            self._recorder.saw(Call(caller, self.name, method))

    @contextmanager
    def working(self, method: str) -> Iterator[None]:
        """The component is the current one inside, and what it does is a span of the request."""
        self.called(method)
        with self._span(method), _set(_component, self.name):
            yield

    @contextmanager
    def _span(self, method: str) -> Iterator[None]:
        trace = _trace.get()
        if trace is None or len(trace.spans) >= _MOST_SPANS:
            yield
            return
        at, parent, start = len(trace.spans), _parent.get(), _since(trace.clock)
        trace.spans.append(None)
        failed = True
        try:
            with _set(_parent, at):
                yield
            failed = False
        finally:
            ms = _since(trace.clock) - start
            trace.spans[at] = Span(self.name, method, parent, start, round(ms, 3), failed)


def observe(part: object, *, name: str, methods: Sequence[str], recorder: Recorder) -> None:
    """Wrap `methods` of `part`, on this instance only. One whose class has no room for that (`__slots__`)
    is left alone."""
    observed = Observed(name, recorder)
    for method in methods:
        original = getattr(part, method, None)
        if callable(original):
            try:
                setattr(part, method, _wrapped(original, method, observed))
            except AttributeError:
                return


def _wrapped(original: Callable[..., Any], method: str, observed: Observed) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(original):

        @wraps(original)
        async def stream(*args: Any, **keywords: Any) -> AsyncIterator[Any]:
            # Between two items the consumer works, not the component: each step is entered on its own.
            steps = _Steps(observed, method)
            async with aclosing(original(*args, **keywords)) as items:
                while True:
                    with steps.step():
                        item = await anext(items, _END)
                    if item is _END:
                        break
                    yield item

        return stream

    @wraps(original)
    def call(*args: Any, **keywords: Any) -> Any:
        with observed.working(method):
            return original(*args, **keywords)

    return call


_END = object()


class _Steps:
    """A stream: one call and one span, from its first step to its last."""

    def __init__(self, observed: Observed, method: str) -> None:
        self._observed = observed
        self._method = method
        self._at: int | None = None
        self._start = 0.0
        self._parent: int | None = None
        self._begun = False

    @contextmanager
    def step(self) -> Iterator[None]:
        trace = _trace.get()
        if not self._begun:
            self._begin(trace)
        failed = True
        try:
            with _set(_component, self._observed.name), _set(_parent, self._at):
                yield
            failed = False
        finally:
            if trace is not None and self._at is not None:
                ms = round(_since(trace.clock) - self._start, 3)
                name = self._observed.name
                trace.spans[self._at] = Span(name, self._method, self._parent, self._start, ms, failed)

    def _begin(self, trace: Trace | None) -> None:
        self._begun = True
        self._observed.called(self._method)
        self._parent = _parent.get()
        if trace is not None and len(trace.spans) < _MOST_SPANS:
            self._at, self._start = len(trace.spans), _since(trace.clock)
            trace.spans.append(None)


@contextmanager
def _set(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def _since(clock: float) -> float:
    return round(1000 * (time.perf_counter() - clock), 3)
