"""Files and megabytes a second, on one core, from a folder of documentation to chunks.

    python benchmarks/reading_speed.py [--runs 3] [--sample 1] [--json]

The corpus is the AWS CLI's example pages (asbuilt[aws]). "sources" finds the files, "read" reads
and parses them, "chunk" cuts what was read. Beside them, on the same files in the same run:
"decode", the bytes read and decoded and nothing else (the floor of reading); "docutils", the
same titles found by building docutils' tree (the peer; one run, because it is slow); "tokenize",
the tokenizer alone on each page (the floor of chunking). Seconds are processor time (all of it is
computing: the files are in the page cache), medians of `--runs`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import docutils.core

from asbuilt.documents import find_sources, read_bytes
from asbuilt.documents.chunker import StructuralChunker
from asbuilt.documents.rst import RstReader
from asbuilt.documents.tokens import load_tokenizer, starter_tokenizer


def corpus_folder() -> Path:
    spec = find_spec("awscli")
    if spec is None or spec.origin is None:
        raise SystemExit("The corpus is not installed: pip install 'asbuilt[aws]'")
    return Path(spec.origin).parent / "examples"


def docutils_tree(text: str) -> object:
    quiet = {"report_level": 5, "halt_level": 6, "file_insertion_enabled": False}
    return docutils.core.publish_doctree(text, settings_overrides=quiet)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--sample", type=int, default=1, help="use every Nth file")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    folder = corpus_folder()
    paths = [file.path for file in find_sources([folder]).files if file.path.suffix == ".rst"][
        :: options.sample
    ]
    reader = RstReader()
    chunker = StructuralChunker()
    chunker.open()
    tokenizer, _ = load_tokenizer(starter_tokenizer())
    documents = [reader.read(read_bytes(path), name=path.name) for path in paths]
    chunks = [chunk for document in documents for chunk in chunker.chunk(document)]
    megabytes = sum(path.stat().st_size for path in paths) / 1e6

    stages: dict[str, tuple[int, Callable[[], object]]] = {
        "sources": (options.runs, lambda: find_sources([folder])),
        "decode": (options.runs, lambda: [path.read_bytes().decode() for path in paths]),
        "read": (options.runs, lambda: [reader.read(read_bytes(path), name=path.name) for path in paths]),
        "docutils": (1, lambda: [bool(docutils_tree(path.read_text())) for path in paths]),
        "tokenize": (
            options.runs,
            lambda: [
                len(tokenizer.encode(document.text, add_special_tokens=False)) for document in documents
            ],
        ),
        "chunk": (options.runs, lambda: [len(chunker.chunk(document)) for document in documents]),
    }
    results: dict[str, tuple[float, float, float]] = {}
    for name, (runs, work) in stages.items():
        seconds = statistics.median(timed(work) for _ in range(runs))
        results[name] = seconds, len(paths) / seconds, megabytes / seconds
    summary = {
        "files": len(paths),
        "megabytes": round(megabytes, 2),
        "chunks": len(chunks),
        "tokens": sum(chunk.tokens for chunk in chunks),
        "read_and_chunk_s": round(results["read"][0] + results["chunk"][0], 2),
        "docutils_times_slower": round(results["docutils"][0] / results["read"][0], 1),
    }
    if options.json:
        keys = ("seconds", "files_per_s", "mb_per_s")
        rows = {name: dict(zip(keys, figures, strict=True)) for name, figures in results.items()}
        print(json.dumps({**summary, "stages": rows}, indent=2))
        return
    for name, (seconds, files_per_s, mb_per_s) in results.items():
        print(f"{name:9} {seconds:8.2f} s {files_per_s:8.0f} files/s {mb_per_s:8.2f} MB/s")
    print(", ".join(f"{name} {value}" for name, value in summary.items()))


def timed(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
