"""What tracing adds: microseconds a call, and a request's share with as many calls as a chat makes.

    python benchmarks/tracing_cost.py [--rounds 9] [--json]

A call of an observed component against the same call of one that is not, within a request, as medians
of rounds; and a whole request with 12 observed calls and its line in the file of spans. Target: below
1 ms a request.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from asbuilt.tracing import Recorder, observe

CALLS = 20_000
REQUESTS = 500
CALLS_OF_A_CHAT = 12  # counted in the spans of the example's answers


class Leaf:
    def work(self) -> int:
        return 1


def timed(work: Callable[[], object], times: int) -> float:
    """Microseconds of one."""
    started = time.perf_counter()
    for _ in range(times):
        work()
    return 1e6 * (time.perf_counter() - started) / times


def one_round(folder: Path) -> tuple[float, float, float]:
    recorder = Recorder(folder, digest="d")
    plain, leaf = Leaf(), Leaf()
    observe(leaf, name="leaf", recorder=recorder)

    def request() -> None:
        with recorder.request("POST /chat"):
            for _ in range(CALLS_OF_A_CHAT):
                leaf.work()

    bare, idle = timed(plain.work, CALLS), timed(leaf.work, CALLS)
    return idle - bare, timed(request, REQUESTS) - CALLS_OF_A_CHAT * bare, bare


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rounds = [one_round(Path(folder)) for _ in range(given.rounds)]
    call_us, request_us = (statistics.median(each[at] for each in rounds) for at in (0, 1))
    result = {"us_a_call_outside_of_requests": round(call_us, 2), "ms_a_request": round(request_us / 1000, 3)}
    if given.json:
        print(json.dumps(result, indent=2))
        return
    print(f"a call, outside of requests: + {call_us:.2f} us")
    print(f"a request with {CALLS_OF_A_CHAT} calls, written down: + {request_us / 1000:.3f} ms; target 1 ms")


if __name__ == "__main__":
    main()
