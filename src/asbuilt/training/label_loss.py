"""Cross-entropy where there is something to learn, and nowhere else."""

from __future__ import annotations

from typing import Any

__all__ = ["loss_on_labels"]


def loss_on_labels(trainer: Any) -> Any:
    """`trainer` (transformers' Trainer or a subclass) with logits made only for positions that have a label.

    With a prompt of 400 tokens and a reply of 50 this leaves out eight ninths of the logits, which are
    the larger part of a small model's activations. The loss is the mean over the labels of an optimizer
    step, however they are spread over its parts.
    """
    from torch.nn.functional import cross_entropy

    class LabelLoss(trainer):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.model_accepts_loss_kwargs = True  # so that Trainer counts the labels of a whole step

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            labels = inputs.pop("labels")[:, 1:]
            decoder = self.accelerator.unwrap_model(model)
            decoder = decoder.get_base_model() if hasattr(decoder, "get_base_model") else decoder
            hidden = decoder.model(**inputs, use_cache=False).last_hidden_state[:, :-1]
            learnt = labels != -100
            logits = decoder.lm_head(hidden[learnt]).float()
            loss = cross_entropy(logits, labels[learnt], reduction="sum")
            loss = loss / (learnt.sum() if num_items_in_batch is None else num_items_in_batch)
            return (loss, {"loss": loss}) if return_outputs else loss

    return LabelLoss
