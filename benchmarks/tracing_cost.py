"""What tracing adds: microseconds a call, and milliseconds a search and an answer of a real small system.

    python benchmarks/tracing_cost.py [--rounds 31] [--json]

Two systems over the same page, one observed and one not, take turns, each of their requests within a
trace: a hybrid search, and an answer of `CitedAssistant` with 300 scripted tokens. The embedder and
the generator are fakes that take next to no time, so that what tracing adds is seen; the first traces
of a system, which also write new calls, are left out. Medians of rounds. Target: below 1 ms a request.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

from asbuilt import system as system_module
from asbuilt.blueprint import Blueprint, ComponentSpec
from asbuilt.blueprint.spec import SystemSpec
from asbuilt.system import System
from asbuilt.tracing import Recorder, observe

CALLS = 20_000
REQUESTS = 20  # a round
TOKENS = 300
QUESTION = "How do I delete all messages in a queue?"
PAGE = "# purge-queue\n\nTo delete all messages in a queue, call purge-queue.\n"

BLUEPRINT = Blueprint(
    system=SystemSpec(name="queues", purpose="Answers questions about queues"),
    components=(
        ComponentSpec("chunker", "Cut", use="chunker/structural"),
        ComponentSpec("embedder", "Embed", use="embedder/fake"),
        ComponentSpec("index", "Find", use="index/exact"),
        ComponentSpec("retriever", "Retrieve", use="retriever/hybrid"),
        ComponentSpec(
            "llm",
            "Write",
            use="generator/scripted",
            config={"replies": [" ".join(f"word{number * 7919 % 1009}" for number in range(TOKENS))]},
        ),
        ComponentSpec("assistant", "Answer", use="assistant/cited"),
    ),
)


class Leaf:
    def work(self) -> int:
        return 1


def timed(work: Callable[[], object], times: int) -> float:
    """Microseconds of one."""
    started = time.perf_counter()
    for _ in range(times):
        work()
    return 1e6 * (time.perf_counter() - started) / times


def call_us(folder: Path) -> float:
    """Added to a call, outside of requests."""
    recorder = Recorder(folder, digest="d")
    plain, leaf = Leaf(), Leaf()
    observe(leaf, name="leaf", recorder=recorder)
    bare, observed = timed(plain.work, CALLS), timed(leaf.work, CALLS)
    return observed - bare


def opened(folder: Path, *, observed: bool) -> System:
    """A system with its page; without observation nothing is wrapped."""
    folder.mkdir()
    (folder / "page.md").write_text(PAGE)
    with nullcontext() if observed else mock.patch.object(system_module, "observe"):
        system = System(BLUEPRINT, folder=folder)
        system.ingest([str(folder / "page.md")])
        system.open()
    system.ask(QUESTION, options=None)
    return system


def requests_ms(system: System) -> tuple[float, float]:
    """Of a search, and of an answer."""
    retriever = system.retriever

    def search() -> None:
        with system.recorder.request("search"):
            retriever.retrieve(QUESTION)

    def ask() -> None:
        with system.recorder.request("chat"):
            system.ask(QUESTION)

    return timed(search, REQUESTS) / 1000, timed(ask, REQUESTS) / 1000


def added(observed: Sequence[tuple[float, float]], bare: Sequence[tuple[float, float]], at: int) -> float:
    """Median of the differences of neighbouring rounds, ms."""
    return statistics.median(mine[at] - theirs[at] for mine, theirs in zip(observed, bare, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        calls = [call_us(folder) for _ in range(given.rounds)]
        with opened(folder / "a", observed=True) as observed, opened(folder / "b", observed=False) as bare:
            rounds = [(requests_ms(observed), requests_ms(bare)) for _ in range(given.rounds)]
    mine, theirs = [each[0] for each in rounds], [each[1] for each in rounds]
    result = {
        "us_a_call": round(statistics.median(calls), 2),
        "ms_a_search": round(added(mine, theirs, 0), 3),
        "ms_a_search_without": round(statistics.median(each[0] for each in theirs), 3),
        "ms_an_answer": round(added(mine, theirs, 1), 3),
        "ms_an_answer_without": round(statistics.median(each[1] for each in theirs), 3),
    }
    if given.json:
        print(json.dumps(result, indent=2))
        return
    print(f"a call: + {result['us_a_call']} us")
    for what, name in (("a search", "ms_a_search"), (f"an answer of {TOKENS} tokens", "ms_an_answer")):
        print(f"{what}: + {result[name]} ms to {result[f'{name}_without']} ms; target + 1 ms")


if __name__ == "__main__":
    main()
