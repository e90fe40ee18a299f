"""Training on preferences: of two replies to the same, the one that people liked becomes more likely.

    python -m asbuilt.training.recipes.dpo config.json

Direct preference optimisation (Rafailov et al., arXiv 2305.18290) with LoRA, by TRL's DPOTrainer. The
reference that the model may not leave is the model itself with its adapter switched off, so that no second
copy is in memory. To change something, copy this file.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from asbuilt.errors import UserError
from asbuilt.lineage import PreparedData, TrainedModel, TrainingProgress, TrainingRow
from asbuilt.training.data_files import read_data
from asbuilt.training.freed_memory import return_freed_memory
from asbuilt.training.gguf_base import training_folder
from asbuilt.training.memory import refuse_what_cannot_fit
from asbuilt.training.preflight import preflight
from asbuilt.training.processes import micro_batches
from asbuilt.training.quiet import quiet_libraries
from asbuilt.training.recipes.sft import LINEAR
from asbuilt.training.rendering import ChatTokenizer, render
from asbuilt.training.row_order import rows_in_order
from asbuilt.training.run_folder import RunFolder
from asbuilt.training.run_watch import RunWatch
from asbuilt.types import Message

__all__ = ["DpoConfig", "main"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DpoConfig:
    """What a training does. A step of the optimizer sees `batch` pairs, `micro_batch` at a time.

    `beta` is how hard the model is held to what it was: 0.1 is the paper's, more holds harder. Only rows
    with a `worse` reply are learnt from. The rest is as SftConfig has it.
    """

    data: str
    folder: str
    base: str
    beta: float = 0.1
    rank: int = 16
    alpha: int | None = None
    targets: tuple[str, ...] = LINEAR
    learning_rate: float = 1e-4
    epochs: float = 1.0
    max_steps: int | None = None
    batch: int = 8
    micro_batch: int = 1
    max_tokens: int = 1024
    precision: Literal["bf16", "fp32"] = "bf16"
    checkpointing: bool = False
    check_every: int = 25
    patience: int | None = 3
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        whole = ("rank", "batch", "micro_batch", "max_tokens", "check_every", "max_steps", "patience")
        for name in (*whole, "threads"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise UserError(f"{name} is {value!r}; it must be at least 1.")
        if self.batch % self.micro_batch:
            raise UserError(
                f"batch is {self.batch}, which micro_batch = {self.micro_batch} does not divide.",
                hint="Take a micro_batch of 1, 2, 4, ...",
            )
        for name in ("learning_rate", "epochs", "beta"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"{name} is {getattr(self, name)!r}; it must be above 0.")


def main(
    config: DpoConfig,
    *,
    data: PreparedData | None = None,
    progress: Callable[[TrainingProgress], None] = lambda _: None,
) -> TrainedModel:
    """Train, and leave the adapter in ``folder/model``; `data` is read from its folder unless given. Goes
    on where an earlier call with the same config and data was interrupted."""
    data = data or read_data(Path(config.data))
    run = RunFolder(Path(config.folder), config={**asdict(config), "data": data.card.train_digest})
    with run.locked():
        if (done := run.finished()) is not None:
            return done
        with quiet_libraries():
            return _train(config, data, run, progress)


def _train(
    config: DpoConfig, data: PreparedData, run: RunFolder, progress: Callable[[TrainingProgress], None]
) -> TrainedModel:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, set_seed
    from trl import DPOConfig, DPOTrainer

    return_freed_memory()
    if config.threads:
        torch.set_num_threads(config.threads)
    gpu = torch.cuda.is_available()

    # 1. Base and pairs. Nothing is loaded before the data has passed and the plan fits.
    base = training_folder(config.base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    data = replace(data, train=_compared(data.train), validation=_compared(data.validation))
    if not data.train:
        raise UserError(
            "no row to train on has a worse reply beside its own.",
            hint="Collect feedback with corrections, or write `worse` in the rows; or train with sft.",
        )
    for each in (data, _swapped(data)):
        preflight(each, tokenizer, max_tokens=config.max_tokens).refuse_if_faulty()
    train = [_pair(row, tokenizer, max_tokens=config.max_tokens) for row in data.train]
    validation = [_pair(row, tokenizer, max_tokens=config.max_tokens) for row in data.validation]
    longest = max(len(row["prompt_ids"]) + max(map(len, _replies(row))) for row in train)
    refuse_what_cannot_fit(Path(base), config, longest=longest, learnt=longest, gpu=gpu)

    # 2. Model.
    set_seed(config.seed)  # adapters begin with random numbers
    dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha or 2 * config.rank,
        lora_dropout=0.0,
        target_modules=list(config.targets),
        task_type="CAUSAL_LM",
    )
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)

    # 3. Training.
    arguments = DPOConfig(
        output_dir=str(run.checkpoints),
        beta=config.beta,
        max_length=config.max_tokens,
        per_device_train_batch_size=config.micro_batch,
        per_device_eval_batch_size=config.micro_batch,
        gradient_accumulation_steps=micro_batches(config.batch, micro_batch=config.micro_batch),
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.03,
        num_train_epochs=config.epochs,
        max_steps=config.max_steps or -1,
        logging_steps=1,
        logging_nan_inf_filter=False,  # a loss that is no number would be told as 0
        include_num_input_tokens_seen="non_padding",
        eval_strategy="steps" if validation else "no",
        eval_steps=config.check_every,
        save_strategy="steps",
        save_steps=config.check_every,
        save_total_limit=2,
        load_best_model_at_end=bool(validation),
        metric_for_best_model="eval_loss" if validation else None,
        bf16=False,  # what is computed has the precision of the base
        gradient_checkpointing=config.checkpointing,
        use_cpu=not gpu,
        dataloader_pin_memory=gpu,
        ddp_find_unused_parameters=False,
        report_to=[],
        disable_tqdm=True,
        seed=config.seed,
        data_seed=config.seed,
    )

    class Tokenized(DPOTrainer):  # type: ignore[misc]
        """Takes rows that are tokens already, prompt and reply apart, as they are in serving."""

        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

    watch = RunWatch(run, progress, patience=config.patience if validation else None)
    trainer = rows_in_order(Tokenized)(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(train),
        eval_dataset=Dataset.from_list(validation) if validation else None,
        processing_class=tokenizer,
        peft_config=lora,  # given so, the reference is the model without its adapter
        callbacks=[watch.callback()],
    )
    trainer.remove_callback(PrinterCallback)  # `progress` tells
    with watch:
        trainer.train(resume_from_checkpoint=run.last_checkpoint())

    # 4. The result, complete or not there at all.
    return run.finish(
        save=lambda folder: (trainer.model.save_pretrained(folder), tokenizer.save_pretrained(folder)),
        recipe="dpo",
        method="lora",
        base=config.base,
        base_folder=Path(base),
        template=tokenizer.chat_template or "",
        watch=watch,
    )


def _compared(rows: Sequence[TrainingRow]) -> tuple[TrainingRow, ...]:
    return tuple(row for row in rows if row.worse is not None)


def _worse(row: TrainingRow) -> TrainingRow:
    """The same with the worse reply in place of the better."""
    return replace(row, messages=(*row.messages[:-1], Message("assistant", row.worse or "")), worse=None)


def _swapped(data: PreparedData) -> PreparedData:
    return replace(data, train=tuple(map(_worse, data.train)), validation=tuple(map(_worse, data.validation)))


def _pair(row: TrainingRow, tokenizer: ChatTokenizer, *, max_tokens: int) -> dict[str, list[int]]:
    """The tokens of a prompt and of both replies, each with its end-of-turn token."""
    better, worse = render(row, tokenizer), render(_worse(row), tokenizer)
    room = max_tokens - len(better.prompt_ids)
    replies = {"chosen_ids": list(better.reply_ids[:room]), "rejected_ids": list(worse.reply_ids[:room])}
    return {"prompt_ids": list(better.prompt_ids), **replies}


def _replies(pair: dict[str, list[int]]) -> tuple[list[int], list[int]]:
    return pair["chosen_ids"], pair["rejected_ids"]


if __name__ == "__main__":
    from asbuilt.training.recipes.command import run_recipe

    sys.exit(run_recipe(DpoConfig, main))
