from __future__ import annotations

import threading

from asbuilt.tools.daemon_threads import DaemonThreads


def test_work_runs_at_once_and_threads_are_used_again() -> None:
    threads = DaemonThreads(name="t")
    release, began = threading.Event(), threading.Semaphore(0)
    seen: set[int] = set()

    def work() -> None:
        seen.add(threading.get_ident())
        assert threading.current_thread().daemon
        began.release()
        release.wait(5)

    for _ in range(4):
        threads.start(work)
    for _ in range(4):
        assert began.acquire(timeout=5)
    assert len(seen) == 4  # none waits for another
    release.set()
    for _ in range(50):
        while not threads._idle._value:
            pass
        threads.start(work)
        assert began.acquire(timeout=5)
    assert len(seen) == 4
