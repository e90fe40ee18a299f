"""Does a swarm lose or double an effect when its process is killed? kill -9, a thousand times.

    python benchmarks/swarm_kills.py                                  # 1,000 kills
    python benchmarks/swarm_kills.py --n 250 --seed 3 --log kills.jsonl   # a part, added to a file
    python benchmarks/swarm_kills.py --n 0 --log kills.jsonl          # what the file has, as a table

A run of three subtasks calls a tool of every class of effects in each: it reads, puts (idempotent), notes
(in the catalogue's own database), sends (external, nobody can tell), posts (external, can be asked about).
Its process is killed before a line of the swarm's own code that is drawn at random, up to three times a
run, resumed, and killed again; a doubt is answered by looking at the world. Then the world is counted:
each of the twelve effects must have happened once. Runs are independent, each drawn from its seed and
number, so that parts may run at different times.

Prediction, before the first thousand: about 30 doubts, 0 lost, 0 doubled.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from asbuilt.testing.run_workload import KillReport, count_lines, run_with_kills

_EFFECTS_A_RUN = 12


def killed_runs(kills: int, seed: int, *, first: int) -> Iterator[KillReport]:
    """Reports of runs, from the one with the number `first` on, until there were so many kills."""
    with tempfile.TemporaryDirectory() as folder:
        lines = count_lines(Path(folder) / "whole")
        done, number = 0, first
        while done < kills:
            run = Path(folder) / f"run-{number}"
            report = run_with_kills(run, Random(f"{seed}/{number}"), lines=lines)
            shutil.rmtree(run)
            done, number = done + report.kills, number + 1
            yield report


def table(records: Iterable[Mapping[str, Any]]) -> str:
    """The sums as a table in Markdown. What took effect 0 times is lost, more than once doubled."""
    runs = kills = doubts = lost = doubled = other = 0
    for each in records:
        runs, kills, doubts = runs + 1, kills + each["kills"], doubts + each["doubts"]
        for fault in each["faults"]:
            if "took effect 0 times" in fault:
                lost += 1
            elif "took effect" in fault:
                doubled += 1
            else:
                other += 1
    return (
        "| kills | runs | effects | lost | doubled | other faults | doubts shown |\n"
        "|---:|---:|---:|---:|---:|---:|---:|\n"
        f"| {kills:,} | {runs:,} | {_EFFECTS_A_RUN * runs:,} | {lost} | {doubled} | {other} | {doubts} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--n", type=int, default=1_000, help="kills")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other lines")
    parser.add_argument("--log", type=Path, help="a file of JSON lines, one a run, that is added to")
    options = parser.parse_args()
    log: Path | None = options.log
    records: list[dict[str, Any]] = []
    if log is not None and log.exists():
        records = [json.loads(line) for line in log.read_text().splitlines()]
    began = time.perf_counter()
    known = sum(each["seed"] == options.seed for each in records)
    for report in killed_runs(options.n, options.seed, first=known):
        records.append(
            {"seed": options.seed, "kills": report.kills, "doubts": report.doubts, "faults": report.faults}
        )
        for fault in report.faults:
            print(f"run {len(records)}: {fault}", flush=True)
        if log is not None:
            with log.open("a") as file:
                file.write(json.dumps(records[-1]) + "\n")
    print(table(records))
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
