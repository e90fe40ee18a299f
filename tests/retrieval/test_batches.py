from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from asbuilt.errors import UserError
from asbuilt.retrieval.batch_log import BatchLog
from asbuilt.retrieval.batches import Batch, checked_batch, decode, encode
from asbuilt.types import IndexPoint

ids = st.integers(0, 2**63 - 1)
payloads = st.dictionaries(
    st.text(), st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.booleans()), max_size=3
)
vectors = st.none() | arrays(np.float32, 3, elements=st.floats(-1e3, 1e3, width=32))
points = st.lists(st.builds(IndexPoint, ids, st.text(), vectors, payloads), max_size=5)
batches = st.builds(
    lambda points, remove, position: checked_batch(points, remove, position, dim=None),
    points,
    st.lists(ids, max_size=3),
    st.integers(0, 2**53),
)


def plain(batch: Batch) -> object:
    """`batch` as something that can be compared."""
    return (
        batch.position,
        batch.dim,
        batch.remove,
        batch.held,
        [
            (each.id, each.terms, None if each.vector is None else each.vector.tolist(), dict(each.payload))
            for each in batch.points
        ],
    )


def some_batches(count: int) -> list[Batch]:
    return [
        checked_batch(
            [IndexPoint(each, f"text {number}\n", np.ones(2, np.float32) * each)],
            [each + 1],
            number,
            dim=2,
        )
        for number, each in enumerate(range(count), start=1)
    ]


@given(batches)
def test_a_batch_comes_back_from_its_record(batch: Batch) -> None:
    assert plain(decode(encode(batch))) == plain(batch)


def test_what_an_index_held_comes_back_too() -> None:
    assert decode(encode(Batch((), (), 9, 384, held=(3, 2, 2)))) == Batch((), (), 9, 384, held=(3, 2, 2))


@given(batches, st.data())
def test_a_record_that_was_touched_is_refused(batch: Batch, data: st.DataObject) -> None:
    record = bytearray(encode(batch))
    at = data.draw(st.integers(0, len(record) - 1))
    record[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="record"):
        decode(bytes(record))


@given(batches, st.data())
def test_a_record_that_was_cut_is_refused(batch: Batch, data: st.DataObject) -> None:
    record = encode(batch)
    with pytest.raises(ValueError, match="record"):
        decode(record[: data.draw(st.integers(0, len(record) - 1))])


def test_the_last_of_equal_ids_counts_and_removal_comes_after() -> None:
    batch = checked_batch(
        [IndexPoint(1, "a"), IndexPoint(2, "b"), IndexPoint(1, "c")], [2, 3, 3], 7, dim=None
    )
    assert plain(batch) == (7, None, (2, 3), (), [(1, "c", None, {})])


@pytest.mark.parametrize("point_id", [-1, 2**63])
def test_ids_out_of_range_are_refused(point_id: int) -> None:
    with pytest.raises(UserError, match=str(point_id)):
        checked_batch([IndexPoint(point_id, "")], [], 1, dim=None)
    with pytest.raises(UserError, match=str(point_id)):
        checked_batch([], [point_id], 1, dim=None)


def test_all_vectors_of_a_batch_have_one_length() -> None:
    mixed = [IndexPoint(1, "", np.ones(2, np.float32)), IndexPoint(2, "", np.ones(3, np.float32))]
    with pytest.raises(UserError, match="point 2 has 3 dimensions; this index holds vectors of 2"):
        checked_batch(mixed, [], 1, dim=None)


def test_a_log_gives_back_what_was_appended(tmp_path: Path) -> None:
    log = BatchLog(tmp_path / "log")
    assert list(log.replay()) == []
    for batch in some_batches(3):
        log.append(batch)
    again = BatchLog(tmp_path / "log")
    assert [plain(batch) for batch in again.replay()] == [plain(batch) for batch in some_batches(3)]
    again.append(some_batches(4)[3])
    assert again.points == 4
    assert [batch.position for batch in BatchLog(tmp_path / "log").replay()] == [1, 2, 3, 4]


def test_a_log_cut_anywhere_loses_only_what_was_cut(tmp_path: Path) -> None:
    records = [encode(batch) for batch in some_batches(2)]
    whole = b"".join(records)
    file = tmp_path / "log"
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        log = BatchLog(file)
        kept = [batch.position for batch in log.replay()]
        assert kept == ([1] if length >= len(records[0]) else [])
        log.append(some_batches(3)[2])
        assert [batch.position for batch in BatchLog(file).replay()] == [*kept, 3]


def test_a_rewritten_log_holds_only_the_new_batches(tmp_path: Path) -> None:
    log = BatchLog(tmp_path / "log")
    for batch in some_batches(5):
        log.append(batch)
    log.rewrite(some_batches(5)[4:])
    log.append(some_batches(6)[5])
    assert [batch.position for batch in BatchLog(tmp_path / "log").replay()] == [5, 6]
    assert log.points == 2
