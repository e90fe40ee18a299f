"""Memory of a training: predicted before anything is loaded, and measured.

    python benchmarks/training_memory.py [--steps 2]

Trains the starter models in processes of their own, one setting after another, and compares the peak of
resident memory that the system saw with what is predicted before a training.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from typing import Any

from asbuilt.generation.models import STARTER
from asbuilt.lineage import DataCard, PreparedData, TrainingRow, rows_digest
from asbuilt.training import embedder_memory, memory
from asbuilt.training.gguf_base import training_folder
from asbuilt.training.recipes import dpo, embedding, sft
from asbuilt.training.recipes.dpo import DpoConfig
from asbuilt.training.recipes.embedding import EmbeddingConfig
from asbuilt.training.recipes.sft import SftConfig
from asbuilt.types import Message

SETTINGS: tuple[dict[str, Any], ...] = (
    {"method": "lora"},
    {"method": "lora", "checkpointing": True},
    {"method": "lora", "checkpointing": True, "micro_batch": 2, "rank": 64},
    {"method": "lora", "checkpointing": True, "micro_batch": 4},
    {"method": "lora", "micro_batch": 4},
    {"method": "lora", "layers": [10, 30]},
    {"method": "lora", "precision": "fp32"},
    {"method": "full"},
    {"method": "full", "batch": 2},
    {"method": "full", "checkpointing": True},
    {"method": "full", "checkpointing": True, "batch": 2},
    {"method": "full", "micro_batch": 4},
    {"method": "full", "precision": "fp32", "batch": 2},
    {"recipe": "dpo"},
    {"recipe": "dpo", "checkpointing": True},
    {"recipe": "dpo", "batch": 4, "micro_batch": 2},
    {"recipe": "embedding", "batch": 8},
    {"recipe": "embedding", "batch": 32, "max_tokens": 64},
    {"recipe": "embedding", "batch": 32},
    {"recipe": "embedding", "batch": 32, "max_tokens": 256},
)
GIB = 2**30


def rows(number: int, *, prompt: int = 400, reply: int = 50, worse: bool = False) -> PreparedData:
    """Rows of about `prompt` and `reply` tokens; a word is one. `worse`: each has a worse reply as well."""
    words = ("the", "time", "of", "day", "in", "which", "we", "see", "that", "all", "water", "is", "down")

    def text(first: int, length: int) -> str:
        return " ".join(words[(first + 7 * i) % len(words)] for i in range(length))

    made = tuple(
        TrainingRow(
            (Message("user", text(i, prompt + i % 5)), Message("assistant", text(3 * i, reply - i % 5))),
            source=f"s{i}",
            origin=f"made:{i}",
            worse=text(5 * i + 1, reply - i % 3) if worse else None,
        )
        for i in range(number)
    )
    digest = rows_digest(made)
    return PreparedData(made, (), DataCard(number, number, 0, digest, rows_digest(())))


def measured(settings: dict[str, Any], *, steps: int) -> dict[str, int]:
    """Predicted and measured bytes of one training, in this process."""
    settings = {"max_steps": steps, "threads": 1, **settings}
    recipe = settings.pop("recipe", "sft")
    predictions: list[int] = []
    # What the recipe compares with the memory that is free, as it does so.
    for module in (memory, embedder_memory):
        setattr(module, "refuse_above_free", lambda needed, **_: predictions.append(needed))  # noqa: B010
    with tempfile.TemporaryDirectory() as folder:
        if recipe == "embedding":
            made = rows(settings["batch"] * steps, prompt=15, reply=300, worse=True)
            trained = embedding.main(EmbeddingConfig(data="", folder=folder, **settings), data=made)
        else:
            settings = {"batch": settings.get("micro_batch", 1), "micro_batch": 1, **settings}
            made = rows(settings["batch"] * steps, worse=recipe == "dpo")
            config = {"data": "", "folder": folder, "base": STARTER, **settings}
            trained = (
                dpo.main(DpoConfig(**config), data=made)
                if recipe == "dpo"
                else sft.main(SftConfig(**config), data=made)
            )
    return {"predicted": predictions[0], "measured": trained.peak_memory_bytes}


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
            f"measured {found['measured'] / GIB:.2f} GiB ({error:+.0%})",
            flush=True,
        )


if __name__ == "__main__":
    run()
