"""What our generator adds to the raw engine: time to the first token, and tokens a second.

    python benchmarks/chat_overhead.py [--rounds 12] [--json]

Each round asks every route the same new prompt (so that nothing is cached), in an order that
changes from round to round. The targets are a first token within 20 ms of the raw engine's and at
least 95 % of its tokens per second; differences and ratios are taken within a round. A further
route (over HTTP, say) is one more class with `name` and `ask`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import xllamacpp

from asbuilt.generation.llama_cpp import LlamaCppGenerator, default_threads
from asbuilt.generation.llama_settings import BATCH_TOKENS
from asbuilt.generation.models import STARTER, find_model
from asbuilt.generation.requantize import default_cache, requantized
from asbuilt.types import Finished, GenerationOptions, Message, TextDelta

FIRST_TOKEN_TARGET_MS = 20.0
RATE_TARGET = 0.95
_CONTEXT_TOKENS, _SLOTS = 2048, 2


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one answer. `rate` is in tokens a second, from the first token to the last."""

    first_token_ms: float
    rate: float


class Route(Protocol):
    """A way to the model."""

    name: str

    def ask(self, prompt: str, max_tokens: int) -> Awaitable[Timing]: ...


class RawEngine:
    """`xllamacpp` called as its own documentation shows, with the settings that the generator uses."""

    name = "raw engine"

    def __init__(self, model: Path, socket: Path) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(model)
        params.n_ctx, params.n_parallel = _CONTEXT_TOKENS * _SLOTS, _SLOTS
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = default_threads()
        params.cache_ram_mib = 0
        params.hostnames = [str(socket)]
        params.verbosity = -1
        self._server = xllamacpp.Server(params)

    async def ask(self, prompt: str, max_tokens: int) -> Timing:
        arrivals: list[float] = []

        def receive(chunk: dict[str, Any]) -> bool:
            if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                arrivals.append(time.perf_counter())
            return False

        body = {
            "messages": [{"role": "user", "content": prompt}],
            "stream": True,
            "temperature": 0.0,
            "max_tokens": max_tokens,
        }
        begun = time.perf_counter()
        self._server.handle_chat_completions(body, receive)
        return _timing(begun, arrivals)


class OurGenerator:
    """`LlamaCppGenerator.stream`, consumed in an event loop."""

    name = "generator/llama-cpp"

    def __init__(self, generator: LlamaCppGenerator) -> None:
        self._generator = generator

    async def ask(self, prompt: str, max_tokens: int) -> Timing:
        arrivals: list[float] = []
        options = GenerationOptions(temperature=0.0, max_tokens=max_tokens)
        begun = time.perf_counter()
        async for event in self._generator.stream([Message("user", prompt)], options=options):
            if isinstance(event, TextDelta):
                arrivals.append(time.perf_counter())
            elif isinstance(event, Finished):
                break
        return _timing(begun, arrivals)


def _timing(begun: float, arrivals: list[float]) -> Timing:
    rate = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) if len(arrivals) > 1 else 0.0
    return Timing((arrivals[0] - begun) * 1000, rate)


def _prompt(number: int) -> str:
    """About 100 tokens, different from the first word on."""
    facts = " ".join(
        f"Item {each} of box {number * 7 + each} stands on shelf {number + each}." for each in range(6)
    )
    return f"{number}. {facts} Tell a long story about these boxes."


@asynccontextmanager
async def _routes() -> AsyncIterator[list[Route]]:
    generator = LlamaCppGenerator(context_tokens=_CONTEXT_TOKENS, slots=_SLOTS)
    generator.open()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            model = requantized(find_model(STARTER), cache=default_cache())
            yield [RawEngine(model, Path(folder) / "raw.sock"), OurGenerator(generator)]
    finally:
        generator.close()


async def measure(rounds: int, max_tokens: int, progress: Callable[[str], None]) -> dict[str, list[Timing]]:
    """Timings of each route, one a round, after one round that does not count."""
    async with _routes() as routes:
        timings: dict[str, list[Timing]] = {route.name: [] for route in routes}
        for number in range(rounds + 1):
            shift = number % len(routes)
            for route in routes[shift:] + routes[:shift]:
                timing = await route.ask(_prompt(number), max_tokens)
                if number:
                    timings[route.name].append(timing)
            progress(f"round {number} of {rounds}")
    return timings


def report(timings: dict[str, list[Timing]]) -> list[dict[str, Any]]:
    """Medians of each route, and of its differences from the raw engine within a round."""
    raw = timings[RawEngine.name]
    rows = []
    for name, own in timings.items():
        later = statistics.median(a.first_token_ms - b.first_token_ms for a, b in zip(own, raw, strict=True))
        share = statistics.median(a.rate / b.rate for a, b in zip(own, raw, strict=True))
        rows.append(
            {
                "route": name,
                "n": len(own),
                "first_token_ms": round(statistics.median(each.first_token_ms for each in own), 1),
                "tokens_per_s": round(statistics.median(each.rate for each in own), 1),
                "later_ms": round(later, 2),
                "share_of_rate": round(share, 4),
                "meets_target": later <= FIRST_TOKEN_TARGET_MS and share >= RATE_TARGET,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()

    def quiet(_: str) -> None: ...

    rows = report(asyncio.run(measure(given.rounds, given.max_tokens, quiet if given.json else print)))
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"\n{'route':<22}{'n':>4}{'first token':>14}{'tokens/s':>10}{'later by':>11}{'rate':>9}")
    for row in rows:
        print(
            f"{row['route']:<22}{row['n']:>4}{row['first_token_ms']:>11} ms{row['tokens_per_s']:>10}"
            f"{row['later_ms']:>8} ms{row['share_of_rate']:>9.1%}"
            f"  {'meets the target' if row['meets_target'] else 'MISSES THE TARGET'}"
        )


if __name__ == "__main__":
    main()
