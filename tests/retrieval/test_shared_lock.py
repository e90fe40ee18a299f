from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from asbuilt.retrieval.shared_lock import SharedLock

WAIT_S = 5


def test_readers_are_inside_together() -> None:
    lock = SharedLock()
    together = threading.Barrier(3, timeout=WAIT_S)

    def read() -> None:
        with lock.shared():
            together.wait()

    with ThreadPoolExecutor(3) as pool:
        for each in [pool.submit(read) for _ in range(3)]:
            each.result()


def test_a_writer_is_alone() -> None:
    lock = SharedLock()
    inside: list[str] = []
    seen: list[list[str]] = []

    def work(kind: str) -> None:
        for _ in range(200):
            with lock.exclusive() if kind == "write" else lock.shared():
                inside.append(kind)
                seen.append(list(inside))
                inside.remove(kind)

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(work, kind) for kind in ("write", "read", "write", "read")]:
            each.result()
    assert all(who == ["write"] for who in seen if "write" in who)


def test_readers_that_keep_coming_do_not_starve_a_writer() -> None:
    lock = SharedLock()
    written = threading.Event()

    def read() -> None:
        while not written.is_set():
            with lock.shared():
                written.wait(0.001)

    def write() -> None:
        with lock.exclusive():
            written.set()

    with ThreadPoolExecutor(5) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        pool.submit(write).result(timeout=WAIT_S)
        for each in readers:
            each.result(timeout=WAIT_S)


def test_an_error_inside_lets_go() -> None:
    lock = SharedLock()
    for enter in (lock.shared, lock.exclusive):
        with pytest.raises(ZeroDivisionError), enter():
            raise ZeroDivisionError
    with lock.exclusive():
        pass
