"""A process that reads pages, and may die of them without harm.

Requests and answers are frames on its standard input and output. The parent pickles what it sends;
what comes back is JSON and bytes, as a file that took the process over must not reach further. It
is started as a program rather than forked, so that a caller's script is neither run twice nor has
its threads and locks copied.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal

from asbuilt.errors import AsbuiltError, MissingError, ReadError, UserError, WorldError
from asbuilt.roles import Ocr
from asbuilt.tracing import unobserved

__all__ = [
    "UNREAD",
    "FileKind",
    "OcrPages",
    "Setup",
    "Worker",
    "WorkerLostError",
    "read_frame",
    "write_frame",
]

OcrPages = Literal["where-needed", "never", "always"]
FileKind = Literal["pdf", "image", "any"]

UNREAD = "page could not be read: "
"""How the flag of a page begins that failed, as opposed to one that has nothing to read."""

_SIZES = struct.Struct("<QQ")
_START_TIMEOUT_S = 60.0
_MAX_ANSWER_BYTES = 2**31
_ERRORS: dict[str, type[AsbuiltError]] = {
    each.__name__: each for each in (ReadError, MissingError, UserError, WorldError)
}
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # each of its threads would reserve memory, and none is needed
    "MALLOC_ARENA_MAX": "2",  # glibc keeps freed memory for each arena
    "PYTHONUTF8": "1",
}


@dataclass(frozen=True, slots=True)
class Setup:
    """How a worker reads. `memory_gib` limits its address space; readers of pictures are not open."""

    ocr: Ocr | None = None
    second: Ocr | None = None
    dpi: int = 200
    ocr_pages: OcrPages = "where-needed"
    memory_gib: float = 4.0


class WorkerLostError(WorldError):
    """The process ended while it worked on a request; `timed_out` where it was ended for its time."""

    def __init__(self, message: str, *, timed_out: bool) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class Worker:
    """One process, started by the constructor; not thread-safe. `pages` counts requests for pages."""

    def __init__(self, setup: Setup) -> None:
        ocr, second = (each and unobserved(each) for each in (setup.ocr, setup.second))
        try:
            message = pickle.dumps(replace(setup, ocr=ocr, second=second))
        except Exception as error:  # pickling runs the components' own code
            raise UserError(
                f"the OCR components cannot be sent to a worker: {type(error).__name__}: {error}.",
                hint="An Ocr that is not open must be picklable.",
            ) from error
        self._process = subprocess.Popen(
            # -P: a folder that files are read in must not provide modules.
            [sys.executable, "-P", "-m", "asbuilt.documents.worker_main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,  # ended as a whole: an OCR may be a program of its own
            env={
                **os.environ,
                **_ENVIRONMENT,
                "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path),
            },
        )
        self._ended = weakref.finalize(self, _end, self._process)
        self.document = ""
        self.pages = 0
        self.resident_bytes = 0
        self._exchange(message, timeout_s=_START_TIMEOUT_S)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def request(self, task: tuple[Any, ...], *, timeout_s: float) -> tuple[dict[str, Any], bytes]:
        """The answer to `task`. Raises the AsbuiltError that the worker reports, or WorkerLostError;
        after that one the process is gone."""
        return self._exchange(pickle.dumps(task), timeout_s=timeout_s)

    def close(self) -> None:
        """End the process; may be called twice."""
        self._ended()

    def _exchange(self, message: bytes, *, timeout_s: float) -> tuple[dict[str, Any], bytes]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            _kill(self._process)

        timer = threading.Timer(timeout_s, expire)
        timer.daemon = True
        timer.start()
        try:
            write_frame(self._process.stdin, message, b"")
            header, body = read_frame(self._process.stdout)
        except (OSError, EOFError) as error:
            self.close()
            if expired.is_set():
                raise WorkerLostError(f"it took longer than {timeout_s:g} s", timed_out=True) from error
            code = self._process.returncode
            raise WorkerLostError(f"its worker process ended (exit {code})", timed_out=False) from error
        finally:
            timer.cancel()
        answer: dict[str, Any] = json.loads(header)
        self.resident_bytes = answer.get("resident_bytes", 0)
        if kind := answer.get("error"):
            raise _ERRORS.get(kind, WorldError)(answer["message"], hint=answer["hint"])
        return answer, body


def write_frame(stream: IO[bytes], head: bytes, body: bytes) -> None:
    """Sizes of both, then both."""
    stream.write(_SIZES.pack(len(head), len(body)))
    stream.write(head)
    stream.write(body)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """Raises EOFError at the end of the stream and for a frame that is cut or absurd."""
    sizes = stream.read(_SIZES.size)
    if len(sizes) < _SIZES.size:
        raise EOFError
    head_size, body_size = _SIZES.unpack(sizes)
    if head_size + body_size > _MAX_ANSWER_BYTES:
        raise EOFError
    head, body = stream.read(head_size), stream.read(body_size)
    if len(head) < head_size or len(body) < body_size:
        raise EOFError
    return head, body


def _end(process: subprocess.Popen[bytes]) -> None:
    _kill(process)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):  # what was left to be written has no reader any more
                stream.close()
    process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With what it started; a process that was not waited for keeps its number, so no other is hit."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
