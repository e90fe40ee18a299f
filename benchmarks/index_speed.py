"""Speed, memory and agreement of the indexes, on the same points in the same run.

    python benchmarks/index_speed.py [--points 12000 100000] [--queries 300] [--json]

Texts are the example pages of the AWS CLI, cut at paragraphs near 900 characters, or synthetic ones
where awscli is not installed; beyond their number, the halves of two are joined. Vectors (384
dimensions) are drawn around 400 centres. Terms come first and vectors second, in durable writes of
256 points, as in an ingestion. Then a fresh process opens the index and searches with a depth of 50:
terms with six words of a text, vectors near a point; "filtered" lets a tenth of the points through.
Memory is what opening and searching added to that process. Agreement is with index/exact: the share
of its ten best that are among the other's ten best, and the largest relative difference of a score.

Target: p95 below 5 ms for each side on two cores, at 12,000 and at 100,000 points; agreement >= 0.99.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from asbuilt import registry
from asbuilt.types import Filters, IndexPoint, Matrix, ScoredId, Vector

ENGINES = ("index/exact", "index/qdrant-edge")
DIM = 384
BATCH = 256
DEPTH = 50
CHUNK_CHARACTERS = 900
GROUPS = 20
FILTER: Filters = {"group": ["g1", "g2"]}

Found = dict[str, list[list[tuple[int, float]]]]


@dataclass(frozen=True)
class Case:
    """One engine at one size."""

    engine: str
    folder: Path
    points: int
    queries: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, nargs="+", default=[12_000, 100_000])
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for points in arguments.points:
        reference: Found = {}
        for engine in ENGINES:
            with tempfile.TemporaryDirectory() as folder:
                case = Case(engine, Path(folder), points, arguments.queries)
                row = {"engine": engine, "points": points, **in_fresh_process(build, case)}
                measured, found = in_fresh_process(serve, case)
            reference = reference or found
            row |= measured | agreement(found, reference)
            rows.append(row)
            if not arguments.json:
                print(f"\n{engine}, {points:,} points")
                for name, value in list(row.items())[2:]:
                    print(f"  {name:28} {value:10,.2f}")
    if arguments.json:
        json.dump(rows, sys.stdout, indent=2)
        print()
    return 0


def in_fresh_process(function: Callable[[Case], Any], case: Case) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, case).result()


# ---------------------------------------------------------------- measured, each in its own process


def build(case: Case) -> dict[str, float]:
    texts, vectors = texts_of(case.points), vectors_of(case.points)
    index = registry.resolve(case.engine)(folder=case.folder)
    index.open()
    measured = {}
    for name, with_vectors in (("terms", False), ("vectors", True)):
        started = time.perf_counter()
        for first in range(0, case.points, BATCH):
            numbers = range(first, min(first + BATCH, case.points))
            index.write(
                [
                    IndexPoint(
                        number,
                        texts[number],
                        vectors[number] if with_vectors else None,
                        {"group": f"g{number % GROUPS}", "document_id": number // 3},
                    )
                    for number in numbers
                ],
                position=(with_vectors * case.points) + numbers[-1] + 1,
            )
        measured[f"write {name}, points/s"] = case.points / (time.perf_counter() - started)
    started = time.perf_counter()
    index.close()
    measured["close, ms"] = 1000 * (time.perf_counter() - started)
    return measured


def serve(case: Case) -> tuple[dict[str, float], Found]:
    terms, near = queries_of(case)
    index = registry.resolve(case.engine)(folder=case.folder)
    before = psutil.Process().memory_info().rss
    started = time.perf_counter()
    index.open()
    index.search(terms[0], top_k=1)
    measured = {"open and first search, ms": 1000 * (time.perf_counter() - started)}
    found: Found = {}
    queries: dict[str, list[str] | list[Vector]] = {"terms": terms, "dense": list(near)}
    for side, asked in queries.items():
        for name, filters in ((side, None), (f"{side} filtered", FILTER)):
            times_ms = []
            results: list[list[ScoredId]] = []
            for query in asked:
                started = time.perf_counter()
                results.append(index.search(query, top_k=DEPTH, filters=filters))
                times_ms.append(1000 * (time.perf_counter() - started))
            found[name] = [[(each.id, each.score) for each in result[:10]] for result in results]
            for share in (50, 95):
                measured[f"{name} p{share}, ms"] = float(np.percentile(times_ms, share))
    measured["memory, MiB"] = (psutil.Process().memory_info().rss - before) / 2**20
    index.close()
    return measured, found


def agreement(found: Found, reference: Found) -> dict[str, float]:
    """Shares of ten best that are as good as the reference's tenth: ties may come in any order."""
    agreed = {}
    for name, results in reference.items():
        shared = total = 0
        difference = 0.0
        for right, other in zip(results, found[name], strict=True):
            total += len(right)
            if right:
                least = right[-1][1] - 1e-5 * abs(right[-1][1])
                shared += sum(score >= least for _, score in other)
            scores = dict(other)
            for point, score in right:
                difference = max(difference, abs(scores.get(point, score) - score) / max(abs(score), 1e-9))
        agreed[f"{name} top-10 agreement"] = shared / max(total, 1)
        agreed[f"{name} score difference, ppm"] = 1e6 * difference
    return agreed


# ---------------------------------------------------------------- points and queries


def texts_of(count: int) -> list[str]:
    texts = list(pages()) or list(synthetic_texts())
    rng = np.random.default_rng(1)
    while len(texts) < count:
        one, other = (texts[number].split() for number in rng.integers(len(texts), size=2))
        texts.append(" ".join(one[: len(one) // 2] + other[len(other) // 2 :]))
    return texts[:count]


def pages() -> Iterator[str]:
    """The example pages of the AWS CLI in pieces, each below its command."""
    package = find_spec("awscli")
    if package is None or package.origin is None:
        return
    root = Path(package.origin).parent / "examples"
    for file in sorted(root.rglob("*.rst")):
        command = " ".join(file.relative_to(root).with_suffix("").parts)
        piece = ""
        for paragraph in file.read_text(encoding="utf-8").split("\n\n"):
            if piece and len(piece) + len(paragraph) > CHUNK_CHARACTERS:
                yield f"{command}\n{piece}"
                piece = ""
            piece += f"{paragraph}\n\n"
        yield f"{command}\n{piece}"


def synthetic_texts() -> Iterator[str]:
    rng = np.random.default_rng(2)
    words = [f"word{number}" for number in range(30_000)]
    for _ in range(10_000):
        yield " ".join(words[number % len(words)] for number in rng.zipf(1.2, 90))


def vectors_of(count: int) -> Matrix:
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((400, DIM), dtype=np.float32)
    vectors = centres[rng.integers(400, size=count)] + 0.7 * rng.standard_normal(
        (count, DIM), dtype=np.float32
    )
    return np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def queries_of(case: Case) -> tuple[list[str], Matrix]:
    rng = np.random.default_rng(4)
    chosen = rng.integers(case.points, size=case.queries)
    texts = texts_of(case.points)
    terms = []
    for number in chosen:
        words = texts[number].split()
        terms.append(" ".join(rng.choice(words, size=min(6, len(words)), replace=False)))
    near = vectors_of(case.points)[chosen] + 0.03 * rng.standard_normal((case.queries, DIM))
    return terms, near.astype(np.float32)


if __name__ == "__main__":
    raise SystemExit(main())
