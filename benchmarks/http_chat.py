"""Chat over HTTP against the raw engine on the same prompt: first token, tokens a second, memory.

    python benchmarks/http_chat.py [--project examples/aws-assistant] [--rounds 12] [--json]

The project, ingested before, is served by a process of its own. Two routes over HTTP, each beside
the raw engine (llama.cpp in this process, with the settings of the project's generator) with the
same messages:

- "assistant": POST /api/v1/chat, streamed. Its first token comes after retrieval, and after the
  prompt was fitted. What it sends to its engine is recorded in this process beforehand; only the
  random fence around the passages differs.
- "generator": POST /v1/chat/completions of the bare generator, streamed.

Within a round all four answer the same question, in an order that changes; differences and ratios
are taken within a round. One round goes before that does not count. Targets: a first token at
most 20 ms later than the raw engine's, at least 95 % of its tokens a second, and at most 1.5 GB
resident.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import xllamacpp

from asbuilt.generation.chat_wire import chat_request
from asbuilt.generation.llama_cpp import LlamaCppGenerator, default_threads
from asbuilt.generation.llama_settings import BATCH_TOKENS
from asbuilt.generation.models import STARTER, find_model
from asbuilt.generation.requantize import default_cache, requantized
from asbuilt.retrieval.known_answers import load_known_answers
from asbuilt.system import System
from asbuilt.types import Event, Finished, GenerationOptions, Message, Usage

FIRST_TOKEN_TARGET_MS = 20.0
RATE_TARGET = 0.95
MEMORY_TARGET_MB = 1500.0
_SERVE = "from asbuilt.cli.main import main; main()"


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one answer. `rate` is in tokens a second, from the first text to the last."""

    first_token_ms: float
    rate: float


