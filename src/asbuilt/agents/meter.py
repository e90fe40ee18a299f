"""What a run and its subtasks may still use: reserved before it is used, across parallel branches."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asbuilt.errors import LimitError
from asbuilt.runs import Budget

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Meter", "Reserved"]


@dataclass(slots=True)
class Reserved:
    """Tokens that were reserved; `used` is set to what it really took (all of them until then)."""

    used: int


class Meter:
    """A budget, and how much of it is used or reserved. What counts here counts in `parent` too.

    Not for several threads: all branches of a run live in one event loop.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        name: str,
        parent: Meter | None = None,
        clock: Callable[[], float] = time.monotonic,
        worked_s: float = 0.0,
    ) -> None:
        self.tokens = self.calls = 0
        self._budget = budget
        self._name = name
        self._parent = parent
        self._clock = clock
        self._began = clock() - worked_s

    @property
    def counts_tokens(self) -> bool:
        """Whether tokens are limited here or above."""
        return self._budget.tokens is not None or (self._parent is not None and self._parent.counts_tokens)

    @contextmanager
    def reserve(self, tokens: int) -> Iterator[Reserved]:
        """Set `tokens` aside while something runs. Raises LimitError when that many are not left."""
        self._refuse_late()
        self._take(tokens, 0)
        reserved = Reserved(tokens)
        try:
            yield reserved
        except BaseException:
            self._give(tokens)  # what failed is not known to have used any
            raise
        self._give(tokens - reserved.used)

    def count(self, *, tokens: int = 0, calls: int = 0) -> None:
        """Add what an earlier session used; never refused."""
        for meter in self._up():
            meter.tokens += tokens
            meter.calls += calls

    def call(self) -> None:
        """Count one call of a tool. Raises LimitError when none is left."""
        self._refuse_late()
        self._take(0, 1)

    def _up(self) -> Iterator[Meter]:
        meter: Meter | None = self
        while meter is not None:
            yield meter
            meter = meter._parent

    def _take(self, tokens: int, calls: int) -> None:
        for meter in self._up():
            for what, used, more, limit in (
                ("tokens", meter.tokens, tokens, meter._budget.tokens),
                ("calls", meter.calls, calls, meter._budget.calls),
            ):
                if more and limit is not None and used + more > limit:
                    raise LimitError(
                        f"the budget of {meter._name} is used up: {used:,} of {limit:,} {what} are used or "
                        f"reserved, and {more:,} more are needed.",
                        hint="Raise it in the plan or in the blueprint.",
                    )
        self.count(tokens=tokens, calls=calls)

    def _give(self, tokens: int) -> None:
        self.count(tokens=-tokens)

    def _refuse_late(self) -> None:
        for meter in self._up():
            limit = meter._budget.seconds
            if limit is not None and meter._clock() - meter._began > limit:
                raise LimitError(
                    f"the time of {meter._name} is used up: {limit:g} s.",
                    hint="Raise it in the plan or in the blueprint.",
                )
