"""The service in a process of its own, for measuring it."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from asbuilt.errors import EndpointError, UserError
from asbuilt.evaluation.runner import Served
from asbuilt.resources.resident import peak_resident_bytes

__all__ = ["served"]

_START_S = 180.0  # a large model takes its time to load
_STOP_S = 40.0


@contextmanager
def served(blueprint: Path) -> Iterator[Served]:
    """`asbuilt serve` of `blueprint` on a free port of this machine; stopped at the end.

    Raises EndpointError with what it printed when it does not come up.
    """
    command = [sys.executable, "-m", "asbuilt.cli", "serve", "--host", "127.0.0.1", "--port", "0"]
    process = subprocess.Popen(
        [*command, "-b", str(blueprint)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    try:
        yield Served(_address(process, lines), lambda: peak_resident_bytes(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        process.stdout.close()


def _read(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")  # the end


def _address(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> str:
    """From the line "NAME is served at URL"."""
    said: list[str] = []
    while True:
        try:
            line = lines.get(timeout=_START_S)
        except queue.Empty:
            raise EndpointError(f"the service did not come up within {_START_S:.0f} s.") from None
        if not line:
            process.wait()
            message = " ".join(each.strip() for each in said) or f"exit code {process.returncode}"
            raise UserError(f"the service cannot be started for the load: {message}")
        said.append(line)
        _, found, url = line.strip().rpartition(" is served at ")
        if found:
            return url
