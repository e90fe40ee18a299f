"""The order of rows in a training: the same however often it is interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["rows_in_order"]


def rows_in_order(trainer: Any) -> Any:
    """`trainer` (transformers' Trainer or a subclass) with an order of rows that depends on seed and epoch.

    Rows of like length stand together, so that little is padded. The sampler of transformers draws from
    the generator of the whole process, which has moved on when a training goes on in a later epoch.
    The length of a row is that of all its lists of tokens ("input_ids", "prompt_ids", "chosen_ids").
    """
    from torch import Generator
    from torch.utils.data import Sampler
    from transformers.trainer_pt_utils import get_length_grouped_indices

    class Order(Sampler):  # type: ignore[misc]
        def __init__(self, lengths: list[int], batch: int, seed: Callable[[], int]) -> None:
            self._lengths, self._batch, self._seed = lengths, batch, seed

        def __len__(self) -> int:
            return len(self._lengths)

        def __iter__(self) -> Iterator[int]:
            generator = Generator().manual_seed(self._seed())
            yield from get_length_grouped_indices(self._lengths, self._batch, generator=generator)

    class Ordered(trainer):  # type: ignore[misc]
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            rows = self.train_dataset if train_dataset is None else train_dataset
            batch = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
            columns = [rows[name] for name in rows.column_names if name.endswith("_ids")]
            lengths = [sum(map(len, row)) for row in zip(*columns, strict=True)]
            # A billionth, because the epoch is added up from fractions.
            return Order(lengths, batch, lambda: self.args.data_seed + int((self.state.epoch or 0) + 1e-9))

    return Ordered
