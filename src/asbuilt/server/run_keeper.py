"""Runs that the service works on, whoever looks at them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import cast

from anyio.to_thread import run_sync

from asbuilt.agents.orchestrator import SwarmOrchestrator
from asbuilt.catalog.runs import RunStore
from asbuilt.errors import AsbuiltError, BugError
from asbuilt.runs import Plan, RunEvent

__all__ = ["RunKeeper"]

_log = logging.getLogger(__name__)

_LOOK_S = 0.5
"""Between two looks at the log of a run, which another process may work on."""
_OVER = ("finished", "failed", "cancelled")


class RunKeeper:
    """Works on runs in the background; a client that goes away takes none with it.

    When the service stops, runs stay where they are, and the next one that starts goes on with them.
    """

    def __init__(self, orchestrator: SwarmOrchestrator, store: RunStore) -> None:
        self._orchestrator = orchestrator
        self._store = store
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._again: set[str] = set()

    async def start(self, task: str, plan: Plan | None) -> str:
        """Begin a run; returns its name as soon as it is in the catalogue. Raises UserError."""
        events = self._orchestrator.run(task, plan=plan)
        first = await anext(aiter(events))
        self._keep(first.run, events)
        return first.run

    def resume(self, run: str) -> None:
        """Go on with a run; one that is worked on here is looked at once more when it comes to rest."""
        if run in self._tasks:
            self._again.add(run)
        else:
            self._keep(run, self._orchestrator.resume(run))

    async def go_on(self) -> None:
        """Resume what an earlier process left."""
        for record in await run_sync(lambda: self._store.recent(limit=1_000)):
            if record.state == "running":
                self.resume(record.id)

    async def follow(self, run: str, *, after: int) -> AsyncIterator[RunEvent]:
        """The run's events with a larger `seq`, those to come too, until it is over."""
        while True:
            news = self._news.setdefault(run, asyncio.Event())
            news.clear()
            events = await run_sync(lambda: self._store.events(run, after=after))  # noqa: B023
            for event in events:
                yield event
                after = event.seq
            if not events and (await run_sync(lambda: self._store.get(run))).state in _OVER:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), _LOOK_S)

    async def close(self) -> None:
        """Leave every run as it is."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _keep(self, run: str, events: AsyncIterator[RunEvent]) -> None:
        task = asyncio.ensure_future(self._worked(run, events))
        self._tasks[run] = task
        task.add_done_callback(lambda _: self._tasks.pop(run, None))

    async def _worked(self, run: str, events: AsyncIterator[RunEvent]) -> None:
        try:
            while True:
                async with aclosing(cast("AsyncGenerator[RunEvent, None]", events)) as stream:
                    async for _ in stream:
                        self._tell(run)
                if run not in self._again:
                    return
                self._again.discard(run)
                events = self._orchestrator.resume(run)
        except BugError:
            _log.exception("run %s stopped", run)
        except AsbuiltError as error:
            _log.warning("run %s stopped: %s", run, error)
        finally:
            self._tell(run)

    def _tell(self, run: str) -> None:
        if run in self._news:
            self._news[run].set()
