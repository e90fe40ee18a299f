"""Hybrid search over HTTP: latency with one client, requests a second with eight.

    python benchmarks/http_search.py [--project examples/aws-assistant] [--rounds 5] [--json]

The project, ingested before, is served by a process of its own; this process is the client. A
round sends `--queries` different questions one after the other, then asks the same ones of the
retriever in this process (the floor: the same work without HTTP), then sends them with eight
clients at once. Questions are the project's known answers, in an order of their own each round.
One round goes before that does not count. Target: p95 at most 25 ms with one client.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from asbuilt.retrieval.known_answers import load_known_answers
from asbuilt.system import System

P95_TARGET_MS = 25.0
CLIENTS = 8
TOP_K = 5
_SERVE = "from asbuilt.cli.main import main; main()"


@contextmanager
def served(blueprint: Path) -> Iterator[str]:
    """The project in a process of its own; the URL of its API."""
    command = [sys.executable, "-c", _SERVE, "serve", "--port", "0", "-b", str(blueprint)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if " is served at " not in line:
                raise SystemExit("the service did not start")
            yield line.partition(" is served at ")[2].strip()
        finally:
            process.terminate()


class Client:
    """One connection to the API that stays open."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._prefix = parts.path
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=60)

    def search(self, query: str) -> list[dict[str, Any]]:
        body = json.dumps({"query": query, "top_k": TOP_K})
        found: list[dict[str, Any]] = self._answer("POST", "/search", body)
        return found

    def health(self) -> dict[str, Any]:
        health: dict[str, Any] = self._answer("GET", "/health", None)
        return health

    def _answer(self, method: str, path: str, body: str | None) -> Any:
        headers = {"Content-Type": "application/json"} if body else {}
        self._connection.request(method, self._prefix + path, body, headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise SystemExit(f"{path} answered {response.status}: {content[:500]!r}")
        return json.loads(content)


def timed_ms(work: Any, queries: Sequence[str]) -> list[float]:
    times = []
    for query in queries:
        begun = time.perf_counter()
        work(query)
        times.append(1000 * (time.perf_counter() - begun))
    return times


def requests_per_s(pool: ThreadPoolExecutor, clients: Sequence[Client], queries: Sequence[str]) -> float:
    shares = [queries[at :: len(clients)] for at in range(len(clients))]
    begun = time.perf_counter()
    list(pool.map(lambda client, share: [client.search(query) for query in share], clients, shares))
    return len(queries) / (time.perf_counter() - begun)


def measure(url: str, system: System, queries: Sequence[str], rounds: int, per_round: int) -> dict[str, Any]:
    """All times of all rounds but the first."""
    client = Client(url)
    clients = [Client(url) for _ in range(CLIENTS)]
    retriever = system.retriever
    for query in queries[:5]:
        here = [hit.chunk.text for hit in retriever.retrieve(query, top_k=TOP_K)]
        if [hit["content"] for hit in client.search(query)] != here:
            raise SystemExit(f"the service and this process answer {query!r} differently")
    over_http: list[float] = []
    in_process: list[float] = []
    rates: list[float] = []
    order = random.Random(2026)
    with ThreadPoolExecutor(CLIENTS) as pool:
        for number in range(rounds + 1):
            chosen = order.sample(list(queries), min(per_round, len(queries)))
            http_ms = timed_ms(client.search, chosen)
            local_ms = timed_ms(lambda query: retriever.retrieve(query, top_k=TOP_K), chosen)
            rate = requests_per_s(pool, clients, chosen)
            if number:
                over_http += http_ms
                in_process += local_ms
                rates.append(rate)
    return {"http_ms": over_http, "in_process_ms": in_process, "rates": rates, "health": client.health()}


def report(found: dict[str, Any]) -> dict[str, Any]:
    health = found["health"]
    rows = {
        name: {
            "n": len(found[name]),
            **{f"p{share}": round(float(np.percentile(found[name], share)), 2) for share in (50, 95, 99)},
        }
        for name in ("http_ms", "in_process_ms")
    }
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "chunks": health["chunks"],
        "embedded": health["embedded"],
        "resident_mib": health["memory_usage"]["resident_mib"],
        **rows,
        "requests_per_s_at_8_clients": {
            "rounds": len(found["rates"]),
            "median": round(float(np.median(found["rates"])), 1),
            "lowest": round(min(found["rates"]), 1),
            "highest": round(max(found["rates"]), 1),
        },
        "meets_target": rows["http_ms"]["p95"] <= P95_TARGET_MS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--project", type=Path, default=Path("examples/aws-assistant"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queries", type=int, default=200, help="questions a round")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    blueprint = given.project / "blueprint.yaml"
    with System.load(blueprint) as system:
        if (known := system.blueprint.knowledge.known_answers) is None:
            sys.exit("the blueprint names no knowledge.known_answers to take questions from")
        queries = [case.question for case in load_known_answers(given.project / known)]
        with served(blueprint) as url:
            result = report(measure(url, system, queries, given.rounds, given.queries))
    if given.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['chunks']} chunks, {result['embedded']} embedded; {result['cores']} cores")
    for name in ("http_ms", "in_process_ms"):
        row = result[name]
        print(f"{name:<14} n = {row['n']}: p50 {row['p50']}, p95 {row['p95']}, p99 {row['p99']}")
    rate = result["requests_per_s_at_8_clients"]
    print(f"8 clients: {rate['median']} requests/s ({rate['lowest']} to {rate['highest']})")
    print(f"resident: {result['resident_mib']} MiB")
    verdict = "meets" if result["meets_target"] else "MISSES"
    print(f"{verdict} the target of p95 <= {P95_TARGET_MS:g} ms")


if __name__ == "__main__":
    main()
