"""What all desks of a run share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from asbuilt.agents.dispatch import ModelSlots
from asbuilt.agents.journal import Journal
from asbuilt.agents.people import People
from asbuilt.roles import Memory, SafetyLayer

__all__ = ["Floor"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Floor:
    """What all desks of a run share."""

    journal: Journal
    slots: ModelSlots
    safety: SafetyLayer
    people: People
    memory: Memory | None
    threads: Executor
    task: str
    finishing: set[asyncio.Task[Any]] = field(default_factory=set)

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work`, to its end even when whoever awaits it is cancelled: a call that has begun is
        recorded, and leaves no doubt, when a run is stopped in peace."""
        task = asyncio.create_task(work)
        self.finishing.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """The result of `work`, done in a thread of the run's tools."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    async def close(self) -> None:
        """Wait for what has begun."""
        await asyncio.gather(*self.finishing, return_exceptions=True)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self.finishing.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, even if nobody waits any more
