"""Remembers calls and spans of one system, from a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from asbuilt.tracing.files import Call, add_calls, add_traces
from asbuilt.tracing.trace import Here, Trace, here

__all__ = ["Recorder"]

_log = logging.getLogger("asbuilt.tracing")

_GATHER_S = 2.0  # what comes within it is written together
_MOST_WAITING = 1000  # traces; the oldest go first
_CLOSE_WAIT_S = 5.0


class Recorder:
    """Counts calls between components and collects the spans of requests, in the state folder.

    Nothing waits for the disk: a thread, started when there is something to write, writes every two
    seconds what has come, and sleeps when nothing does. A disk that refuses costs what was to be
    remembered, and nothing else. `export` gets each finished trace as well, in that thread.
    """

    def __init__(
        self, state_folder: Path, *, digest: str, export: Callable[[Trace], None] | None = None
    ) -> None:
        self._folder = state_folder
        self._digest = digest
        self.export = export
        self._counts: Counter[Call] = Counter()
        self._unsaved: Counter[Call] = Counter()
        self._traces: deque[Trace] = deque(maxlen=_MOST_WAITING)
        self._closing = False
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def calls(self) -> dict[Call, int]:
        """How often each was seen by this recorder."""
        with self._changed:
            return dict(self._counts)

    def saw(self, call: Call) -> None:
        """Count a call."""
        with self._changed:
            self._counts[call] += 1
            self._unsaved[call] += 1
            if len(self._unsaved) == 1 or self._thread is None:
                self._wake()

    @contextmanager
    def request(self, name: str) -> Iterator[Trace]:
        """What happens inside, in this context and those copied from it, becomes one trace."""
        trace = Trace(name)
        token = here.set(Here(here.get().component, trace))
        try:
            yield trace
        finally:
            here.reset(token)
            trace.ms = trace.now_ms()
            if trace.spans:
                with self._changed:
                    self._traces.append(trace)
                    self._wake()

    def close(self) -> None:
        """Write what is left. May be called twice, and the recorder may be used again."""
        with self._changed:
            thread = self._thread
            if thread is None:
                return
            self._closing = True
            self._changed.notify()
        thread.join(_CLOSE_WAIT_S)  # a disk that hangs keeps nobody from leaving

    # ------------------------------------------------------------ the thread

    def _wake(self) -> None:
        if self._thread is None:
            self._closing = False
            self._thread = threading.Thread(target=self._write, name="asbuilt tracing", daemon=True)
            self._thread.start()
        else:
            self._changed.notify()

    def _write(self) -> None:
        ends = False
        while not ends:
            with self._changed:
                self._changed.wait_for(lambda: self._unsaved or self._traces or self._closing)
                self._changed.wait_for(lambda: self._closing, _GATHER_S)
                traces, unsaved = list(self._traces), self._unsaved
                self._traces.clear()
                self._unsaved = Counter()
                ends = self._closing
                if ends:
                    self._thread = None
            if traces:
                self._save_traces(traces)
            if unsaved:
                self._save_calls(unsaved)

    def _save_calls(self, unsaved: Counter[Call]) -> None:
        try:
            add_calls(self._folder, digest=self._digest, counts=unsaved)
        except OSError:
            with self._changed:
                self._unsaved.update(unsaved)  # next time

    def _save_traces(self, traces: list[Trace]) -> None:
        with suppress(OSError):
            add_traces(self._folder, traces)
        if self.export is None:
            return
        for trace in traces:
            try:
                self.export(trace)
            except Exception:  # another package's code, in a thread that must live on
                _log.exception("a trace cannot be exported")
