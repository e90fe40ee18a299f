"""Waiting for people: questions in the inbox, and how many subtasks wait for an answer."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from asbuilt.agents.journal import Journal
from asbuilt.catalog.runs import LogWriter, RunStore
from asbuilt.runs import EventKind, InboxItem, InboxKind, InboxState, RunEvent

__all__ = ["People"]

_LOOK_S = 0.25
"""Between two looks into the inbox, which another process may have answered."""
_NEVER_S = 100 * 365 * 86_400.0
"""A doubt stays until somebody knows: it is never dropped."""


class People:
    """Asks, and waits. `waiting` counts the open questions of each subtask ("" is the
    run), and `changed` is set when it changes."""

    def __init__(self, store: RunStore, journal: Journal, *, expires_s: float) -> None:
        self.waiting: Counter[str] = Counter()
        self.changed = asyncio.Event()
        self._store = store
        self._journal = journal
        self._expires_s = expires_s

    async def answer(
        self,
        kind: InboxKind,
        *,
        digest: str,
        about: Mapping[str, Any],
        reason: str,
        subtask: str = "",
        step: int = 0,
    ) -> InboxState:
        """The answer of a person: "approved", "denied" or "expired".

        The question is in the log and in the inbox before anybody waits, and the answer is in the log
        before anybody acts on it; it is for exactly this `digest`, and for this step alone.
        """
        decided = self._recorded("decided", kind, digest, subtask, step)
        if decided is not None:
            state: InboxState = decided.data["state"]
            return state
        item = await self._asked(kind, digest, about, reason, subtask, step)
        if item.state == "open":
            item = await self._decided(item)
        self._journal.note(
            "decided",
            subtask,
            step,
            item=item.id,
            kind=kind,
            digest=item.digest,
            state=item.state,
            by=item.decided_by,
        )
        await self._journal.commit()
        return item.state

    async def _decided(self, item: InboxItem) -> InboxItem:
        self.waiting[item.subtask] += 1
        self.changed.set()
        try:
            while item.state == "open":
                await asyncio.sleep(_LOOK_S)
                item = await asyncio.to_thread(self._store.item, item.id)
        finally:
            self.waiting[item.subtask] -= 1
            self.changed.set()
        return item

    async def _asked(
        self,
        kind: InboxKind,
        digest: str,
        about: Mapping[str, Any],
        reason: str,
        subtask: str,
        step: int,
    ) -> InboxItem:
        asked = self._recorded("asked", kind, digest, subtask, step)
        if asked is not None:
            item = await asyncio.to_thread(self._store.item, asked.data["item"])
            if item.state in ("open", "denied") or (item.state == "approved" and _in_time(item)):
                return item
        now = time.time()
        expires_at = now + (_NEVER_S if kind == "doubt" else self._expires_s)
        draft = InboxItem(0, self._journal.run, subtask, kind, digest, about, reason, "open", now, expires_at)

        def ask(writer: LogWriter) -> tuple[InboxItem, dict[str, Any]]:
            item = writer.ask(draft, step=step)
            return item, {"item": item.id, "kind": kind, "digest": digest, "about": about, "reason": reason}

        return await self._journal.transact(ask, "asked", subtask, step)

    def _recorded(
        self, event: EventKind, kind: InboxKind, digest: str, subtask: str, step: int
    ) -> RunEvent | None:
        return next(
            (
                each
                for each in reversed(self._journal.at(subtask, step))
                if each.kind == event and each.data["kind"] == kind and each.data["digest"] == digest
            ),
            None,
        )


def _in_time(item: InboxItem) -> bool:
    return item.expires_at > time.time()
