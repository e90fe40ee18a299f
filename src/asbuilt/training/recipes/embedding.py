"""Fine-tuning of a sentence embedder: a question comes nearer to the passage that answers it than to others.

    python -m asbuilt.training.recipes.embedding config.json

The loss is InfoNCE (van den Oord et al., arXiv 1807.03748) over the rows of a step, as Henderson et al.
(arXiv 1705.00652) use it for retrieval: of all passages in the step, a question is to pick its own; `worse`
passages of rows stand among the others. `main` reads from top to bottom what happens. To change something,
copy this file.
"""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asbuilt.errors import UserError
from asbuilt.lineage import PreparedData, TrainedModel, TrainingProgress, TrainingRow
from asbuilt.retrieval.onnx_folder import stated_pooling
from asbuilt.training.data_files import read_data
from asbuilt.training.embedder_base import EMBEDDER, embedder_folder
from asbuilt.training.embedder_memory import refuse_what_cannot_fit
from asbuilt.training.freed_memory import return_freed_memory
from asbuilt.training.processes import rows_of_each
from asbuilt.training.quiet import quiet_libraries
from asbuilt.training.row_order import rows_in_order
from asbuilt.training.run_folder import RunFolder
from asbuilt.training.run_watch import RunWatch

__all__ = ["EmbeddingConfig", "main", "pooled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingConfig:
    """What a training does. A step of the optimizer sees `batch` rows at once: each question is compared
    with all of their passages, so that more rows are harder and better. Several processes divide them, and
    each compares its own share.

    `base` is the starter embedder's name or a folder with a BERT encoder. The weights of the result are the
    averages of those of training and those of the base, which have `base_share` (Wortsman et al., arXiv
    2109.01903): so questions of other kinds than the rows' lose nothing. Cosines are divided by
    `temperature` before they compete. Some models want a prefix before questions or passages. `patience`
    checks of the validation loss without a better one end the training; the best checkpoint is kept.
    Lengths are in tokens; longer texts are cut, as they are in serving.
    """

    data: str
    folder: str
    base: str = EMBEDDER
    temperature: float = 0.05
    base_share: float = 0.5
    learning_rate: float = 2e-5
    epochs: float = 1.0
    max_steps: int | None = None
    batch: int = 32
    max_tokens: int = 128
    query_prefix: str = ""
    passage_prefix: str = ""
    check_every: int = 25
    patience: int | None = 3
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("batch", 2), ("max_tokens", 8), ("check_every", 1)):
            if getattr(self, name) < least:
                raise UserError(f"{name} is {getattr(self, name)!r}; it must be at least {least}.")
        for name in ("max_steps", "patience", "threads"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise UserError(f"{name} is {value!r}; it must be at least 1.")
        if not 0 <= self.base_share < 1:
            raise UserError(f"base_share is {self.base_share!r}; it must be at least 0 and below 1.")
        for name in ("learning_rate", "epochs", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"{name} is {getattr(self, name)!r}; it must be above 0.")


def main(
    config: EmbeddingConfig,
    *,
    data: PreparedData | None = None,
    progress: Callable[[TrainingProgress], None] = lambda _: None,
) -> TrainedModel:
    """Train, and leave the encoder in ``folder/model``; `data` is read from its folder unless given. A row
    is a question and the passage that answers it. Goes on where an earlier call with the same config and
    data was interrupted."""
    data = data or read_data(Path(config.data))
    run = RunFolder(Path(config.folder), config={**asdict(config), "data": data.card.train_digest})
    with run.locked():
        if (done := run.finished()) is not None:
            return done
        with quiet_libraries():
            return _train(config, data, run, progress)


def _train(
    config: EmbeddingConfig, data: PreparedData, run: RunFolder, progress: Callable[[TrainingProgress], None]
) -> TrainedModel:
    import torch
    from datasets import Dataset
    from transformers import AutoModel, AutoTokenizer, PrinterCallback, Trainer, TrainingArguments, set_seed

    return_freed_memory()
    if config.threads:
        torch.set_num_threads(config.threads)
    gpu = torch.cuda.is_available()

    # 1. Base and rows. Nothing is loaded before the data has passed and the plan fits.
    base = embedder_folder(config.base)
    _refuse_unfit(data)
    tokenizer = AutoTokenizer.from_pretrained(base)
    train = [_tokens(row, tokenizer, config) for row in data.train]
    validation = [_tokens(row, tokenizer, config) for row in data.validation]
    rows = min(rows_of_each(config.batch), len(train))
    passages = rows * (2 if any(row["worse_ids"] for row in train) else 1)
    texts = ((rows, _longest(train, "query_ids")), (passages, _longest(train, "passage_ids", "worse_ids")))
    refuse_what_cannot_fit(base, texts=texts, gpu=gpu)

    # 2. Model. What pooling does not read of it has no gradient.
    pooling = stated_pooling(base)
    set_seed(config.seed)
    model = AutoModel.from_pretrained(base, dtype=torch.float32, add_pooling_layer=False)

    # 3. Training.
    arguments = TrainingArguments(
        output_dir=str(run.checkpoints),
        per_device_train_batch_size=rows,
        per_device_eval_batch_size=rows,
        dataloader_drop_last=True,  # a row that is left over has nothing to be compared with
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.1,
        num_train_epochs=config.epochs,
        max_steps=config.max_steps or -1,
        logging_steps=1,
        logging_nan_inf_filter=False,  # a loss that is no number would be told as 0
        eval_strategy="steps" if len(validation) >= rows else "no",
        eval_steps=config.check_every,
        save_strategy="steps",
        save_steps=config.check_every,
        save_total_limit=2,
        load_best_model_at_end=len(validation) >= rows,
        metric_for_best_model="eval_loss" if len(validation) >= rows else None,
        bf16=False,
        remove_unused_columns=False,
        use_cpu=not gpu,
        dataloader_pin_memory=gpu,
        ddp_find_unused_parameters=False,
        report_to=[],
        disable_tqdm=True,
        seed=config.seed,
        data_seed=config.seed,
    )

    class Contrast(Trainer):  # type: ignore[misc]
        """Trainer whose loss is that of questions against passages."""

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            questions, passages = (
                pooled(model(**texts).last_hidden_state, texts["attention_mask"], pooling)
                for texts in (inputs["questions"], inputs["passages"])  # apart: questions are short
            )
            scores = (questions @ passages.T / config.temperature).masked_fill(inputs["same"], -math.inf)
            loss = torch.nn.functional.cross_entropy(scores, torch.arange(len(scores), device=scores.device))
            if model.training:
                tokens = (inputs[name]["attention_mask"].sum() for name in ("questions", "passages"))
                self.state.num_input_tokens_seen += int(sum(tokens))
            return (loss, {"loss": loss}) if return_outputs else loss

        def prediction_step(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
            with torch.inference_mode():
                return self.compute_loss(model, self._prepare_inputs(inputs)), None, None

    watch = RunWatch(run, progress, patience=config.patience if len(validation) >= rows else None)
    trainer = rows_in_order(Contrast)(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(train),
        eval_dataset=Dataset.from_list(validation) if len(validation) >= rows else None,
        data_collator=lambda rows: _step(rows, tokenizer),
        processing_class=tokenizer,
        callbacks=[watch.callback()],
    )
    trainer.remove_callback(PrinterCallback)  # `progress` tells
    with watch:
        trainer.train(resume_from_checkpoint=run.last_checkpoint())

    # 4. The result, complete or not there at all.
    def save(folder: str) -> None:
        _average(trainer.model, base, share=config.base_share)
        trainer.model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        shutil.copytree(base / "1_Pooling", Path(folder) / "1_Pooling", dirs_exist_ok=True)

    return run.finish(
        save=save,
        recipe="embedding",
        method="embedder",
        base=config.base,
        base_folder=base,
        template="",
        watch=watch,
    )


def _average(model: Any, base: Path, *, share: float) -> None:
    """Move the weights towards those that the training began with."""
    import torch
    from transformers import AutoModel

    began = AutoModel.from_pretrained(base, dtype=torch.float32, add_pooling_layer=False).state_dict()
    with torch.no_grad():
        for name, weights in model.state_dict().items():
            if weights.is_floating_point():
                weights.lerp_(began[name].to(weights.device), share)


def pooled(states: Any, mask: Any, pooling: str) -> Any:
    """Vectors of length 1, (texts, width), from states (texts, tokens, width) and mask (texts, tokens)."""
    from torch.nn.functional import normalize

    if pooling == "cls":
        return normalize(states[:, 0], dim=-1)
    weights = mask[:, :, None].to(states.dtype)
    return normalize((states * weights).sum(1), dim=-1)


def _refuse_unfit(data: PreparedData) -> None:
    for row in (*data.train, *data.validation):
        if [message.role for message in row.messages] != ["user", "assistant"]:
            raise UserError(
                f"{row.origin} is a conversation of {len(row.messages)} messages; an embedder learns from a "
                "question and the passage that answers it.",
                hint="Collect with collector/known-answers or collector/liked-passages.",
            )
    if len(data.train) < 2:
        raise UserError("one row has nothing to be compared with.", hint="Collect more rows.")


def _tokens(row: TrainingRow, tokenizer: Any, config: EmbeddingConfig) -> dict[str, list[int]]:
    """The tokens of question, passage and worse passage (none where the row has none)."""
    question, passage = (message.content for message in row.messages)

    def ids(text: str) -> list[int]:
        return list(tokenizer(text, truncation=True, max_length=config.max_tokens)["input_ids"])

    return {
        "query_ids": ids(config.query_prefix + question),
        "passage_ids": ids(config.passage_prefix + passage),
        "worse_ids": ids(config.passage_prefix + row.worse) if row.worse else [],
    }


def _longest(rows: Sequence[dict[str, list[int]]], *names: str) -> int:
    return max(len(row[name]) for row in rows for name in names)


def _step(rows: Sequence[dict[str, list[int]]], tokenizer: Any) -> dict[str, Any]:
    """One step: questions, and passages with those of the questions first. `same`, of shape (questions,
    passages), says which others are the text of a question's own, so that none is pushed away from what
    answers it."""
    import torch

    passages = [row["passage_ids"] for row in rows] + [row["worse_ids"] for row in rows if row["worse_ids"]]
    same = [
        [other == row["passage_ids"] and at != mine for at, other in enumerate(passages)]
        for mine, row in enumerate(rows)
    ]

    def padded(texts: list[list[int]]) -> dict[str, Any]:
        return dict(tokenizer.pad({"input_ids": texts}, return_tensors="pt"))

    questions = padded([row["query_ids"] for row in rows])
    return {"questions": questions, "passages": padded(passages), "same": torch.tensor(same)}


if __name__ == "__main__":
    from asbuilt.training.recipes.command import run_recipe

    sys.exit(run_recipe(EmbeddingConfig, main))
