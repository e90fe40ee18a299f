"""Cross-entropy where there is something to learn, and nowhere else."""

from __future__ import annotations

from typing import Any

__all__ = ["loss_on_labels"]


def loss_on_labels(trainer: Any) -> Any:
    """`trainer` (transformers' Trainer or a subclass) with logits made only for positions that have a label
    in one of the rows.

    With a prompt of 400 tokens and a reply of 50 this leaves out eight ninths of the logits, which are
    the larger part of a small model's activations. The loss is the mean over the labels of an optimizer
    step, however they are spread over its parts and over processes.
    """
    from torch.nn.functional import cross_entropy

    class LabelLoss(trainer):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.model_accepts_loss_kwargs = True  # so that Trainer counts the labels of a whole step

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            labels = inputs.pop("labels")[:, 1:]  # of the token after each position
            places = (labels != -100).any(0).nonzero().flatten()
            # Through the wrapped model: it is what casts to bfloat16 and gathers gradients of processes.
            logits = model(**inputs, use_cache=False, logits_to_keep=places).logits  # (rows, places, words)
            wanted = labels[:, places]
            loss = cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), reduction="sum")
            if num_items_in_batch is None:
                loss = loss / (wanted != -100).sum()
            else:  # labels of all processes, whose gradients are averaged
                loss = loss / num_items_in_batch * self.accelerator.num_processes
            return (loss, {"loss": loss}) if return_outputs else loss

    return LabelLoss
