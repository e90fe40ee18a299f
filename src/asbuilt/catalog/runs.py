"""Runs of a swarm: their logs, which only grow, and the inbox of questions to a person."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from asbuilt.catalog import tables as t
from asbuilt.catalog.database import Database, inserted_id
from asbuilt.errors import NotFoundError, UserError
from asbuilt.runs import InboxItem, InboxState, RunEvent, RunState

__all__ = ["LogWriter", "RunRecord", "RunStore"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as a list shows it. Times are seconds since 1970."""

    id: str
    task: str
    state: RunState
    blueprint: str
    started_at: float
    changed_at: float


class LogWriter:
    """One transaction on a run's log; `connection` is for effects that are committed with it."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def append(self, events: Sequence[RunEvent]) -> None:
        """Add events, whose `seq` must follow the last one's."""
        if events:
            rows = [
                {
                    "run": each.run,
                    "seq": each.seq,
                    "at": each.at,
                    "kind": each.kind,
                    "subtask": each.subtask,
                    "step": each.step,
                    "data": dict(each.data),
                }
                for each in events
            ]
            self.connection.execute(t.run_events.insert(), rows)

    def set_state(self, run: str, state: RunState) -> None:
        """What the run is now."""
        values = {"state": state, "changed_at": time.time()}
        self.connection.execute(t.runs.update().where(t.runs.c.id == run).values(values))

    def ask(self, item: InboxItem, *, step: int) -> InboxItem:
        """Put a question into the inbox; its number is given by the database. The same question of the
        same step is the one that is there, unless it, or its approval, has run out of time."""
        c = t.inbox.c
        late = (c.state.in_(("open", "approved")), c.expires_at <= time.time())
        same = (c.run == item.run, c.subtask == item.subtask, c.step == step, c.digest == item.digest)
        found = self.connection.execute(
            sa.select(t.inbox).where(
                *same, c.kind == item.kind, c.state != "expired", sa.not_(sa.and_(*late))
            )
        ).first()
        if found is not None:
            return _item(found)
        row = {
            "run": item.run,
            "subtask": item.subtask,
            "step": step,
            "kind": item.kind,
            "digest": item.digest,
            "about": dict(item.about),
            "reason": item.reason,
            "state": "open",
            "asked_at": item.asked_at,
            "expires_at": item.expires_at,
            "decided_by": "",
        }
        number = inserted_id(self.connection.execute(t.inbox.insert(), row))
        return self._inbox_item(number)

    def _inbox_item(self, number: int) -> InboxItem:
        return _item(self.connection.execute(sa.select(t.inbox).where(t.inbox.c.id == number)).one())


class RunStore:
    """Part of a catalogue; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ------------------------------------------------------------ runs and their logs

    def create(self, run: str, task: str, *, blueprint: str) -> None:
        """A new run, without events."""
        now = time.time()
        row = {
            "id": run,
            "task": task,
            "state": "running",
            "blueprint": blueprint,
            "started_at": now,
            "changed_at": now,
        }
        with self._database.write() as connection:
            connection.execute(t.runs.insert(), row)

    @contextmanager
    def write(self, *, synced: bool = True) -> Iterator[LogWriter]:
        """A transaction; see `Database.write` for `synced`."""
        with self._database.write(synced=synced) as connection:
            yield LogWriter(connection)

    def get(self, run: str) -> RunRecord:
        """Raises NotFoundError."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(t.runs).where(t.runs.c.id == run)).first()
        if row is None:
            raise NotFoundError(f"there is no run {run!r}.", hint="`asbuilt runs` lists them.")
        return RunRecord(*row)

    def recent(self, *, limit: int = 20) -> list[RunRecord]:
        """The newest runs, newest first."""
        query = sa.select(t.runs).order_by(t.runs.c.started_at.desc(), t.runs.c.id).limit(limit)
        with self._database.read() as connection:
            return [RunRecord(*row) for row in connection.execute(query)]

    def events(self, run: str, *, after: int = 0) -> list[RunEvent]:
        """The log from `seq` > `after` on, in order."""
        c = t.run_events.c
        query = sa.select(t.run_events).where(c.run == run, c.seq > after).order_by(c.seq)
        with self._database.read() as connection:
            return [RunEvent(*row) for row in connection.execute(query)]

    # ------------------------------------------------------------ the inbox

    def inbox(self, *, state: InboxState | None = "open", run: str | None = None) -> list[InboxItem]:
        """Questions, oldest first. Open ones that ran out of time are expired from now on."""
        c = t.inbox.c
        conditions = [c.state == state] if state else []
        conditions += [c.run == run] if run else []
        with self._database.write() as connection:
            _expire(connection)
            rows = connection.execute(sa.select(t.inbox).where(*conditions).order_by(c.id)).all()
        return [_item(row) for row in rows]

    def item(self, number: int) -> InboxItem:
        """One question. Raises NotFoundError."""
        with self._database.write() as connection:
            _expire(connection)
            return _one(connection, number)

    def decide(self, number: int, *, approve: bool, by: str) -> InboxItem:
        """Answer an open question. Raises NotFoundError, and UserError for one that is not open."""
        with self._database.write() as connection:
            _expire(connection)
            found = _one(connection, number)
            if found.state != "open":
                raise UserError(
                    f"question {number} is {found.state} already.",
                    hint="`asbuilt resume` asks again where an answer came too late."
                    if found.state == "expired"
                    else "",
                )
            values = {"state": "approved" if approve else "denied", "decided_by": by}
            connection.execute(t.inbox.update().where(t.inbox.c.id == number).values(values))
            return _one(connection, number)


def _expire(connection: sa.Connection) -> None:
    late = (t.inbox.c.state == "open", t.inbox.c.expires_at <= time.time())
    connection.execute(t.inbox.update().where(*late).values(state="expired"))


def _one(connection: sa.Connection, number: int) -> InboxItem:
    row = connection.execute(sa.select(t.inbox).where(t.inbox.c.id == number)).first()
    if row is None:
        raise NotFoundError(f"there is no question {number}.", hint="`asbuilt inbox` lists them.")
    return _item(row)


def _item(row: sa.Row[Any]) -> InboxItem:
    return InboxItem(
        row.id,
        row.run,
        row.subtask,
        row.kind,
        row.digest,
        row.about,
        row.reason,
        row.state,
        row.asked_at,
        row.expires_at,
        row.decided_by,
    )
