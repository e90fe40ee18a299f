"""Ctrl-C for long work that loses nothing when it stops."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from asbuilt.cli.output import note

__all__ = ["stop_on_interrupt"]


@contextmanager
def stop_on_interrupt(after: str) -> Iterator[threading.Event]:
    """The first Ctrl-C asks to stop after the current `after` ("batch"), the second stops at once."""
    stop = threading.Event()

    def handle(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        note(f"Stopping after this {after} (Ctrl-C again to stop at once)...")

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)
