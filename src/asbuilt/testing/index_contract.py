"""What every Index must do: contents, filters, bad input, durability, concurrency, agreement."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asbuilt.errors import AsbuiltError, StorageError, UserError
from asbuilt.retrieval.exact_index import ExactIndex
from asbuilt.roles import Index
from asbuilt.testing.index_workload import workload
from asbuilt.types import Filters, IndexPoint, Scalar, ScoredId, Vector

__all__ = ["IndexContract"]

_KILLS = 6
_EVERYTHING = 1000
"""A `top_k` that no test's content reaches."""


class IndexContract:
    """Subclass it in a test module and override the fixture.

    >>> class TestMyIndex(IndexContract):
    ...     @pytest.fixture
    ...     def index_class(self): return MyIndex

    The class is built as ``MyIndex(folder=path)`` and must be importable by name, because a test
    runs it in another process and kills that.
    """

    @pytest.fixture
    def index_class(self) -> Callable[..., Any]:
        """The class under test."""
        raise NotImplementedError

    @pytest.fixture
    def index(self, index_class: Callable[..., Any], tmp_path: Path) -> Iterator[Index]:
        """An empty index, open, in a folder of its own."""
        with _opened(index_class, tmp_path / "index") as index:
            yield index

    # ------------------------------------------------------------ content

    def test_plays_the_role_and_starts_empty(self, index: Index) -> None:
        assert isinstance(index, Index)
        assert index.position == 0
        assert index.search("queue", top_k=5) == []
        assert index.search(_vector(1, 0), top_k=5) == []

    def test_constructing_touches_no_disk(self, index_class: Callable[..., Any], tmp_path: Path) -> None:
        index_class(folder=tmp_path / "later")
        assert not (tmp_path / "later").exists()

    def test_works_without_a_folder(self, index_class: Callable[..., Any]) -> None:
        with _opened(index_class, None) as index:
            index.write([IndexPoint(1, "purge the queue")], position=1)
            assert _ids(index.search("purge", top_k=5)) == [1]

    def test_terms_are_searchable_before_vectors(self, index: Index) -> None:
        index.write([IndexPoint(1, "purge a queue"), IndexPoint(2, "list the buckets")], position=1)
        assert _ids(index.search("purging queues", top_k=5)) == [1]
        assert index.search(_vector(1, 0), top_k=5) == []
        index.write([IndexPoint(2, "list the buckets", _vector(0, 1))], position=2)
        assert _ids(index.search(_vector(1, 1), top_k=5)) == [2]
        index.write([IndexPoint(1, "purge a queue", _vector(1, 0))], position=3)
        assert _ids(index.search(_vector(2, 1), top_k=5)) == [1, 2]
        assert index.position == 3

    def test_a_point_is_replaced_whole(self, index: Index) -> None:
        index.write([IndexPoint(7, "purge", _vector(1, 0), {"colour": "red", "page": 1})], position=1)
        index.write([IndexPoint(7, "delete", None, {"colour": "blue"})], position=2)
        assert index.search("purge", top_k=5) == []
        assert index.search(_vector(1, 0), top_k=5) == []
        assert _ids(index.search("delete", top_k=5)) == [7]
        assert index.search("delete", top_k=5, filters={"colour": "red"}) == []
        assert index.search("delete", top_k=5, filters={"page": 1}) == []
        assert _ids(index.search("delete", top_k=5, filters={"colour": "blue"})) == [7]

    def test_removed_points_are_gone(self, index: Index) -> None:
        index.write([IndexPoint(each, "queue", _vector(1, each)) for each in (1, 2, 3)], position=1)
        index.write([], remove=[2, 99], position=2)
        assert sorted(_ids(index.search("queue", top_k=5))) == [1, 3]
        assert sorted(_ids(index.search(_vector(1, 0), top_k=5))) == [1, 3]

    def test_of_equal_ids_in_one_write_the_last_counts_and_removal_comes_after(self, index: Index) -> None:
        index.write(
            [IndexPoint(1, "old"), IndexPoint(2, "gone"), IndexPoint(1, "new")], remove=[2], position=1
        )
        assert _ids(index.search("new", top_k=5)) == [1]
        assert index.search("old gone", top_k=5) == []

    def test_replaying_a_write_changes_nothing(self, index: Index) -> None:
        points, remove = workload(3)
        index.write(workload(2)[0], position=2)
        index.write(points, remove=remove, position=3)
        before = _everything(index)
        index.write(points, remove=remove, position=3)
        assert _everything(index) == before
        assert index.position == 3

    def test_results_are_best_first_and_at_most_top_k(self, index: Index) -> None:
        index.write(
            [IndexPoint(each, "queue " * each, _vector(1, each)) for each in range(1, 30)], position=1
        )
        for query in ("queue", _vector(1, 3)):
            found = index.search(query, top_k=10)
            assert len(set(_ids(found))) == 10
            assert found == sorted(found, key=lambda scored: -scored.score)
            assert found == index.search(query, top_k=20)[:10]
            assert len(index.search(query, top_k=_EVERYTHING)) == 29
            with pytest.raises(UserError, match="top_k"):
                index.search(query, top_k=0)

    # ------------------------------------------------------------ filters

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({}, {1, 2, 3, 4}),
            ({"colour": "red"}, {1, 2}),
            ({"colour": ["red", "blue"]}, {1, 2, 3}),
            ({"colour": "red", "page": 2}, {2}),
            ({"page": [1, 3]}, {1, 3}),
            ({"page": 1.0}, {1}),
            ({"share": 0.1}, {1}),
            ({"share": 2}, {2}),
            ({"draft": True}, {1}),
            ({"draft": False}, {2}),
            ({"page": True}, set()),
            ({"page": "1"}, set()),
            ({"draft": 1}, set()),
            ({"colour": []}, set()),
            ({"colour": "Red"}, set()),
            ({"no such key": "red"}, set()),
            ({"colour": "red", "no such key": 1}, set()),
            ({'a."b" [c]': "x"}, {3}),
            ({"größe": "länge 🙂"}, {4}),
            ({"count": 2**80}, {4}),
        ],
    )
    def test_filters_choose_points_on_both_sides(
        self, index: Index, filters: Filters, expected: set[int]
    ) -> None:
        payloads: dict[int, dict[str, Scalar]] = {
            1: {"colour": "red", "page": 1, "share": 0.1, "draft": True},
            2: {"colour": "red", "page": 2, "share": 2.0, "draft": False},
            3: {"colour": "blue", "page": 3, 'a."b" [c]': "x"},
            4: {"größe": "länge 🙂", "count": 2**80},
        }
        index.write(
            [IndexPoint(each, "queue", _vector(1, each), payload) for each, payload in payloads.items()],
            position=1,
        )
        assert set(_ids(index.search("queue", top_k=5, filters=filters))) == expected
        assert set(_ids(index.search(_vector(1, 1), top_k=5, filters=filters))) == expected

    def test_filters_work_inside_the_search(self, index: Index) -> None:
        """The best points that match are found even when others that do not match are far better."""
        index.write(
            [
                IndexPoint(
                    each, "queue" + " filler" * (each % 7), _vector(300 - each, each), {"rare": each >= 297}
                )
                for each in range(300)
            ],
            position=1,
        )
        for query in ("queue", _vector(1, 0)):
            found = index.search(query, top_k=3, filters={"rare": True})
            assert sorted(_ids(found)) == [297, 298, 299]

    # ------------------------------------------------------------ odd and bad input

    @pytest.mark.parametrize(
        "query", ["", "   \n", "the of and", "?!… --", "\x00", "🙂", "\ud800", "nothing-here"]
    )
    def test_a_query_without_known_terms_finds_nothing(self, index: Index, query: str) -> None:
        index.write([IndexPoint(1, "purge the queue")], position=1)
        assert index.search(query, top_k=5) == []

    def test_a_very_long_query_works(self, index: Index) -> None:
        index.write([IndexPoint(1, "purge the queue")], position=1)
        words = " ".join(f"word{number}" for number in range(10_000))
        assert _ids(index.search(f"{words} queue", top_k=5)) == [1]

    def test_odd_texts_are_stored_and_found(self, index: Index) -> None:
        texts = ["", "the", "\x00 nul", "lone \ud800 half", "x" * 100_000, "word " * 20_000, "東京都の案内"]
        index.write(
            [IndexPoint(each, text, None, {"text": text}) for each, text in enumerate(texts)], position=1
        )
        assert _ids(index.search("nul", top_k=5)) == [2]
        assert _ids(index.search("half", top_k=5, filters={"text": texts[3]})) == [3]
        assert _ids(index.search("word", top_k=5)) == [5]
        assert _ids(index.search("東京", top_k=5)) == [6]

    @pytest.mark.parametrize(
        "bad",
        [
            np.array([1, np.nan], np.float32),
            np.array([np.inf, 0], np.float32),
            np.array([1, 0, 0], np.float32),
            np.array([], np.float32),
            np.array([[1, 0]], np.float32),
        ],
        ids=["nan", "infinite", "other dimension", "empty", "matrix"],
    )
    def test_a_bad_vector_is_refused_and_changes_nothing(self, index: Index, bad: Vector) -> None:
        index.write([IndexPoint(1, "queue", _vector(1, 0))], position=1)
        with pytest.raises(UserError):
            index.search(bad, top_k=5)
        with pytest.raises(UserError, match="point 3"):
            index.write([IndexPoint(2, "queue"), IndexPoint(3, "queue", bad)], remove=[1], position=2)
        assert index.position == 1
        assert _ids(index.search("queue", top_k=5)) == [1]

    def test_vectors_need_not_have_length_one(self, index: Index) -> None:
        index.write([IndexPoint(1, "", _vector(30, 40)), IndexPoint(2, "", _vector(0, 0))], position=1)
        found = index.search(_vector(0.003, 0.004), top_k=5)
        assert found[0].id == 1
        assert found[0].score == pytest.approx(1)

    def test_a_value_that_is_no_scalar_is_refused(self, index: Index) -> None:
        payload: Any = {"nested": {"a": 1}}
        with pytest.raises(UserError, match="nested"):
            index.write([IndexPoint(1, "queue", None, payload)], position=1)
        with pytest.raises(UserError, match="nested"):
            index.search("queue", top_k=5, filters=payload)
        assert index.position == 0

    # ------------------------------------------------------------ life and durability

    def test_reopening_keeps_content_and_position(
        self, index_class: Callable[..., Any], tmp_path: Path
    ) -> None:
        with _opened(index_class, tmp_path) as index:
            for number in (1, 2, 3):
                points, remove = workload(number)
                index.write(points, remove=remove, position=number)
            before = _everything(index)
        for _ in range(2):
            with _opened(index_class, tmp_path) as index:
                assert index.position == 3
                assert _everything(index) == before

    def test_at_position_0_an_index_opens_empty(
        self, index_class: Callable[..., Any], tmp_path: Path
    ) -> None:
        """A feed that begins anew does not name what it sent the time before."""
        with _opened(index_class, tmp_path) as index:
            index.write([IndexPoint(1, "queue")], position=0)
        with _opened(index_class, tmp_path) as index:
            assert index.search("queue", top_k=5) == []

    def test_a_folder_has_one_owner(self, index_class: Callable[..., Any], tmp_path: Path) -> None:
        with _opened(index_class, tmp_path), pytest.raises(StorageError, match="in use"):
            index_class(folder=tmp_path).open()
        with _opened(index_class, tmp_path):
            pass

    def test_a_damaged_folder_opens_empty_and_usable(
        self, index_class: Callable[..., Any], tmp_path: Path
    ) -> None:
        with _opened(index_class, tmp_path) as index:
            index.write([IndexPoint(1, "queue", _vector(1, 0))], position=1)
        for file in tmp_path.rglob("*"):
            if file.is_file():
                file.write_bytes(b"junk")
        with _opened(index_class, tmp_path) as index:
            assert index.position == 0
            assert index.search("queue", top_k=5) == []
            index.write([IndexPoint(2, "queue", _vector(1, 0, 0))], position=1)
            assert _ids(index.search("queue", top_k=5)) == [2]

    def test_files_of_others_in_the_folder_stay(
        self, index_class: Callable[..., Any], tmp_path: Path
    ) -> None:
        (tmp_path / "thesis.txt").write_text("mine")
        with _opened(index_class, tmp_path) as index:
            index.write([IndexPoint(1, "queue")], position=0)
        with _opened(index_class, tmp_path):
            assert (tmp_path / "thesis.txt").read_text() == "mine"

    def test_closing_twice_is_fine_and_searching_then_is_not(
        self, index_class: Callable[..., Any], tmp_path: Path
    ) -> None:
        index = index_class(folder=tmp_path)
        index.close()
        index.open()
        index.write([IndexPoint(1, "queue")], position=1)
        index.close()
        index.close()
        with pytest.raises(AsbuiltError):
            index.search("queue", top_k=5)
        with pytest.raises(AsbuiltError):
            index.write([], position=2)

    def test_survives_kill_9_at_any_moment(self, index_class: Callable[..., Any], tmp_path: Path) -> None:
        """After a kill it is at a position that was acknowledged, or the one after, with that content."""
        moments = random.Random(9)
        with _opened(ExactIndex, None) as expected:
            for _ in range(_KILLS):
                acknowledged = _killed_writer(index_class, tmp_path, moments.uniform(0, 0.3))
                with _opened(index_class, tmp_path) as index:
                    assert index.position in (acknowledged, acknowledged + 1)
                    for number in range(expected.position + 1, index.position + 1):
                        points, remove = workload(number)
                        expected.write(points, remove=remove, position=number)
                    for found, right in zip(_everything(index), _everything(expected), strict=True):
                        assert found.keys() == right.keys()
                        assert found == pytest.approx(right, rel=1e-3, abs=1e-4)
            assert expected.position > 0, "no write was ever acknowledged"

    # ------------------------------------------------------------ threads

    def test_searches_see_each_write_whole(self, index: Index) -> None:
        """Every write replaces one generation of points by the next; nobody sees a mixture."""
        size, generations = 20, 40
        index.write(_generation(0, size), position=1)
        done = False

        def search(query: str | Vector) -> int:
            searches = 0
            while not done:
                found = _ids(index.search(query, top_k=_EVERYTHING))
                assert len(found) == size, found
                assert len({point_id // 1000 for point_id in found}) == 1, found
                searches += 1
            return searches

        with _eager_threads(), ThreadPoolExecutor() as pool:
            searching = [pool.submit(search, query) for query in ("common", _vector(1, 1))]
            try:
                for number in range(1, generations):
                    gone = [point.id for point in _generation(number - 1, size)]
                    index.write(_generation(number, size), remove=gone, position=number + 1)
            finally:
                done = True
            assert all(each.result() > 0 for each in searching)

    # ------------------------------------------------------------ agreement

    def test_ranks_like_the_exact_index(self, index: Index) -> None:
        """Top 10 overlap of at least 0.9, and the same best point where it leads by 2 % or more."""
        rng = np.random.default_rng(5)
        with _opened(ExactIndex, None) as exact:
            points = _library(rng, 1500)
            for start in range(0, len(points), 300):
                for each in (index, exact):
                    each.write(points[start : start + 300], position=start + 1)
            replaced = [IndexPoint(p.id, f"{p.terms} again", p.vector, p.payload) for p in points[::7]]
            for each in (index, exact):
                each.write(replaced, remove=range(0, 1500, 11), position=2000)
            shared = asked = 0
            for number in range(120):
                query = _library_query(rng, points)
                filters: Filters | None = {"group": [1, 2]} if number % 3 == 0 else None
                right = exact.search(query, top_k=10, filters=filters)
                found = index.search(query, top_k=10, filters=filters)
                assert len(found) == len(right)
                shared += len(set(_ids(found)) & set(_ids(right)))
                asked += len(right)
                if len(right) > 1 and right[0].score > 1.02 * right[1].score:
                    assert found[0].id == right[0].id
            assert shared >= 0.9 * asked


# ---------------------------------------------------------------- what the tests share


@contextmanager
def _opened(index_class: Callable[..., Any], folder: Path | None) -> Iterator[Index]:
    index = index_class(folder=folder)
    index.open()
    try:
        yield index
    finally:
        index.close()


@contextmanager
def _eager_threads() -> Iterator[None]:
    """Let Python switch threads every 10 microseconds, so that they meet between any two steps."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _vector(*values: float) -> Vector:
    return np.array(values, dtype=np.float32)


def _ids(found: Sequence[ScoredId]) -> list[int]:
    return [scored.id for scored in found]


def _everything(index: Index) -> list[dict[int, float]]:
    """Scores by id for queries that together see all content of `workload`."""
    queries: list[tuple[str | Vector, Filters | None]] = [
        ("common", None),
        ("common even", {"even": True}),
        (_vector(1, 2, 3, 4), None),
        (_vector(4, -3, 2, -1), {"even": False}),
    ]
    return [
        {scored.id: scored.score for scored in index.search(query, top_k=_EVERYTHING, filters=filters)}
        for query, filters in queries
    ]


def _generation(number: int, size: int) -> list[IndexPoint]:
    return [IndexPoint(1000 * number + each, "common", _vector(1, each + 1)) for each in range(size)]


def _library(rng: np.random.Generator, size: int) -> list[IndexPoint]:
    """Texts with a heavy-tailed vocabulary, and clustered vectors."""
    shares = 1 / np.arange(1, 3001)
    centres = rng.standard_normal((20, 32))
    return [
        IndexPoint(
            point_id,
            " ".join(f"w{word}" for word in rng.choice(3000, rng.integers(5, 80), p=shares / shares.sum())),
            (centres[rng.integers(20)] + 0.5 * rng.standard_normal(32)).astype(np.float32),
            {"group": point_id % 5},
        )
        for point_id in range(size)
    ]


def _library_query(rng: np.random.Generator, points: Sequence[IndexPoint]) -> str | Vector:
    point = points[int(rng.integers(len(points)))]
    if rng.random() < 0.5 and point.vector is not None:
        return np.asarray(point.vector + 0.2 * rng.standard_normal(32), dtype=np.float32)
    return " ".join(rng.choice(point.terms.split(), 6))


def _killed_writer(index_class: Callable[..., Any], folder: Path, after_s: float) -> int:
    """The last position that a writer acknowledged before it was killed, `after_s` after it opened."""
    call = f"write_until_killed({index_class.__module__!r}, {index_class.__qualname__!r}, {str(folder)!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", f"from asbuilt.testing.index_workload import write_until_killed; {call}"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    with process.stdout as lines:
        opened_at = lines.readline()
        time.sleep(after_s)
        process.kill()
        positions = [int(line) for line in (opened_at, *lines) if line.endswith(b"\n")]
    process.wait()
    return positions[-1]
