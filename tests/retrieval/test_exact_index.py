from __future__ import annotations

import math
import resource
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asbuilt.errors import StorageError
from asbuilt.retrieval.exact_index import BM25_B, BM25_K1, ExactIndex
from asbuilt.retrieval.terms import tokenize
from asbuilt.testing.index_contract import IndexContract
from asbuilt.types import IndexPoint

TEXTS = {
    1: "Purge the queue: deletes all messages in a queue",
    2: "List queues",
    3: "",
    4: "Send a message to a queue, then receive messages",
    5: "Describe instances",
}


class TestExactIndexContract(IndexContract):
    @pytest.fixture
    def index_class(self) -> type[ExactIndex]:
        return ExactIndex

    @pytest.mark.slow
    def test_survives_kill_9_at_any_moment(self, index_class: Callable[..., object], tmp_path: Path) -> None:
        super().test_survives_kill_9_at_any_moment(index_class, tmp_path)


def bm25(query: str, texts: dict[int, str]) -> dict[int, float]:
    """The definition, word by word (Robertson and Zaragoza, 2009, with a weight that is never negative)."""
    documents = {key: Counter(tokenize(text)) for key, text in texts.items()}
    documents = {key: counts for key, counts in documents.items() if counts}
    average = sum(counts.total() for counts in documents.values()) / len(documents)
    scores: dict[int, float] = {}
    for term in set(tokenize(query)):
        having = sum(1 for counts in documents.values() if term in counts)
        weight = math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))
        for key, counts in documents.items():
            if counts[term]:
                norm = BM25_K1 * (1 - BM25_B + BM25_B * counts.total() / average)
                part = weight * counts[term] * (BM25_K1 + 1) / (counts[term] + norm)
                scores[key] = scores.get(key, 0) + part
    return scores


@pytest.mark.parametrize("query", ["queue", "queue queue messages", "purge all the messages", "instances"])
def test_terms_score_by_the_definition_of_bm25(query: str) -> None:
    index = ExactIndex()
    index.open()
    index.write([IndexPoint(key, text) for key, text in TEXTS.items()], position=1)
    found = {scored.id: scored.score for scored in index.search(query, top_k=10)}
    assert found == pytest.approx(bm25(query, TEXTS))


def test_vectors_score_by_cosine() -> None:
    index = ExactIndex()
    index.open()
    vectors = np.random.default_rng(1).standard_normal((20, 8)).astype(np.float32)
    index.write([IndexPoint(key, "", vector) for key, vector in enumerate(vectors)], position=1)
    query = vectors[3] + vectors[4]
    cosines = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
    found = index.search(query, top_k=20)
    assert [scored.id for scored in found] == np.argsort(-cosines).tolist()
    assert [scored.score for scored in found] == pytest.approx(np.sort(cosines)[::-1], abs=1e-6)


def test_equal_scores_come_in_order_of_id_and_the_lowest_ids_make_the_cut() -> None:
    index = ExactIndex()
    index.open()
    index.write([IndexPoint(key, "queue", np.ones(2, np.float32)) for key in (9, 4, 7, 1)], position=1)
    assert [scored.id for scored in index.search("queue", top_k=3)] == [1, 4, 7]
    assert [scored.id for scored in index.search(np.ones(2, np.float32), top_k=3)] == [1, 4, 7]


def test_the_log_does_not_grow_with_every_replacement(tmp_path: Path) -> None:
    index = ExactIndex(folder=tmp_path)
    index.open()
    points = [IndexPoint(key, "queue " * 20) for key in range(500)]
    for position in range(1, 40):
        index.write(points, position=position)
    size = (tmp_path / "batches.log").stat().st_size
    index.close()
    assert size < 16 * 500 * 200
    index.open()
    assert index.position == 39
    assert len(index.search("queue", top_k=1000)) == 500
    index.close()


def test_a_full_disk_is_an_error_that_changes_nothing(tmp_path: Path) -> None:
    index = ExactIndex(folder=tmp_path)
    index.open()
    index.write([IndexPoint(1, "queue")], position=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(StorageError, match=r"batches\.log"):
            index.write([IndexPoint(2, "queue " * 10_000)], remove=[1], position=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert index.position == 1
    assert [scored.id for scored in index.search("queue", top_k=5)] == [1]
    index.write([IndexPoint(3, "queue")], position=2)
    index.close()
    index.open()
    assert index.position == 2
    assert sorted(scored.id for scored in index.search("queue", top_k=5)) == [1, 3]
    index.close()


@pytest.mark.parametrize("other", [{"language": "german"}, {"dim": 3}])
def test_content_made_otherwise_is_dropped(tmp_path: Path, other: dict[str, object]) -> None:
    index = ExactIndex(folder=tmp_path)
    index.open()
    index.write([IndexPoint(1, "queues", np.ones(2, np.float32))], position=5)
    index.close()
    changed = ExactIndex(folder=tmp_path, **other)  # type: ignore[arg-type]
    changed.open()
    assert changed.position == 0
    assert changed.search("queues", top_k=5) == []
    changed.close()
