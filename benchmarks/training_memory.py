"""Memory of a training: predicted before anything is loaded, and measured.

    python benchmarks/training_memory.py [--steps 2]

Trains the starter model in processes of their own, one setting after another, and compares the peak of
resident memory that the system saw with `asbuilt.training.memory.training_bytes`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from asbuilt.generation.models import STARTER
from asbuilt.lineage import DataCard, PreparedData, TrainingRow, rows_digest
from asbuilt.training.gguf_base import training_folder
from asbuilt.training.memory import training_bytes
from asbuilt.training.recipes.sft import SftConfig, main
from asbuilt.types import Message

SETTINGS: tuple[dict[str, Any], ...] = (
    {"method": "lora"},
    {"method": "lora", "checkpointing": True},
    {"method": "lora", "micro_batch": 4},
    {"method": "lora", "precision": "fp32"},
    {"method": "full"},
    {"method": "full", "checkpointing": True},
)
GIB = 2**30


def rows(number: int, *, prompt: int = 400, reply: int = 50) -> PreparedData:
    """Rows of about `prompt` and `reply` tokens; a word is one."""
    words = ("the", "time", "of", "day", "in", "which", "we", "see", "that", "all", "water", "is", "down")

    def text(first: int, length: int) -> str:
        return " ".join(words[(first + 7 * i) % len(words)] for i in range(length))

    made = tuple(
        TrainingRow(
            (Message("user", text(i, prompt + i % 5)), Message("assistant", text(3 * i, reply - i % 5))),
            source=f"s{i}",
            origin=f"made:{i}",
        )
        for i in range(number)
    )
    digest = rows_digest(made)
    return PreparedData(made, (), DataCard(number, number, 0, digest, rows_digest(())))


def measured(settings: dict[str, Any], *, steps: int) -> dict[str, int]:
    """Predicted and measured bytes of one training, in this process."""
    from transformers import AutoTokenizer

    from asbuilt.training.rendering import tokenize

    batch = settings.get("micro_batch", 1)
    data = rows(batch * steps)
    with tempfile.TemporaryDirectory() as folder:
        config = SftConfig(
            data="",
            folder=folder,
            base=STARTER,
            batch=batch,
            threads=1,
            **{"micro_batch": batch, "max_steps": steps, **settings},
        )
        base = Path(training_folder(STARTER))
        tokenizer = AutoTokenizer.from_pretrained(base)
        tokens = [tokenize(row, tokenizer, max_tokens=config.max_tokens) for row in data.train]
        longest = max(len(each.input_ids) for each in tokens)
        learnt = max(sum(label != -100 for label in each.labels) for each in tokens)
        predicted = training_bytes(base, config, longest=longest, learnt=learnt, gpu=False)
        trained = main(config, data=data)
    return {
        "predicted": predicted,
        "measured": trained.peak_memory_bytes,
        "longest": longest,
        "learnt": learnt,
    }


def runtime_bytes() -> int:
    """Of a process that has loaded what a training loads, but no model."""
    import datasets  # noqa: F401
    import peft  # noqa: F401
    import torch
    from transformers import AutoTokenizer, Trainer  # noqa: F401

    from asbuilt.resources.resident import peak_resident_bytes

    AutoTokenizer.from_pretrained(training_folder(STARTER))
    (torch.ones(64, 64) @ torch.ones(64, 64)).sum()
    return peak_resident_bytes()


def _in_a_process(settings: dict[str, Any] | None, steps: int) -> Any:
    done = subprocess.run(
        [sys.executable, __file__, "--steps", str(steps), "--one", json.dumps(settings)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--one", help="settings as JSON: measure them in this process")
    options = parser.parse_args()
    if options.one:
        settings = json.loads(options.one)
        print(json.dumps(runtime_bytes() if settings is None else measured(settings, steps=options.steps)))
        return
    print(f"runtime without a model: {_in_a_process(None, 0) / 1e6:.0f} MB", flush=True)
    for settings in SETTINGS:
        found = _in_a_process(settings, options.steps)
        error = found["predicted"] / found["measured"] - 1
        told = ", ".join(f"{key} {value}" for key, value in settings.items())
        print(
            f"{told}: predicted {found['predicted'] / GIB:.2f} GiB, "
            f"measured {found['measured'] / GIB:.2f} GiB ({error:+.0%}), "
            f"rows of {found['longest']} tokens, {found['learnt']} learnt",
            flush=True,
        )


if __name__ == "__main__":
    run()
