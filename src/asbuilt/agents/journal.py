"""A run's log while the run is worked on: what is in it, and what is added to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from asbuilt.catalog.runs import LogWriter, RunStore
from asbuilt.errors import UserError
from asbuilt.runs import EventKind, RunEvent, RunState

__all__ = ["Journal", "ReplayJournal"]

T = TypeVar("T")

_GROUP_S = 0.02
"""Events are written this long after the first of a group at the latest: parallel agents share one
transaction. Nothing that has an effect goes ahead of the log: it awaits `commit` or `transact`."""


class Journal:
    """Events in memory, numbered at once and written in groups, in order, by a thread of its own.

    An event that is in the log already is not added again: `once` gives the one that is there, so that
    work done twice, after a crash, is recorded once. `listener` is called in the event loop with each
    event once it is written; those of earlier sessions first.
    """

    def __init__(self, store: RunStore, run: str, *, listener: Callable[[RunEvent], None]) -> None:
        self.run = run
        self._store = store
        self._listener = listener
        self._events = store.events(run)
        self._steps: dict[tuple[str, int], list[RunEvent]] = {}
        for event in self._events:
            self._steps.setdefault((event.subtask, event.step), []).append(event)
        self._next = len(self._events) + 1
        self._pending: list[RunEvent] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"log {run}")
        self._broken: BaseException | None = None

    def announce(self) -> None:
        """Give the events of earlier sessions to the listener."""
        for event in self._events:
            self._listener(event)

    def at(self, subtask: str, step: int) -> Sequence[RunEvent]:
        """What is recorded of a step, in order."""
        return self._steps.get((subtask, step), ())

    def found(self, kind: EventKind, subtask: str = "", step: int = 0) -> RunEvent | None:
        """The last event of this kind at this step."""
        return next((each for each in reversed(self.at(subtask, step)) if each.kind == kind), None)

    def worked_s(self) -> float:
        """Seconds that earlier sessions worked, from their first to their last event."""
        worked, first, last = 0.0, None, 0.0
        for event in self._events:
            if event.kind in ("started", "resumed"):
                worked += last - first if first is not None else 0.0
                first = event.at
            last = event.at
        return worked + (last - first if first is not None else 0.0)

    def used(self, subtask: str) -> dict[str, int]:
        """Tokens and calls that the log has of a subtask."""
        tokens = calls = 0
        for (name, _), events in self._steps.items():
            for event in events if name == subtask else ():
                if event.kind == "generated":
                    usage = event.data["usage"]
                    tokens += usage["prompt_tokens"] + usage["completion_tokens"]
                calls += event.kind == "called"
        return {"tokens": tokens, "calls": calls}

    def refuse_new(self, kind: EventKind, subtask: str, step: int) -> None:
        """Called before something is done that the log does not have."""

    # ------------------------------------------------------------ adding

    def note(self, kind: EventKind, subtask: str = "", step: int = 0, /, **data: Any) -> RunEvent:
        """Add an event; it is written soon."""
        event = self._numbered(kind, subtask, step, data)
        self._keep(event)
        self._pending.append(event)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GROUP_S, self._flush_later)
        return event

    def once(self, kind: EventKind, subtask: str = "", step: int = 0, /, **data: Any) -> RunEvent:
        """The event that is recorded of this kind at this step, or a new one."""
        return self.found(kind, subtask, step) or self.note(kind, subtask, step, **data)

    async def commit(self) -> None:
        """All that was noted survives a power cut when this returns. Raises StorageError."""
        await self._write(_nothing, synced=True)

    async def write(self) -> None:
        """All that was noted survives the end of this process when this returns. Raises StorageError."""
        await self._write(_nothing, synced=False)

    async def transact(
        self,
        work: Callable[[LogWriter], tuple[T, Mapping[str, Any]]],
        kind: EventKind,
        subtask: str = "",
        step: int = 0,
    ) -> T:
        """Do `work` and add one event with the data that it gives, both or neither, after all that was
        noted before; durable on return. `work` runs in the thread of the log."""
        empty = self._numbered(kind, subtask, step, {})
        made: list[tuple[T, RunEvent]] = []

        def both(writer: LogWriter) -> list[RunEvent]:
            result, data = work(writer)
            event = replace(empty, data=data)
            writer.append([event])
            made.append((result, event))
            return [event]

        await self._write(both, synced=True)
        result, event = made[0]
        self._keep(event)
        return result

    async def set_state(self, state: RunState) -> None:
        """What the run is from now on."""

        def write(writer: LogWriter) -> list[RunEvent]:
            writer.set_state(self.run, state)
            return []

        await self._write(write, synced=True)

    async def close(self) -> None:
        """Write what is pending, and end the thread."""
        try:
            if self._broken is None:
                await self._write(_nothing, synced=False)
        finally:
            self._writer.shutdown(wait=True)

    def _numbered(self, kind: EventKind, subtask: str, step: int, data: Mapping[str, Any]) -> RunEvent:
        if self._broken is not None:
            raise self._broken
        event = RunEvent(self.run, self._next, time.time(), kind, subtask, step, data)
        self._next += 1
        return event

    def _keep(self, event: RunEvent) -> None:
        self._steps.setdefault((event.subtask, event.step), []).append(event)

    def _flush_later(self) -> None:
        self._timer = None
        if self._pending and self._broken is None:
            self._submit(_nothing, synced=False)

    async def _write(self, work: Callable[[LogWriter], list[RunEvent]], *, synced: bool) -> None:
        if self._broken is not None:
            raise self._broken
        # Shielded: a task that is cancelled does not take back what was handed over.
        await asyncio.shield(self._submit(work, synced=synced))

    def _submit(
        self, work: Callable[[LogWriter], list[RunEvent]], *, synced: bool
    ) -> asyncio.Future[list[RunEvent]]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._pending = self._pending, []

        def write() -> list[RunEvent]:
            with self._store.write(synced=synced) as writer:
                writer.append(batch)
                return [*batch, *work(writer)]

        # One thread, in the order of submission: so the numbers stay in order.
        written = asyncio.get_running_loop().run_in_executor(self._writer, write)
        written.add_done_callback(self._written)
        return written

    def _written(self, done: asyncio.Future[list[RunEvent]]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._broken = self._broken or error  # whoever adds an event next gets it
        elif not done.cancelled():
            for event in done.result():
                self._listener(event)


def _nothing(_writer: LogWriter) -> list[RunEvent]:
    return []


class ReplayJournal(Journal):
    """A log that is only read: adding what is not in it raises UserError, so that a replay which ends has
    shown that the log alone leads to the run's result."""

    def refuse_new(self, kind: EventKind, subtask: str, step: int) -> None:
        """Raises UserError."""
        self._numbered(kind, subtask, step, {})

    def _numbered(self, kind: EventKind, subtask: str, step: int, data: Mapping[str, Any]) -> RunEvent:
        where = f"step {step} of subtask {subtask!r}" if subtask else "the run"
        raise UserError(
            f"run {self.run} cannot be replayed further: its log has no {kind!r} for {where}.",
            hint="A run that did not end, or whose agents have changed since, is replayed up to there.",
        )

    async def _write(self, work: Callable[[LogWriter], list[RunEvent]], *, synced: bool) -> None:
        """Nothing is written."""
