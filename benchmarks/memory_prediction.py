"""Memory of the served example: predicted by `asbuilt plan` before, measured as the process's peak after.

    python benchmarks/memory_prediction.py [--project examples/aws-assistant] [--parts] [--json]

The project, ingested before, is served by a process of its own with each context and number of slots.
Every slot is filled to its context through the OpenAI route, all slots at once; the assistant, search
and embeddings are asked too. The plan is made before the process starts. Target: every error within 5 %.

What is compared is VmHWM, the most memory that the process ever had resident, which Linux counts without
gaps. It holds mapped files, so the weights and the index's pages, which a kernel short of memory could
drop and would have to read again for the next token: they are needed, so they count. The proportional
size (PSS) is printed beside it: it shares out what other processes map too, so that it would fall
whenever a second Python runs, and Linux keeps no peak of it.

`--parts` measures the constants that components declare: small blueprints, each with one component more
than another, at a context that is none of those predicted. Nothing is fitted to the eight.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

from asbuilt.blueprint import load_checked
from asbuilt.planning import plan
from asbuilt.retrieval.known_answers import load_known_answers

CONTEXTS = (1024, 2048, 4096, 8192)
SLOTS = (1, 2)
TARGET = 0.05
MIB = 2**20
_TEMPLATE_TOKENS = 48  # of the chat template, and a margin for words of two tokens
_ANSWER_TOKENS = 16
_TIMEOUT_S = 900.0

Drive = Callable[[httpx.Client], float]
"""Uses a service; returns the share of its context that the fullest request of each slot reached."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes of the process: its peak, and at the end the resident ones that map a file, and PSS."""

    peak: int
    of_files: int
    pss: int
    filled: float


@contextmanager
def served(blueprint: Path) -> Iterator[tuple[str, int]]:
    """The project in a process of its own: the URL before the API's prefix, and the process's number."""
    command = [sys.executable, "-m", "asbuilt.cli", "serve", "--port", "0", "-b", str(blueprint)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if " is served at " not in line:
                raise SystemExit("the service did not start")
            yield line.partition(" is served at ")[2].partition("/api/")[0].strip(), process.pid
        finally:
            process.terminate()


def measure(blueprint: Path, drive: Drive) -> Measured:
    with served(blueprint) as (url, pid):
        with httpx.Client(base_url=url, timeout=_TIMEOUT_S) as client:
            filled = drive(client)
        sizes = sizes_of(pid, "smaps_rollup")
        return Measured(sizes_of(pid, "status")["VmHWM"], sizes["Pss_File"], sizes["Pss"], filled)


def sizes_of(pid: int, name: str) -> dict[str, int]:
    """The lines of a file of /proc that are in kB, as bytes."""
    fields = (line.split() for line in Path(f"/proc/{pid}/{name}").read_text(encoding="ascii").splitlines())
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in fields if words[-1:] == ["kB"]}


# ---------------------------------------------------------------- what the service is asked


def fill(client: httpx.Client, *, context_tokens: int, slots: int) -> float:
    """One request for each slot, all at once, each as long as its context allows."""

    def ask(number: int) -> float:
        words = context_tokens - _TEMPLATE_TOKENS - _ANSWER_TOKENS
        body = {
            "model": "llm",
            "messages": [{"role": "user", "content": f"{number}" + " word" * words}],
            "max_tokens": _ANSWER_TOKENS,
            "temperature": 0,
        }
        answer = client.post("/v1/chat/completions", json=body)
        answer.raise_for_status()
        return float(answer.json()["usage"]["total_tokens"]) / context_tokens

    with ThreadPoolExecutor(slots) as pool:
        return min(pool.map(ask, range(slots)))


def search_and_chat(client: httpx.Client, questions: list[str]) -> None:
    for question in questions:
        client.post("/api/v1/search", json={"query": question}).raise_for_status()
    for question in questions[:3]:
        asked = {"messages": [{"role": "user", "content": question}], "stream": False}
        client.post("/api/v1/chat", json=asked).raise_for_status()


# ---------------------------------------------------------------- the constants of components

PLANNED = "later: {purpose: A system with nothing in it}"
CHUNKER = "chunker: {use: chunker/structural, purpose: Cut}"
EMBEDDER = "embedder: {use: embedder/minilm-l6, purpose: Embed}"
EMBEDDER_FP32 = "embedder: {use: embedder/minilm-l6, purpose: Embed, config: {precision: fp32}}"
EXACT = "vectors: {use: index/exact, purpose: Search}"
QDRANT = "vectors: {use: index/qdrant-edge, purpose: Search}"
RETRIEVER = "retriever: {use: retriever/hybrid, purpose: Retrieve}"
MODEL = "llm: {use: generator/llama-cpp, purpose: Write, config: {context_tokens: 512, slots: 1}}"
ASSISTANT = "assistant: {use: assistant/cited, purpose: Answer}"


def fill_512(client: httpx.Client) -> float:
    return fill(client, context_tokens=512, slots=1)


def embed_once(client: httpx.Client) -> float:
    client.post("/v1/embeddings", json={"model": "embedder", "input": "a question"}).raise_for_status()
    return 1.0


