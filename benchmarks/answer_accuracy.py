"""Answer accuracy on the example's cli-commands: the model alone, with retrieval, retrieval alone.

    python benchmarks/answer_accuracy.py [--project examples/aws-assistant] [--n 100] [--json]

An answer is right when its first AWS command has the reference's service and operation, has the
required parameters and passes `aws_cli_check`. "Retrieval alone" takes the first command of the
best page. The first `--n` instructions in the order of their hash are asked, each of all three.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from hashlib import sha256
from pathlib import Path
from typing import Any

from asbuilt.statistics.estimate import wilson
from asbuilt.system import System
from asbuilt.types import Event, Finished, GenerationOptions, Message

OPTIONS = GenerationOptions(temperature=0.0, max_tokens=120, seed=0)
BARE = "You are an expert of the AWS command line. Answer with one AWS CLI command."


async def text_of(events: AsyncIterator[Event]) -> str:
    """The whole text of a stream."""
    async with aclosing(events) as stream:  # type: ignore[type-var]
        async for event in stream:
            if isinstance(event, Finished):
                return event.answer.text if event.answer else event.message.content
    raise AssertionError("a stream ends with Finished")


def instructions(project: Path, n: int) -> list[dict[str, str]]:
    lines = (project / "data/cli-commands.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, str]] = [json.loads(line) for line in lines]
    return sorted(rows, key=lambda row: sha256(row["question"].encode()).digest())[:n]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", type=Path, default=Path("examples/aws-assistant"))
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.project))
    from aws_tools import first_command, same_command

    rows = instructions(arguments.project, arguments.n)
    right = {"model alone": 0, "retrieval alone": 0, "model with retrieval": 0}
    with System.load(arguments.project / "blueprint.yaml") as system:
        for done, row in enumerate(rows, start=1):
            asked = Message("user", row["question"])
            bare = asyncio.run(
                text_of(system.generator.stream([Message("system", BARE), asked], options=OPTIONS))
            )
            hits = system.retriever.retrieve(row["question"], top_k=1)
            cited = asyncio.run(text_of(system.assistant.answer([asked], options=OPTIONS)))
            answers = {
                "model alone": bare,
                "retrieval alone": hits[0].chunk.text if hits else "",
                "model with retrieval": cited,
            }
            for name, text in answers.items():
                command = first_command(text)
                right[name] += command is not None and same_command(command, row["reference"])
            if done % 10 == 0:
                print(f"{done} of {len(rows)}: {right}", file=sys.stderr)
    results: dict[str, Any] = {
        name: {
            "n": len(rows),
            "accuracy": round(count / len(rows), 4),
            "95 %": [round(bound, 4) for bound in wilson(count, len(rows))],
        }
        for name, count in right.items()
    }
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    for name, row_ in results.items():
        low, high = row_["95 %"]
        print(f"{name:<22} {row_['accuracy']:>6.1%}  ({low:.1%} to {high:.1%}, n = {row_['n']})")


if __name__ == "__main__":
    main()
