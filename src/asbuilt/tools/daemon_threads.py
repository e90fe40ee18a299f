"""Threads that are used again, and that never keep a process alive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

__all__ = ["DaemonThreads"]

_IDLE_S = 10.0


class DaemonThreads:
    """Runs work in as many threads as are needed at once. Unlike those of an executor they are daemons: work
    that never returns does not keep the interpreter from ending. A thread that has had nothing to do
    for ten seconds ends."""

    def __init__(self, *, name: str) -> None:
        self._name = name
        self._idle = threading.Semaphore(0)
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def start(self, work: Callable[[], None]) -> None:
        """Run `work`, which must not raise, in a thread that is idle or in a new one."""
        # Starting a thread waits until it runs, which takes longer than most tools do.
        if self._idle.acquire(blocking=False):
            self._work.put(work)
        else:
            threading.Thread(target=self._run, args=(work,), name=self._name, daemon=True).start()

    def _run(self, work: Callable[[], None]) -> None:
        while True:
            work()
            self._idle.release()
            try:
                work = self._work.get(timeout=_IDLE_S)
            except Empty:
                if self._idle.acquire(blocking=False):
                    return
                work = self._work.get()  # somebody counted on this thread just now