@contextmanager
def served(blueprint: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The project in a process of its own: the URL of its API, and the process."""
    command = [sys.executable, "-c", _SERVE, "serve", "--port", "0", "-b", str(blueprint)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if " is served at " not in line:
                raise SystemExit("the service did not start")
            yield line.partition(" is served at ")[2].strip(), psutil.Process(process.pid)
        finally:
            process.terminate()


class RawEngine:
    """`xllamacpp` called as its own documentation shows."""

    def __init__(self, config: dict[str, Any], socket: Path) -> None:
        context_tokens, slots = config.get("context_tokens", 4096), config.get("slots", 2)
        params = xllamacpp.CommonParams()
        params.model.path = str(requantized(find_model(config.get("model", STARTER)), cache=default_cache()))
        params.n_ctx, params.n_parallel = context_tokens * slots, slots
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.kv_unified = False
        threads = config.get("threads") or default_threads()
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.cache_ram_mib = 0
        params.hostnames = [str(socket)]
        params.verbosity = -1
        self._server = xllamacpp.Server(params)

    def ask(self, messages: Sequence[Message], options: GenerationOptions) -> Timing:
        arrivals: list[float] = []
        tokens = 0

        def receive(chunk: dict[str, Any]) -> bool:
            nonlocal tokens
            if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                arrivals.append(time.perf_counter())
            tokens = (chunk.get("usage") or {}).get("completion_tokens", tokens)
            return False

        body = chat_request(messages, options)
        begun = time.perf_counter()
        self._server.handle_chat_completions(body, receive)
        return _timing(begun, arrivals, tokens)


class HttpRoute:
    """A streamed answer over HTTP, from the request to the last event."""

    def __init__(self, url: str, path: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)
        self._path = path

    def ask(self, body: dict[str, Any]) -> Timing:
        arrivals: list[float] = []
        tokens = 0
        content = json.dumps({**body, "stream": True})
        begun = time.perf_counter()
        self._connection.request("POST", self._path, content, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        if response.status != 200:
            raise SystemExit(f"{self._path} answered {response.status}: {response.read()[:500]!r}")
        while line := response.readline():
            arrived = time.perf_counter()
            if not line.startswith(b"data: {"):
                continue
            data = json.loads(line.removeprefix(b"data: "))
            if data.get("text") or any(each["delta"].get("content") for each in data.get("choices", ())):
                arrivals.append(arrived)
            tokens = data.get("completion_tokens") or (data.get("usage") or {}).get(
                "completion_tokens", tokens
            )
        return _timing(begun, arrivals, tokens)


def _timing(begun: float, arrivals: Sequence[float], tokens: int) -> Timing:
    if not arrivals:
        raise SystemExit("an answer had no text")
    lasted = arrivals[-1] - arrivals[0]
    return Timing(1000 * (arrivals[0] - begun), (tokens - 1) / lasted if lasted else 0.0)


def prompts_of(
    system: System, questions: Sequence[str], options: GenerationOptions, wanted: int
) -> list[tuple[str, Sequence[Message]]]:
    """Questions with the messages that the assistant sends to its generator for them."""
    generator = system.generator
    if not isinstance(generator, LlamaCppGenerator):
        raise SystemExit("the project's generator is not generator/llama-cpp")
    sent: list[Sequence[Message]] = []

    async def record(
        messages: Sequence[Message],
        *,
        options: GenerationOptions,  # noqa: ARG001
    ) -> AsyncIterator[Event]:
        sent.append(messages)
        yield Finished(Message("assistant", ""), Usage())

    async def ask(question: str) -> None:
        async for _ in system.assistant.answer([Message("user", question)], options=options):
            pass

    generator.stream = record  # type: ignore[method-assign]
    found: list[tuple[str, Sequence[Message]]] = []
    for question in questions:
        sent.clear()
        asyncio.run(ask(question))
        if len(sent) == 1:
            found.append((question, sent[0]))
        if len(found) == wanted:
            return found
    raise SystemExit(f"only {len(found)} questions have an answer; {wanted} are needed")


def measure(
    project: Path, rounds: int, max_tokens: int, progress: Callable[[str], None]
) -> tuple[dict[str, list[Timing]], float]:
    """Timings of each route, one a round, and the service's resident megabytes at the end."""
    options = GenerationOptions(temperature=0.0, max_tokens=max_tokens)
    blueprint = project / "blueprint.yaml"
    with System.load(blueprint) as system:
        known = system.blueprint.knowledge.known_answers
        if known is None:
            raise SystemExit("the blueprint names no knowledge.known_answers to take questions from")
        questions = [case.question for case in load_known_answers(project / known)]
        prompts = prompts_of(system, questions, options, rounds + 1)
        model = system.names_of("generator")[-1]
        config = dict(system.blueprint.component(model).config)
    timings: dict[str, list[Timing]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, served(blueprint) as (url, process):
        raw = RawEngine(config, Path(folder) / "raw.sock")
        assistant = HttpRoute(url, f"{urlsplit(url).path}/chat")
        generator = HttpRoute(url, "/v1/chat/completions")
        for number, (question, messages) in enumerate(prompts):
            asked = {
                "messages": [{"role": "user", "content": question}],
                "temperature": 0.0,
                "max_tokens": max_tokens,
            }
            bare = {**asked, "model": model, "stream_options": {"include_usage": True}}
            routes: list[tuple[str, Callable[[], Timing]]] = [
                ("assistant, raw", partial(raw.ask, messages, options)),
                ("assistant, HTTP", partial(assistant.ask, asked)),
                ("generator, raw", partial(raw.ask, [Message("user", question)], options)),
                ("generator, HTTP", partial(generator.ask, bare)),
            ]
            shift = number % len(routes)
            for name, ask in routes[shift:] + routes[:shift]:
                timing = ask()
                if number:
                    timings.setdefault(name, []).append(timing)
            progress(f"round {number} of {rounds}")
        return timings, process.memory_info().rss / 1e6


def report(timings: dict[str, list[Timing]], resident_mb: float) -> dict[str, Any]:
    """Medians, and differences within a round."""
    result: dict[str, Any] = {"resident_mb": round(resident_mb, 1)}
    for route in ("assistant", "generator"):
        raw, own = timings[f"{route}, raw"], timings[f"{route}, HTTP"]
        pairs = list(zip(own, raw, strict=True))
        later = statistics.median(a.first_token_ms - b.first_token_ms for a, b in pairs)
        share = statistics.median(a.rate / b.rate for a, b in pairs)
        result[route] = {
            "n": len(pairs),
            "raw_first_token_ms": round(statistics.median(each.first_token_ms for each in raw), 1),
            "first_token_ms": round(statistics.median(each.first_token_ms for each in own), 1),
            "later_ms": round(later, 2),
            "raw_tokens_per_s": round(statistics.median(each.rate for each in raw), 1),
            "tokens_per_s": round(statistics.median(each.rate for each in own), 1),
            "share_of_rate": round(share, 4),
            "meets_target": later <= FIRST_TOKEN_TARGET_MS and share >= RATE_TARGET,
        }
    result["memory_meets_target"] = resident_mb <= MEMORY_TARGET_MB
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--project", type=Path, default=Path("examples/aws-assistant"))
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()

    def quiet(_: str) -> None: ...

    found = measure(given.project, given.rounds, given.max_tokens, quiet if given.json else print)
    result = report(*found)
    if given.json:
        print(json.dumps(result, indent=2))
        return
    for route in ("assistant", "generator"):
        row = result[route]
        print(
            f"{route}: first token {row['first_token_ms']} ms, raw {row['raw_first_token_ms']} ms, "
            f"later by {row['later_ms']} ms; {row['tokens_per_s']} tokens/s, raw {row['raw_tokens_per_s']}, "
            f"{row['share_of_rate']:.1%}; n = {row['n']}; "
            f"{'meets the target' if row['meets_target'] else 'MISSES THE TARGET'}"
        )
    memory = "meets the target" if result["memory_meets_target"] else "MISSES THE TARGET"
    print(f"resident: {result['resident_mb']} MB; {memory}")


if __name__ == "__main__":
    main()
