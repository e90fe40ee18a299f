"""How fast pages become searchable: the embedder against a plain loop, ingestion against the engine.

    python benchmarks/ingestion_speed.py [--pages 400] [--rounds 3] [--json]

1. Steps: the same texts through variants of the embedding engine, from the plain loop (fp32 graph,
   256 tokens, batches of 32 in the given order, padded to the longest) to what asbuilt does.
2. Ingestion: real pages into a fresh project with the shipped components, against the engine alone
   on exactly the texts that were embedded. Rounds alternate; medians are shown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from asbuilt.knowledge.vectors import vector_id
from asbuilt.retrieval.minilm import MiniLMEmbedder
from asbuilt.retrieval.onnx_encoder import open_session
from asbuilt.retrieval.starter_models import minilm_folder
from asbuilt.system import System

BLUEPRINT = """
blueprint: 1
system: {name: ingestion-speed, purpose: Measures ingestion}
components:
  chunker: {use: chunker/structural, purpose: Cut}
  embedder: {use: embedder/minilm-l6, purpose: Embed}
  index: {use: index/qdrant-edge, purpose: Find}
  retriever: {use: retriever/hybrid, purpose: Retrieve}
"""


def pages(count: int) -> list[Path]:
    spec = find_spec("awscli")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("needs the example's corpus: pip install 'asbuilt[aws]'")
    everything = sorted((Path(spec.submodule_search_locations[0]) / "examples").glob("**/*.rst"))
    return everything[:: max(1, len(everything) // count)][:count]


def plain_loop(precision: str, max_tokens: int, *, sort: bool) -> Callable[[Sequence[str]], None]:
    """Batches of 32, padded to the longest; sorted by length or not."""
    embedder = MiniLMEmbedder(precision=precision)  # type: ignore[arg-type]
    embedder.open()
    assert embedder.file is not None
    session = open_session(embedder.file)
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()

    def run(texts: Sequence[str]) -> None:
        rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
        if sort:
            rows.sort(key=len)
        for at in range(0, len(rows), 32):
            batch = rows[at : at + 32]
            width = max(map(len, batch))
            ids = np.array([row + [0] * (width - len(row)) for row in batch], np.int32)
            mask = np.array([[1] * len(row) + [0] * (width - len(row)) for row in batch], np.int32)
            session.run(None, {"input_ids": ids, "attention_mask": mask})

    return run


def asbuilt_engine() -> Callable[[Sequence[str]], None]:
    embedder = MiniLMEmbedder()
    embedder.open()

    def run(texts: Sequence[str]) -> None:
        for at in range(0, len(texts), 512):
            embedder.embed(texts[at : at + 512])

    return run


def timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def measure_steps(texts: Sequence[str], rounds: int) -> dict[str, dict[str, float]]:
    variants = {
        "plain loop: fp32, 256 tokens, given order": plain_loop("fp32", 256, sort=False),
        "+ sorted by length": plain_loop("fp32", 256, sort=True),
        "+ 128 tokens, as the model was trained": plain_loop("fp32", 128, sort=True),
        "+ int8 weights": plain_loop("int8", 128, sort=True),
        "+ batches bounded by tokens (asbuilt)": asbuilt_engine(),
    }
    for run in variants.values():
        run(texts[:32])
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, run in variants.items():
            seconds[name].append(timed(partial(run, texts)))
    plain = statistics.median(next(iter(seconds.values())))
    return {
        name: {
            "texts_per_s": round(len(texts) / statistics.median(each), 1),
            "times_plain": round(plain / statistics.median(each), 2),
        }
        for name, each in seconds.items()
    }


def measure_ingestion(files: Sequence[Path], rounds: int) -> dict[str, Any]:
    engine = asbuilt_engine()
    shares, terms_s, totals, rates = [], [], [], []
    chunks = 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "blueprint.yaml").write_text(BLUEPRINT)
            with System.load(Path(folder) / "blueprint.yaml") as system:
                _ = system.retriever, system.knowledge  # models load before the clock starts
                marks: dict[str, float] = {}
                started = time.perf_counter()

                def progress(stage: str, done: int, total: int) -> None:
                    if done == total:
                        marks[stage] = time.perf_counter() - started  # noqa: B023 (called in this round only)

                report = system.ingest([str(file) for file in files], progress=progress)
                chunks = report.chunks
                engine_s = timed(partial(engine, embedded_texts(system)))
            embed_s = marks["embed"] - marks["read"]
            shares.append(engine_s / embed_s)
            terms_s.append(marks["read"])
            totals.append(marks["check"])
            rates.append(chunks / embed_s)
    return {
        "pages": len(files),
        "chunks": chunks,
        "share of the engine's throughput": round(statistics.median(shares), 3),
        "chunks_per_s while embedding": round(statistics.median(rates), 1),
        "terms searchable after s": round(statistics.median(terms_s), 2),
        "whole ingestion s": round(statistics.median(totals), 2),
    }


def embedded_texts(system: System) -> list[str]:
    """What an ingestion embedded: chunks with their context, and the contexts alone."""
    points = [point for batch in system.catalog.feed(0, vector_id(system.embedder)) for point in batch.points]
    texts = [point.terms for point in points]
    return [*texts, *sorted({text.partition("\n")[0] for text in texts})]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    files = pages(arguments.pages)
    texts = [file.read_text(encoding="utf-8", errors="replace")[:2000] for file in files]
    results = {
        "steps": measure_steps(texts, arguments.rounds),
        "ingestion": measure_ingestion(files, arguments.rounds),
    }
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    for name, row in results["steps"].items():
        print(f"{name:<45} {row['texts_per_s']:>7.1f} texts/s  {row['times_plain']:>5.2f} x plain")
    for name, value in results["ingestion"].items():
        print(f"{name:<45} {value}")


if __name__ == "__main__":
    main()
