"""The load generator against a server whose delays are known, also while that server stalls.

    python benchmarks/load_truth.py [--rate 40] [--seconds 20] [--rounds 3] [--json]

The server answers a search after a delay that depends on the question alone, and in "stall" answers
nothing for two seconds in the middle. The truth follows from the schedule: a request that is due at t
ends at max(t, end of the stall if it falls into it) + delay. Beside it stands what a closed loop (one
client that sends, waits, and sends the next) would have reported. Target: P95 within 2 % of the truth.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from asbuilt.blueprint import LoadSpec
from asbuilt.blueprint.cases import Case
from asbuilt.evaluation.arrivals import due_times
from asbuilt.evaluation.load import LoadResult, run_load

STALL_AT, STALL_S = 0.5, 2.0  # at half of the measured time
ANCHOR = 10
DELAYS_S = [0.040 + 0.004 * (number * 7 % 50) for number in range(50)]
CASES = [Case(str(number), f"question {number}") for number in range(50)]


class KnownServer:
    """Answers POST /search after the delay of the question's number; nothing within `stall`, whose times
    count from the start of the schedule. That is learnt from the request number ANCHOR, still in the
    warm-up: the client's very first one is slow."""

    def __init__(self, stall: tuple[float, float] | None, *, anchor_due: float) -> None:
        self._stall = stall
        self._anchor_due = anchor_due
        self._start: float | None = None
        self._count = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                number = int(json.loads(await reader.readexactly(length))["query"].split()[1])
                self._count += 1
                if self._count == ANCHOR + 1:
                    self._start = time.perf_counter() - self._anchor_due
                now = 0.0 if self._start is None else time.perf_counter() - self._start
                begins = now
                if self._stall is not None and self._stall[0] <= now < self._stall[1]:
                    begins = self._stall[1]
                await asyncio.sleep(begins - now + DELAYS_S[number])
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@contextmanager
def known_server(stall: tuple[float, float] | None, *, anchor_due: float) -> Iterator[str]:
    server, loop = KnownServer(stall, anchor_due=anchor_due), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    begun = asyncio.run_coroutine_threadsafe(asyncio.start_server(server.handle, "127.0.0.1", 0), loop)
    listening = begun.result()
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(listening), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(listening: asyncio.Server) -> None:
    listening.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def truth(result: LoadResult, stall: tuple[float, float] | None) -> list[float]:
    """True latencies; `stall` in seconds from the start of the load."""
    latencies = []
    for sample in result.samples:
        begins = sample.due
        if stall is not None and stall[0] <= begins < stall[1]:
            begins = stall[1]
        latencies.append(begins - sample.due + DELAYS_S[int(sample.case_id)])
    return latencies


def closed_loop(seconds: float, stall: tuple[float, float] | None) -> list[float]:
    """What a client that waits for each answer before it sends the next would have seen."""
    latencies, now, number = [], 0.0, 0
    while now < seconds:
        begins = stall[1] if stall is not None and stall[0] <= now < stall[1] else now
        end = begins + DELAYS_S[number % len(DELAYS_S)]
        latencies.append(end - now)
        now, number = end, number + 1
    return latencies


def one_round(rate: float, seconds: float, *, stalls: bool, seed: int) -> dict[str, float]:
    load = LoadSpec(
        "known", "data", route="search", rate_per_s=rate, duration_s=seconds, warmup_s=1, seed=seed
    )
    begin = load.warmup_s + STALL_AT * seconds
    stall = (begin, begin + STALL_S) if stalls else None
    with known_server(stall, anchor_due=due_times(load)[ANCHOR]) as url:
        result = run_load(load, CASES, url=url)
    assert not result.refused, result.refused
    true, measured = p95(truth(result, stall)), p95([sample.latency_s for sample in result.samples])
    return {
        "requests": len(result.samples),
        "true_p95_ms": 1000 * true,
        "measured_p95_ms": 1000 * measured,
        "error": measured / true - 1,
        "lag_p95_ms": 1000 * result.lag_p95_s,
        "closed_loop_p95_ms": 1000 * p95(closed_loop(seconds, stall)),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = [
        {"server": "stalls" if stalls else "steady"}
        | one_round(given.rate, given.seconds, stalls=stalls, seed=seed)
        for stalls in (False, True)
        for seed in range(given.rounds)
    ]
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        numbers = {name: value for name, value in row.items() if isinstance(value, float)}
        print(
            f"{row['server']:<7} n = {row['requests']:<5} P95 true {numbers['true_p95_ms']:8.1f} ms, "
            f"measured {numbers['measured_p95_ms']:8.1f} ms ({numbers['error']:+.2%}), client late "
            f"{numbers['lag_p95_ms']:.1f} ms; a closed loop sees {numbers['closed_loop_p95_ms']:.1f} ms"
        )


if __name__ == "__main__":
    main()
