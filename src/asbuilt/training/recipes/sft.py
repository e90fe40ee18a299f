"""Supervised fine-tuning: a model learns the last reply of each row, by LoRA, QLoRA or in full.

    python -m asbuilt.training.recipes.sft config.json        on this machine
    torchrun --nproc-per-node 4 -m asbuilt.training.recipes.sft config.json

`main` reads from top to bottom what happens. To change something, copy this file.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from asbuilt.errors import UserError
from asbuilt.lineage import PreparedData, TrainedModel, TrainingProgress
from asbuilt.training.data_files import read_data
from asbuilt.training.freed_memory import return_freed_memory
from asbuilt.training.gguf_base import training_folder
from asbuilt.training.label_loss import loss_on_labels
from asbuilt.training.memory import refuse_what_cannot_fit
from asbuilt.training.preflight import preflight
from asbuilt.training.processes import micro_batches
from asbuilt.training.quiet import quiet_libraries
from asbuilt.training.rendering import NOT_LEARNT, tokenize
from asbuilt.training.row_order import rows_in_order
from asbuilt.training.run_folder import RunFolder
from asbuilt.training.run_watch import RunWatch

__all__ = ["SftConfig", "main"]

LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True, kw_only=True)
class SftConfig:
    """What a training does. A step of the optimizer sees `batch` rows, `micro_batch` at a time.

    `base` is the starter's name, a GGUF file (its weights are dequantised), a folder or a hub id.
    `layers` (first, last + 1) restricts LoRA to some layers. `precision` is that of base weights and
    computation; adapters are trained in float32. `patience` checks of the validation loss without a
    better one end the training; the best checkpoint is kept. Lengths are in tokens.
    """

    data: str
    folder: str
    base: str
    method: Literal["lora", "qlora", "full"] = "lora"
    rank: int = 16
    alpha: int | None = None
    targets: tuple[str, ...] = LINEAR
    layers: tuple[int, int] | None = None
    learning_rate: float = 1e-3
    epochs: float = 1.0
    max_steps: int | None = None
    batch: int = 8
    micro_batch: int = 2
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
        for name in ("learning_rate", "epochs"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"{name} is {getattr(self, name)!r}; it must be above 0.")


def main(
    config: SftConfig,
    *,
    data: PreparedData | None = None,
    progress: Callable[[TrainingProgress], None] = lambda _: None,
) -> TrainedModel:
    """Train, and leave the adapter or model in ``folder/model``; `data` is read from its folder unless
    given. Goes on where an earlier call with the same config and data was interrupted."""
    data = data or read_data(Path(config.data))
    run = RunFolder(Path(config.folder), config={**asdict(config), "data": data.card.train_digest})
    with run.locked():
        if (done := run.finished()) is not None:
            return done
        with quiet_libraries():
            return _train(config, data, run, progress)


def _train(
    config: SftConfig, data: PreparedData, run: RunFolder, progress: Callable[[TrainingProgress], None]
) -> TrainedModel:
    import torch
    from datasets import Dataset
    from peft import LoraConfig, get_peft_model
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForSeq2Seq,
        PrinterCallback,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    return_freed_memory()
    if config.threads:
        torch.set_num_threads(config.threads)
    gpu = torch.cuda.is_available()
    if config.method == "qlora" and not gpu:
        raise UserError("qlora needs a GPU with CUDA.", hint="Use method: lora; on a CPU it takes as little.")

    # 1. Base: nothing is loaded before the data has passed and the plan fits.
    base = training_folder(config.base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    preflight(data, tokenizer, max_tokens=config.max_tokens).refuse_if_faulty()
    train = [tokenize(row, tokenizer, max_tokens=config.max_tokens) for row in data.train]
    validation = [tokenize(row, tokenizer, max_tokens=config.max_tokens) for row in data.validation]
    longest = max(len(row.input_ids) for row in train)
    learnt = max(sum(label != NOT_LEARNT for label in row.labels) for row in train)
    refuse_what_cannot_fit(Path(base), config, longest=longest, learnt=learnt, gpu=gpu)

    # 2. Model. PEFT keeps adapters in float32 on a base in bfloat16.
    loading: dict[str, Any] = {"dtype": torch.bfloat16 if config.precision == "bf16" else torch.float32}
    if config.method == "full":
        loading["dtype"] = torch.float32
    if config.method == "qlora":
        from transformers import BitsAndBytesConfig

        loading["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
        )
    set_seed(config.seed)  # adapters begin with random numbers
    model = AutoModelForCausalLM.from_pretrained(base, **loading)
    if config.method != "full":
        there = model.config.num_hidden_layers
        first, end = config.layers or (0, there)
        if not 0 <= first < end <= there:
            raise UserError(f"layers {first} to {end} are not within those of the model, 0 to {there}.")
        lora = LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha or 2 * config.rank,
            lora_dropout=0.0,
            target_modules=list(config.targets),
            layers_to_transform=list(range(first, end)),
            task_type="CAUSAL_LM",
        )
        model = get_peft_model(model, lora)
        if config.checkpointing:
            model.enable_input_require_grads()

    # 3. Training.
    checks = "steps" if validation else "no"
    arguments = TrainingArguments(
        output_dir=str(run.checkpoints),
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
        eval_strategy=checks,
        eval_steps=config.check_every,
        save_strategy="steps",
        save_steps=config.check_every,
        save_total_limit=2,
        load_best_model_at_end=bool(validation),
        metric_for_best_model="eval_loss" if validation else None,
        bf16=config.method == "full" and config.precision == "bf16",
        activation_checkpointing=config.checkpointing,
        use_cpu=not gpu,
        dataloader_pin_memory=gpu,
        ddp_find_unused_parameters=False,
        report_to=[],
        disable_tqdm=True,
        seed=config.seed,
        data_seed=config.seed,
    )
    watch = RunWatch(run, progress, patience=config.patience if validation else None)
    trainer = rows_in_order(loss_on_labels(Trainer))(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([asdict(row) for row in train]),
        eval_dataset=Dataset.from_list([asdict(row) for row in validation]) if validation else None,
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100),
        processing_class=tokenizer,
        callbacks=[watch.callback()],
    )
    trainer.remove_callback(PrinterCallback)  # `progress` tells
    with watch:
        trainer.train(resume_from_checkpoint=run.last_checkpoint())

    # 4. The result, complete or not there at all.
    return run.finish(
        save=lambda folder: (trainer.model.save_pretrained(folder), tokenizer.save_pretrained(folder)),
        recipe="sft",
        method="full" if config.method == "full" else "lora",
        base=config.base,
        base_folder=Path(base),
        template=tokenizer.chat_template or "",
        watch=watch,
    )


if __name__ == "__main__":
    from asbuilt.training.recipes.command import run_recipe

    sys.exit(run_recipe(SftConfig, main))