def embed_batch(client: httpx.Client) -> float:
    body = {"model": "embedder", "input": ["a long passage " * 100] * 64}
    client.post("/v1/embeddings", json=body).raise_for_status()
    return 1.0


def ingest_one(client: httpx.Client) -> float:
    sections = (f"# Part {at}\n\n" + " ".join(f"word{at * n % 977}" for n in range(400)) for at in range(60))
    files = {"files": ("parts.md", "\n\n".join(sections).encode(), "text/markdown")}
    client.post("/api/v1/documents", files=files).raise_for_status()
    return 1.0


def search_once(client: httpx.Client) -> float:
    client.post("/api/v1/search", json={"query": "a question"}).raise_for_status()
    return 1.0


def rest(client: httpx.Client) -> float:
    client.get("/v1/models").raise_for_status()
    return 1.0


PARTS: Mapping[str, tuple[tuple[str, ...], Drive]] = {
    "nothing": ((PLANNED,), rest),
    "chunker": ((CHUNKER,), rest),
    "embedder": ((EMBEDDER,), embed_once),
    "embedder, fp32": ((EMBEDDER_FP32,), embed_once),
    "embedder, long passages": ((EMBEDDER,), embed_batch),
    "chunker, embedder, exact": ((CHUNKER, EMBEDDER, EXACT), embed_once),
    "chunker, embedder, qdrant": ((CHUNKER, EMBEDDER, QDRANT), embed_once),
    "chunker, embedder, qdrant, 179 chunks ingested": ((CHUNKER, EMBEDDER, QDRANT), ingest_one),
    "chunker, embedder, qdrant, retriever": ((CHUNKER, EMBEDDER, QDRANT, RETRIEVER), search_once),
    "model at 512": ((MODEL,), fill_512),
    "all but chunks": ((CHUNKER, EMBEDDER, QDRANT, RETRIEVER, MODEL, ASSISTANT), fill_512),
}
"""Blueprints to subtract from each other, and what they are asked. There are no documents."""


def measure_parts() -> Iterator[tuple[str, Measured]]:
    for name, (components, drive) in PARTS.items():
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            blueprint = Path(folder, "blueprint.yaml")
            lines = [f"  {component}" for component in components]
            text = ["blueprint: 1", "system: {name: parts, purpose: Be measured}", "components:", *lines]
            blueprint.write_text("\n".join(text) + "\n", encoding="utf-8")
            yield name, measure(blueprint, drive)


# ---------------------------------------------------------------- predicted against measured


def predict_and_measure(project: Path, context_tokens: int, slots: int) -> dict[str, Any]:
    """One row of the table. The project's blueprint is copied with other numbers, its state is shared."""
    yaml = YAML()
    drawing = yaml.load(project / "blueprint.yaml")
    drawing["components"]["llm"]["config"] = {"context_tokens": context_tokens, "slots": slots}
    blueprint = project / f"predicted-{context_tokens}-{slots}.yaml"
    yaml.dump(drawing, blueprint)
    try:
        loaded = load_checked(blueprint)
        predicted = plan(loaded, folder=project).memory
        known = loaded.knowledge.known_answers
        questions = [case.question for case in load_known_answers(project / known)][:20] if known else []

        def drive(client: httpx.Client) -> float:
            search_and_chat(client, questions)
            embed_once(client)
            return fill(client, context_tokens=context_tokens, slots=slots)

        measured = measure(blueprint, drive)
    finally:
        blueprint.unlink()
    return {
        "context_tokens": context_tokens,
        "slots": slots,
        "predicted_mib": round(predicted.process_bytes / MIB, 1),
        "measured_mib": round(measured.peak / MIB, 1),
        "error": round(predicted.process_bytes / measured.peak - 1, 4),
        "of_files_mib": round(measured.of_files / MIB, 1),
        "pss_mib": round(measured.pss / MIB, 1),
        "filled": round(measured.filled, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--project", type=Path, default=Path("examples/aws-assistant"))
    parser.add_argument("--contexts", type=int, nargs="+", default=CONTEXTS)
    parser.add_argument("--slots", type=int, nargs="+", default=SLOTS)
    parser.add_argument("--parts", action="store_true", help="measure the constants of components instead")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.parts:
        for name, measured in measure_parts():
            print(f"{name:<40} {measured.peak / MIB:7.1f} MiB, of files {measured.of_files / MIB:.1f}")
        return
    rows = []
    for context_tokens in given.contexts:
        for slots in given.slots:
            row = predict_and_measure(given.project, context_tokens, slots)
            rows.append(row)
            if not given.json:
                print(
                    f"{context_tokens:>5} tokens x {slots}: predicted {row['predicted_mib']:7.1f} MiB, "
                    f"measured {row['measured_mib']:7.1f}, error {row['error']:+.1%}; "
                    f"of files {row['of_files_mib']}, PSS {row['pss_mib']}, filled {row['filled']:.0%}",
                    flush=True,
                )
    worst = max(abs(row["error"]) for row in rows)
    if given.json:
        print(json.dumps({"rows": rows, "worst_error": worst, "meets_target": worst <= TARGET}, indent=2))
        return
    print(f"worst error {worst:.1%}: {'meets the target' if worst <= TARGET else 'MISSES THE TARGET'}")


if __name__ == "__main__":
    main()
