from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from asbuilt.errors import StorageError
from asbuilt.retrieval import qdrant_edge_index
from asbuilt.retrieval.exact_index import ExactIndex
from asbuilt.retrieval.qdrant_edge_index import QdrantEdgeIndex
from asbuilt.testing.index_contract import IndexContract
from asbuilt.types import Filters, IndexPoint, ScoredId, Vector


class TestQdrantEdgeIndexContract(IndexContract):
    @pytest.fixture
    def index_class(self) -> type[QdrantEdgeIndex]:
        return QdrantEdgeIndex

    @pytest.mark.slow
    def test_survives_kill_9_at_any_moment(self, index_class: Callable[..., object], tmp_path: Path) -> None:
        super().test_survives_kill_9_at_any_moment(index_class, tmp_path)


def scores(found: list[ScoredId]) -> dict[int, float]:
    return {scored.id: scored.score for scored in found}


words = st.lists(
    st.sampled_from(["queue", "bucket", "purge", "list", "policy", "the", "QueueUrl", "10.0.0.1"]), max_size=8
)
vectors = st.none() | st.lists(st.integers(-3, 3), min_size=3, max_size=3)
colours = st.sampled_from(["red", "blue", 1, True])


class AgreesWithExact(RuleBasedStateMachine):
    """Whatever is written, in whatever order, and reopened: the scores are those of `ExactIndex`."""

    def __init__(self) -> None:
        super().__init__()
        self.index = QdrantEdgeIndex()
        self.exact = ExactIndex()
        self.index.open()
        self.exact.open()
        self.position = 0

    def teardown(self) -> None:
        self.index.close()
        self.exact.close()

    @rule(
        points=st.lists(st.tuples(st.integers(0, 9), words, vectors, colours), max_size=6),
        remove=st.lists(st.integers(0, 9), max_size=2),
    )
    def write(
        self,
        points: list[tuple[int, list[str], list[int] | None, str | int | bool]],
        remove: list[int],
    ) -> None:
        self.position += 1
        made = [
            IndexPoint(
                key,
                " ".join(text),
                None if vector is None else np.array(vector, np.float32),
                {"colour": colour},
            )
            for key, text, vector, colour in points
        ]
        for each in (self.index, self.exact):
            each.write(made, remove=remove, position=self.position)

    @invariant()
    def agrees(self) -> None:
        queries: list[str | Vector] = [
            "queue purge",
            "the queue-url list 10.0.0.1",
            np.array([1, 2, -1], np.float32),
        ]
        filters: list[Filters | None] = [None, {"colour": "red"}, {"colour": [1, "blue"]}]
        for query in queries:
            for chosen in filters:
                found = scores(self.index.search(query, top_k=20, filters=chosen))
                right = scores(self.exact.search(query, top_k=20, filters=chosen))
                assert found == pytest.approx(right, rel=1e-4, abs=1e-5)


AgreesWithExact.TestCase.settings = settings(
    max_examples=10, stateful_step_count=10, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestAgreesWithExact = pytest.mark.slow(AgreesWithExact.TestCase)


def library(count: int, dim: int) -> list[IndexPoint]:
    rng = np.random.default_rng(3)
    centres = rng.standard_normal((30, dim))
    return [
        IndexPoint(
            key,
            " ".join(f"w{int(word)}" for word in rng.zipf(1.3, 40) if word < 2000),
            (centres[key % 30] + 0.6 * rng.standard_normal(dim)).astype(np.float32),
        )
        for key in range(count)
    ]


def test_rescoring_makes_the_coarse_scan_exact() -> None:
    points = library(4000, 64)
    index, exact = QdrantEdgeIndex(), ExactIndex()
    for each in (index, exact):
        each.open()
        each.write(points, position=1)
    rng = np.random.default_rng(4)
    shared = 0
    for _ in range(50):
        near = points[int(rng.integers(4000))].vector
        assert near is not None
        query = (near + 0.3 * rng.standard_normal(64)).astype(np.float32)
        found, right = index.search(query, top_k=10), exact.search(query, top_k=10)
        shared += len(scores(found).keys() & scores(right).keys())
        assert [each.score for each in found] == pytest.approx([each.score for each in right], abs=1e-3)
    assert shared >= 0.99 * 500
    index.close()


def test_bm25_stays_exact_when_a_third_goes_and_its_space_is_reclaimed() -> None:
    points = library(3600, 8)
    index, exact = QdrantEdgeIndex(), ExactIndex()
    for each in (index, exact):
        each.open()
        each.write(points, position=1)
        each.write(points[::2], remove=range(1, 3600, 3), position=2)
        each.write(points[5:50], position=3)
    for query in ("w1 w2 w30", "w7 w500 w3", "w1999 w11"):
        right = scores(exact.search(query, top_k=5000))
        assert scores(index.search(query, top_k=5000)) == pytest.approx(right, rel=1e-4, abs=1e-5)
    index.close()


def test_too_little_free_space_is_an_error_that_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = QdrantEdgeIndex(folder=tmp_path)
    index.open()
    index.write([IndexPoint(1, "queue")], position=1)
    monkeypatch.setattr(qdrant_edge_index, "_MIN_FREE_BYTES", 1 << 62)
    with pytest.raises(StorageError, match="MiB are free"):
        index.write([IndexPoint(2, "queue")], remove=[1], position=2)
    monkeypatch.undo()
    assert index.position == 1
    assert [scored.id for scored in index.search("queue", top_k=5)] == [1]
    index.close()


def test_a_batch_that_cannot_be_stored_whole_changes_nothing(tmp_path: Path) -> None:
    index = QdrantEdgeIndex(folder=tmp_path)
    index.open()
    index.write([IndexPoint(1, "queue")], position=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(StorageError, match="cannot write"):
            index.write([IndexPoint(2, "queue " * 10_000)], remove=[1], position=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert index.position == 1
    index.close()
    index.open()
    assert index.position == 1
    assert [scored.id for scored in index.search("queue", top_k=5)] == [1]
    index.close()


@pytest.mark.parametrize("other", [{"language": "german"}, {"dim": 3}])
def test_content_made_otherwise_is_dropped(tmp_path: Path, other: dict[str, object]) -> None:
    index = QdrantEdgeIndex(folder=tmp_path)
    index.open()
    index.write([IndexPoint(1, "queues", np.ones(2, np.float32))], position=5)
    index.close()
    changed = QdrantEdgeIndex(folder=tmp_path, **other)  # type: ignore[arg-type]
    changed.open()
    assert changed.position == 0
    assert changed.search("queues", top_k=5) == []
    changed.close()


def test_a_temporary_folder_goes_when_the_index_closes() -> None:
    index = QdrantEdgeIndex()
    index.open()
    folder = index._folder.path
    assert folder.is_dir()
    index.close()
    assert not folder.exists()


def test_a_shard_that_lost_a_file_is_dropped(tmp_path: Path) -> None:
    for lost in (
        "mutable_id_tracker.mappings",
        "payload_index/config.json",
        "vector_storage-dense/**/status.dat",
    ):
        index = QdrantEdgeIndex(folder=tmp_path)
        index.open()
        index.write([IndexPoint(1, "queue", np.ones(4, np.float32))], position=5)
        index.close()
        next(tmp_path.glob(f"shard/segments/*/{lost}")).unlink()
        index.open()
        assert index.position == 0, lost
        assert index.search("queue", top_k=5) == []
        index.close()
