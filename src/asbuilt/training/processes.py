"""The processes that train one model together, as torchrun starts them.

The first one writes; the others compute. Without torchrun there is one, which is the first.
"""

from __future__ import annotations

import os

from asbuilt.errors import UserError

__all__ = ["is_first_process", "micro_batches", "processes_here", "rows_of_each", "wait_for_all"]


def is_first_process() -> bool:
    """Whether this is the process that writes."""
    return os.environ.get("RANK", "0") == "0"


def processes_here() -> int:
    """How many of the processes run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def micro_batches(batch: int, *, micro_batch: int) -> int:
    """How many times `micro_batch` rows each process takes for a step of `batch` rows in all. Raises
    UserError where that does not come out even."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    times, rest = divmod(batch, micro_batch * processes)
    if rest:
        raise UserError(
            f"batch is {batch}, which {processes} processes of micro_batch = {micro_batch} do not divide.",
            hint=f"Take a multiple of {micro_batch * processes} for batch.",
        )
    return times


def rows_of_each(batch: int) -> int:
    """How many of a step's `batch` rows each process takes. Raises UserError where that does not come out
    even."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if batch % processes:
        raise UserError(
            f"batch is {batch}, which {processes} processes do not divide.",
            hint=f"Take a multiple of {processes} for batch.",
        )
    return batch // processes


def wait_for_all() -> None:
    """Return when every process is here."""
    if "RANK" in os.environ:
        from torch import distributed

        if distributed.is_initialized():
            distributed.barrier()
