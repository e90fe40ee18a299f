from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from asbuilt.catalog import Catalog
from asbuilt.errors import NotFoundError, StorageError, UserError
from asbuilt.runs import InboxItem, RunEvent


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(file=tmp_path / "catalog.sqlite")
    opened.open()
    opened.runs.create("r1", "do it", blueprint="b")
    yield opened
    opened.close()


def event(seq: int) -> RunEvent:
    return RunEvent("r1", seq, 1.5, "called", "a", seq, {"text": f"é{seq}", "n": [1, None]})


def question(**changed: object) -> InboxItem:
    now = time.time()
    item = InboxItem(0, "r1", "a", "call", "d1", {"tool": "pay"}, "it pays", "open", now, now + 60)
    return replace(item, **changed)  # type: ignore[arg-type]


def test_events_come_back_in_order_and_from_a_place_on(catalog: Catalog) -> None:
    with catalog.runs.write(synced=False) as writer:
        writer.append([event(1), event(2)])
    with catalog.runs.write() as writer:
        writer.append([event(3)])
    assert catalog.runs.events("r1") == [event(1), event(2), event(3)]
    assert catalog.runs.events("r1", after=2) == [event(3)]
    assert catalog.runs.events("r2") == []


def test_a_number_is_given_once_and_what_went_wrong_leaves_nothing(catalog: Catalog) -> None:
    with catalog.runs.write() as writer:
        writer.append([event(1)])
    with pytest.raises(StorageError), catalog.runs.write() as writer:
        writer.append([event(2), event(1)])
    assert catalog.runs.events("r1") == [event(1)]


def test_what_a_tool_wrote_is_committed_with_the_event(catalog: Catalog) -> None:
    with catalog.runs.write() as writer:
        writer.connection.execute(sa.text("CREATE TABLE payments (amount INTEGER)"))

    def pay_and_fail() -> None:
        with catalog.runs.write() as writer:
            writer.connection.execute(sa.text("INSERT INTO payments VALUES (1)"))
            writer.append([event(1)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        pay_and_fail()
    with catalog.runs.write() as writer:
        assert writer.connection.execute(sa.text("SELECT count(*) FROM payments")).scalar_one() == 0
    assert catalog.runs.events("r1") == []


def test_runs_are_listed_with_their_state(catalog: Catalog) -> None:
    catalog.runs.create("r2", "more", blueprint="b")
    with catalog.runs.write() as writer:
        writer.set_state("r1", "waiting")
    assert [(each.id, each.state) for each in catalog.runs.recent()] == [("r2", "running"), ("r1", "waiting")]
    assert catalog.runs.get("r1").task == "do it"
    with pytest.raises(NotFoundError, match="there is no run 'r9'"):
        catalog.runs.get("r9")


def test_a_question_is_asked_once_and_decided_once(catalog: Catalog) -> None:
    with catalog.runs.write() as writer:
        first = writer.ask(question(), step=3)
        assert writer.ask(question(), step=3) == first
        other = writer.ask(question(digest="d2"), step=3)
    assert first.id != other.id
    assert [each.id for each in catalog.runs.inbox()] == [first.id, other.id]
    decided = catalog.runs.decide(first.id, approve=True, by="ida")
    assert (decided.state, decided.decided_by) == ("approved", "ida")
    assert [each.id for each in catalog.runs.inbox()] == [other.id]
    with pytest.raises(UserError, match=f"question {first.id} is approved already"):
        catalog.runs.decide(first.id, approve=False, by="ida")
    with pytest.raises(NotFoundError, match="there is no question 99"):
        catalog.runs.decide(99, approve=True, by="ida")


def test_a_question_and_an_approval_expire(catalog: Catalog) -> None:
    with catalog.runs.write() as writer:
        late = writer.ask(question(expires_at=time.time() - 1), step=1)
    assert catalog.runs.item(late.id).state == "expired"
    with pytest.raises(UserError, match="is expired already"):
        catalog.runs.decide(late.id, approve=True, by="ida")
    with catalog.runs.write() as writer:
        again = writer.ask(question(expires_at=time.time() + 0.05), step=1)
    assert again.id != late.id
    catalog.runs.decide(again.id, approve=True, by="ida")
    time.sleep(0.06)
    with catalog.runs.write() as writer:
        assert writer.ask(question(), step=1).id not in (late.id, again.id)
