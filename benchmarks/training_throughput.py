"""Tokens a second of our fine-tuning recipe against plain TRL with PEFT, on the same rows and settings.

    python benchmarks/training_throughput.py [--rows 8] [--rounds 3]

Prediction: twice as fast on a CPU, where logits of prompts are what TRL computes and we do not; at least
95 % anywhere. Both train the starter with LoRA (rank 16, all layers, bfloat16 base), one row at a time,
in turns in one process; times are of the training alone, after the model was loaded.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from random import Random
from statistics import median

from asbuilt.generation.models import STARTER
from asbuilt.lineage import DataCard, PreparedData, TrainingRow, rows_digest
from asbuilt.training.gguf_base import training_folder
from asbuilt.training.quiet import quiet_libraries
from asbuilt.training.recipes.sft import LINEAR, SftConfig, main
from asbuilt.training.rendering import tokenize
from asbuilt.training.run_folder import metrics_of
from asbuilt.types import Message

WORDS = (
    "bucket", "queue", "role", "policy", "image", "table", "stream", "record", "user", "tag", "list",
    "create", "delete", "update", "region",
)  # fmt: skip


def rows(number: int) -> tuple[TrainingRow, ...]:
    """Prompts of about 400 tokens and replies of about 50, as the assistant's are."""
    random = Random(0)
    made = []
    for at in range(number):
        passage = " ".join(random.choices(WORDS, k=random.randint(300, 420)))
        reply = " ".join(random.choices(WORDS, k=random.randint(35, 55)))
        asked = (Message("system", "Answer from the passage."), Message("user", passage))
        made.append(TrainingRow((*asked, Message("assistant", reply)), f"s{at}", f"made:{at}"))
    return tuple(made)


def ours(data: PreparedData) -> float:
    with tempfile.TemporaryDirectory() as folder:
        main(
            SftConfig(data="", folder=folder, base=STARTER, batch=4, micro_batch=1, check_every=1000),
            data=data,
        )
        return float(metrics_of(Path(folder))[-1]["seconds"])


def plain_trl(data: PreparedData) -> float:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig as TrlConfig
    from trl import SFTTrainer

    base = training_folder(STARTER)
    tokenizer = AutoTokenizer.from_pretrained(base)
    encoded = [asdict(tokenize(row, tokenizer, max_tokens=1024)) for row in data.train]
    with tempfile.TemporaryDirectory() as folder, quiet_libraries():
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16),
            args=TrlConfig(
                output_dir=folder,
                per_device_train_batch_size=1,
                gradient_accumulation_steps=4,
                num_train_epochs=1,
                learning_rate=1e-3,
                bf16=False,
                use_cpu=not torch.cuda.is_available(),
                gradient_checkpointing=False,
                save_strategy="no",
                report_to=[],
                max_length=None,
                dataset_kwargs={"skip_prepare_dataset": True},
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(encoded),
            processing_class=tokenizer,
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules=list(LINEAR), task_type="CAUSAL_LM"),
        )
        started = time.perf_counter()
        trainer.train()
        return time.perf_counter() - started


def compare() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("--rows", type=int, default=8)
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    train = rows(asked.rows)
    card = DataCard(len(train), len(train), 0, rows_digest(train), rows_digest(()))
    data = PreparedData(train, (), card)
    found: dict[str, list[float]] = {"asbuilt": [], "TRL and PEFT": []}
    for number in range(asked.rounds):
        for name, train_with in (("asbuilt", ours), ("TRL and PEFT", plain_trl)):
            found[name].append(train_with(data))
            print(f"round {number + 1}: {name} {found[name][-1]:.1f} s", flush=True)
    ratio = median(b / a for a, b in zip(*found.values(), strict=True))
    print(f"median of {asked.rounds}: asbuilt is {ratio:.2f} times as fast")


if __name__ == "__main__":
    compare()
