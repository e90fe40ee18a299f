from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from asbuilt.agents.journal import Journal, ReplayJournal
from asbuilt.catalog import Catalog
from asbuilt.catalog.runs import LogWriter
from asbuilt.errors import StorageError, UserError
from asbuilt.runs import EventKind, RunEvent


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(file=tmp_path / "catalog.sqlite")
    opened.open()
    opened.runs.create("r", "task", blueprint="b")
    yield opened
    opened.close()


def kinds(catalog: Catalog) -> list[str]:
    return [event.kind for event in catalog.runs.events("r")]


def test_events_are_numbered_at_once_and_heard_when_they_are_written(catalog: Catalog) -> None:
    async def work() -> list[RunEvent]:
        heard: list[RunEvent] = []
        journal = Journal(catalog.runs, "r", listener=heard.append)
        first = journal.note("started", task="t")
        second = journal.note("generated", "a", 1, asked="x")
        assert (first.seq, second.seq, heard) == (1, 2, [])
        await journal.commit()
        assert heard == [first, second] == catalog.runs.events("r")
        journal.note("called", "a", 2)
        await asyncio.sleep(0.2)  # nobody commits: the group is written by itself
        assert len(catalog.runs.events("r")) == 3
        await journal.close()
        return heard

    assert [event.seq for event in asyncio.run(work())] == [1, 2, 3]


def test_an_event_is_recorded_once_over_sessions(catalog: Catalog) -> None:
    async def session() -> list[RunEvent]:
        heard: list[RunEvent] = []
        journal = Journal(catalog.runs, "r", listener=heard.append)
        journal.announce()
        journal.once("dispatched", "a", agent="x")
        journal.once("checked", "a", 1, faults=[])
        await journal.close()
        return heard

    asyncio.run(session())
    assert [event.kind for event in asyncio.run(session())] == ["dispatched", "checked"]
    assert kinds(catalog) == ["dispatched", "checked"]


def test_work_and_its_event_are_one_transaction(catalog: Catalog) -> None:
    async def work() -> None:
        journal = Journal(catalog.runs, "r", listener=lambda _: None)
        journal.note("started")

        def broken(writer: LogWriter) -> tuple[int, dict[str, int]]:
            writer.set_state("r", "waiting")
            raise StorageError("the disk is full.")

        with pytest.raises(StorageError):
            await journal.transact(broken, "called", "a", 1)
        with pytest.raises(StorageError):  # nothing goes on after a log that could not be written
            journal.note("called", "a", 2)
        await journal.close()

    asyncio.run(work())
    assert kinds(catalog) == []
    assert catalog.runs.get("r").state == "running"


def test_transact_gives_the_result_and_later_events_stand_after_it(catalog: Catalog) -> None:
    async def work() -> str:
        journal = Journal(catalog.runs, "r", listener=lambda _: None)
        journal.note("started")
        doing = asyncio.ensure_future(journal.transact(lambda _: ("made", {"text": "x"}), "called", "a", 1))
        await asyncio.sleep(0)
        journal.note("finished", "a")
        result = await doing
        event = journal.found("called", "a", 1)
        assert event is not None
        assert event.data == {"text": "x"}
        await journal.close()
        return result

    assert asyncio.run(work()) == "made"
    assert kinds(catalog) == ["started", "called", "finished"]


def test_one_who_is_cancelled_takes_nothing_back(catalog: Catalog) -> None:
    async def work() -> list[str]:
        heard: list[str] = []
        journal = Journal(catalog.runs, "r", listener=lambda event: heard.append(event.kind))
        journal.note("started")
        writing = asyncio.ensure_future(journal.commit())
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await journal.close()
        return heard

    assert asyncio.run(work()) == ["started"]
    assert kinds(catalog) == ["started"]


def test_a_replay_adds_nothing(catalog: Catalog) -> None:
    async def first() -> None:
        journal = Journal(catalog.runs, "r", listener=lambda _: None)
        journal.note("started")
        await journal.close()

    async def second() -> None:
        journal = ReplayJournal(catalog.runs, "r", listener=lambda _: None)
        journal.once("started")
        with pytest.raises(UserError, match="its log has no 'called' for step 2 of subtask 'a'"):
            journal.refuse_new("called", "a", 2)
        with pytest.raises(UserError, match="its log has no 'ended' for the run"):
            journal.once("ended")
        await journal.close()

    asyncio.run(first())
    asyncio.run(second())
    assert kinds(catalog) == ["started"]


def test_the_time_of_sessions_is_added_up_without_the_pauses(catalog: Catalog) -> None:
    times: list[tuple[float, EventKind]] = [
        (10.0, "started"),
        (14.0, "called"),
        (100.0, "resumed"),
        (103.5, "called"),
    ]
    with catalog.runs.write() as writer:
        writer.append([RunEvent("r", seq, at, kind) for seq, (at, kind) in enumerate(times, start=1)])

    async def worked() -> float:
        journal = Journal(catalog.runs, "r", listener=lambda _: None)
        await journal.close()
        return journal.worked_s()

    assert asyncio.run(worked()) == 7.5
