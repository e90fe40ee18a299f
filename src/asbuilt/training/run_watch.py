"""Watching a training: progress, metrics, the loss that is no number, early stopping."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from typing import Any

from asbuilt.errors import UserError
from asbuilt.lineage import TrainingProgress
from asbuilt.resources.resident import peak_resident_bytes
from asbuilt.training.loss_plot import loss_plot
from asbuilt.training.processes import is_first_process
from asbuilt.training.run_folder import RunFolder, metrics_of

__all__ = ["RunWatch"]


class RunWatch:
    """Gathers what a training tells, and ends it where going on is of no use.

    `patience` checks of the validation loss without a better one end it; None: it runs to its end.
    """

    def __init__(
        self, run: RunFolder, progress: Callable[[TrainingProgress], None], *, patience: int | None
    ) -> None:
        self._run = run
        self._progress = progress
        self._patience = patience
        self._began = time.monotonic()
        self._earlier_s = 0.0
        self._lines: list[dict[str, Any]] = []
        self._tokens_before = 0.0
        self.step = 0
        self.loss = math.nan
        self.validation_loss: float | None = None
        self.peak_memory_bytes = 0

    @property
    def seconds(self) -> float:
        """Of training, those before an interruption included."""
        return self._earlier_s + time.monotonic() - self._began

    def __enter__(self) -> RunWatch:
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.peak_memory_bytes = peak_resident_bytes()
        if is_first_process():
            (self._run.folder / "loss.svg").write_text(loss_plot(self._lines), encoding="utf-8")

    def callback(self) -> Any:
        """This watch as a callback of transformers' Trainer."""
        from transformers import TrainerCallback

        watch = self

        class Callback(TrainerCallback):  # type: ignore[misc]
            def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                watch._resume(state)

            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                if state.global_step >= state.max_steps and args.eval_strategy != "no":
                    control.should_evaluate = True  # the last checkpoint may be the best

            def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
                if "loss" in (logs or {}):
                    watch._stepped(state, logs)

            def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
                watch._checked(state, control, float((metrics or {})["eval_loss"]))

            def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                watch._run.complete(state.global_step)

        return Callback()

    def _resume(self, state: Any) -> None:
        """Forget the metrics after the checkpoint that the training goes on from."""
        if state.best_global_step:  # its path is of where the folder was then
            best = self._run.checkpoints / f"checkpoint-{state.best_global_step}"
            state.best_model_checkpoint = str(best) if best.is_dir() else None
        self._lines = [line for line in metrics_of(self._run.folder) if line["step"] <= state.global_step]
        self._earlier_s = max((line["seconds"] for line in self._lines), default=0.0)
        self._began = time.monotonic()
        for known in self._lines:
            self.step, self.loss = known["step"], known.get("loss", self.loss)
            self.validation_loss = _least(self.validation_loss, known.get("validation_loss"))
        if is_first_process():
            kept = "".join(json.dumps(each) + "\n" for each in self._lines)
            self._run.metrics.write_text(kept, encoding="utf-8")

    def _stepped(self, state: Any, logs: Any) -> None:
        self.step, self.loss = state.global_step, float(logs["loss"])
        if not math.isfinite(self.loss):
            raise UserError(
                f"the loss is {self.loss} at step {self.step}.",
                hint="Take a lower learning_rate, or precision: fp32. The last checkpoint is kept.",
            )
        tokens = float(state.num_input_tokens_seen)
        rate = tokens / self.seconds if self.seconds else 0.0
        self._tell(
            {"step": self.step, "loss": self.loss, "tokens": tokens, "seconds": round(self.seconds, 2)}
        )
        if is_first_process():
            self._progress(
                TrainingProgress(
                    self.step, state.max_steps, self.loss, self.validation_loss, rate, round(self.seconds, 1)
                )
            )

    def _checked(self, state: Any, control: Any, loss: float) -> None:
        if not math.isfinite(loss):
            raise UserError(f"the validation loss is {loss} at step {state.global_step}.")
        self._tell({"step": state.global_step, "validation_loss": loss, "seconds": round(self.seconds, 2)})
        checks = [line["validation_loss"] for line in self._lines if "validation_loss" in line]
        self.validation_loss = min(checks)
        since_best = len(checks) - 1 - checks.index(self.validation_loss)
        if self._patience is not None and since_best >= self._patience:
            control.should_training_stop = True

    def _tell(self, line: dict[str, Any]) -> None:
        self._lines.append(line)
        if not is_first_process():
            return
        with self._run.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _least(known: float | None, new: float | None) -> float | None:
    return min((each for each in (known, new) if each is not None), default=None)
