"""Seconds to load, check, order and plan a large blueprint. Target: 500 components in less than 1 s each.

    python benchmarks/blueprint_speed.py [--components 500] [--runs 9] [--json]

Half of the components are built and wired (needs, config, declared ports), half are planned, and
each has every key that a careful author writes. "cold" is the first run of the process, which also
imports the components' modules; the others are the medians of the runs after it. The parsers are
ruamel.yaml's own on the same text, with libyaml (used where it is installed) and without.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from asbuilt.blueprint import build_order, check, load
from asbuilt.planning import plan

HEAD = """\
blueprint: 1
system: {name: large, purpose: Be large}
target: dgx-spark
components:
  vectors: {use: index/exact, purpose: Search}
  embedder: {use: embedder/fake, purpose: Embed}
"""
BUILT = """\
  retriever-{n}:
    use: retriever/hybrid
    purpose: Retrieve passages of part {n} of the documents
    needs: {{embedder: embedder, index: vectors}}
    config: {{top_k: {k}, mode: hybrid, weight: 0.4, candidates: 40}}
    inputs:
      - {{name: query, type: str, description: a question}}
      - {{name: top_k, type: int | None, description: how many}}
      - {{name: filters, type: Filters | None, description: which}}
    outputs: [{{name: hits, type: "list[Hit]", description: passages}}]
    technologies: [numpy, qdrant]
    hours: {k}
    status: in_progress
    notes: "Part {n}: the ones that people ask about."
"""
PLANNED = """\
  plan-{n}:
    purpose: Price part {n} before it is made
    dependencies: [retriever-{n}]
    inputs: [{{name: change, type: str, description: a command}}]
    outputs: [{{name: price, type: Money, description: monthly cost}}]
    technologies: [python]
    hours: {k}
    notes: Not begun.
"""


def text_of(components: int) -> str:
    pairs = (components - 2) // 2
    rows = [form.format(n=n, k=1 + n % 9) for n in range(pairs) for form in (BUILT, PLANNED)]
    return HEAD + "".join(rows)


def seconds(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def measure(file: Path, runs: int) -> dict[str, float]:
    def whole() -> None:
        loaded = load(file)
        faults = check(loaded)
        assert loaded.blueprint is not None, loaded.faults
        assert not faults, faults[:3]
        build_order(loaded.blueprint)

    figures = {"cold": seconds(whole)}
    loaded = load(file)
    blueprint = loaded.blueprint
    assert blueprint is not None
    text = file.read_text(encoding="utf-8")
    for name, action in (
        ("parser, Python", lambda: list(YAML(typ="safe", pure=True).parse(text))),
        ("parser, libyaml", lambda: list(YAML(typ="safe").parse(text))),
        ("load", lambda: load(file)),
        ("check", lambda: check(loaded)),
        ("order", lambda: build_order(blueprint)),
        ("load, check and order", whole),
        ("plan", lambda: plan(blueprint, folder=file.parent)),
    ):
        figures[name] = statistics.median(seconds(action) for _ in range(runs))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--components", type=int, default=500)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "blueprint.yaml")
        file.write_text(text_of(arguments.components), encoding="utf-8")
        size, lines = file.stat().st_size, file.read_text(encoding="utf-8").count("\n")
        figures = measure(file, arguments.runs)
    report = {
        "components": arguments.components,
        "kib": round(size / 1024),
        "lines": lines,
        "runs": arguments.runs,
        "seconds": {name: round(value, 4) for name, value in figures.items()},
    }
    if arguments.json:
        json.dump(report, sys.stdout, indent=2)
        return
    print(
        f"{arguments.components} components, {report['kib']} KiB, {lines} lines, median of {arguments.runs}"
    )
    for name, value in figures.items():
        print(f"  {name:<22} {value:7.3f} s")


if __name__ == "__main__":
    main()
