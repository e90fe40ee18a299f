"""The page worker's program: ``python -m asbuilt.documents.worker_main``, see `worker`.

It reads requests until its input ends, which it does too when the parent dies, whatever way.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import sys
import threading
from typing import IO, Any

import psutil

from asbuilt.documents.worker import Setup, read_frame, write_frame
from asbuilt.documents.worker_desk import Desk
from asbuilt.errors import AsbuiltError

__all__ = ["main"]


def main() -> None:
    """Serve requests from standard input."""
    requests, answers = _private_streams()
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, waiting), daemon=True).start()
    process = psutil.Process()
    desk: Desk | None = None
    while True:
        message = waiting.get()
        head: dict[str, Any] = {}
        body = b""
        try:
            if desk is None:
                setup: Setup = pickle.loads(message)
                _limit_memory(setup.memory_gib)
                desk = Desk(setup)
            else:
                head, body = desk.do(pickle.loads(message))
        except AsbuiltError as error:
            head = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
        except MemoryError:
            os._exit(12)  # what is left of the heap cannot be trusted with an answer
        except Exception as error:  # reported to the parent, whatever it is
            head = {"error": "WorldError", "message": f"{type(error).__name__}: {error}", "hint": ""}
        head["resident_bytes"] = process.memory_info().rss
        write_frame(answers, json.dumps(head).encode(), body)


def _private_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Input and output under numbers of their own: libraries that print must not hit the frames."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    sys.stdout = sys.stderr
    return requests, answers


def _listen(requests: IO[bytes], waiting: queue.SimpleQueue[bytes]) -> None:
    """Its own thread, so that the process ends with its parent even while a library loops."""
    while True:
        try:
            waiting.put(read_frame(requests)[0])
        except (EOFError, OSError):
            os.killpg(0, signal.SIGKILL)  # with the programs that an OCR has started


def _limit_memory(gib: float) -> None:
    if sys.platform == "linux":  # elsewhere an address space has no limit that is kept
        import resource

        limit = int(gib * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
