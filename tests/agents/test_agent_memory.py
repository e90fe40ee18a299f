"""Memory in the catalogue."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.agents.memory import CatalogMemory
from asbuilt.catalog import Catalog, NewVersion
from asbuilt.errors import StorageError, UserError
from asbuilt.registry import signature
from asbuilt.retrieval.exact_index import ExactIndex
from asbuilt.roles import Memory
from asbuilt.runs import Fact
from asbuilt.testing.fake_embedder import FakeEmbedder
from asbuilt.testing.memory_contract import MemoryContract
from asbuilt.types import ChunkDraft, Document, IndexPoint, Matrix


@contextmanager
def remembering(folder: Path, **config: Any) -> Iterator[CatalogMemory]:
    """A memory over the catalogue in `folder`, open."""
    catalog = Catalog(file=folder / "catalog.sqlite")
    catalog.open()
    try:
        yield CatalogMemory(catalog=catalog, **config)
    finally:
        catalog.close()


def fact(text: str, *, scope: str = "shared") -> Fact:
    return Fact(text, scope, "task", "run-1", at=1.0)


class CountingEmbedder(FakeEmbedder):
    """Counts the passages that it embeds."""

    passages = 0

    def embed(self, texts: Sequence[str], *, kind: Literal["passage", "query"] = "passage") -> Matrix:
        self.passages += len(texts) if kind == "passage" else 0
        return super().embed(texts, kind=kind)


class TestByWords(MemoryContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Callable[[], AbstractContextManager[Memory]]:
        return lambda: remembering(tmp_path)


class TestByMeaningToo(MemoryContract):
    @pytest.fixture
    def opened(self, tmp_path: Path) -> Callable[[], AbstractContextManager[Memory]]:
        return lambda: remembering(tmp_path, embedder=FakeEmbedder())


def test_it_is_shipped_and_told_its_catalogue() -> None:
    found = signature("memory/catalog")
    assert found.given == ("catalog",)
    assert [(need.name, need.optional) for need in found.needs] == [("embedder", True)]


@pytest.mark.parametrize("config", [{"max_facts": 0}, {"max_chars": 0}])
def test_faults_of_the_config(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="at least 1"):
        CatalogMemory(catalog=Catalog(file=tmp_path / "c"), **config)


def test_a_memory_whose_catalogue_is_closed_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is not open"):
        CatalogMemory(catalog=Catalog(file=tmp_path / "c")).recall("x", scopes=["shared"])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogMemory]:
    """One memory for many examples, each in a scope of its own."""
    with remembering(tmp_path_factory.mktemp("memory")) as memory:
        yield memory


SCOPES = count()
WORDS = ["queue", "message", "bucket", "keep", "of", "10.0.0.1"]


@given(
    texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=1).map(" ".join), unique=True),
    query=st.lists(st.sampled_from(["queues", "messages", "the", "10.0.0.1"]), max_size=2).map(" ".join),
)
def test_words_are_scored_as_the_exact_index_does(
    shared: CatalogMemory, texts: list[str], query: str
) -> None:
    index, scope = ExactIndex(), f"scope-{next(SCOPES)}"
    index.open()
    newest_first = list(enumerate(reversed(texts)))
    index.write([IndexPoint(number, text) for number, text in newest_first], position=1)
    expected = [dict(newest_first)[each.id] for each in index.search(query, top_k=100)]
    shared.remember([fact(text, scope=scope) for text in texts])
    assert [each.text for each in shared.recall(query, scopes=[scope], top_k=100)] == expected


def test_what_others_keep_changes_nothing(tmp_path: Path) -> None:
    texts = ["queue queue bucket", "queue bucket bucket", "bucket"]
    with remembering(tmp_path) as memory:
        memory.remember([fact(text, scope="mine") for text in texts])
        before = memory.recall("queue bucket", scopes=["mine"])
        memory.remember([fact(f"queue {number}", scope="other") for number in range(50)])
        assert memory.recall("queue bucket", scopes=["mine"]) == before


def test_the_oldest_of_a_scope_go_first(tmp_path: Path) -> None:
    with remembering(tmp_path, max_facts=3, embedder=FakeEmbedder()) as memory:
        memory.remember([fact("queue zero", scope="other")])
        memory.remember([fact(f"queue {number}") for number in range(5)])
        found = memory.recall("queue", scopes=["shared"], top_k=9)
        assert sorted(each.text for each in found) == ["queue 2", "queue 3", "queue 4"]
        assert len(memory.recall("queue", scopes=["other"])) == 1


def test_meaning_finds_what_words_do_not(tmp_path: Path) -> None:
    facts = [fact("purging empties it"), fact("zebras")]
    with remembering(tmp_path, embedder=FakeEmbedder(dim=512)) as memory:
        memory.remember(facts)
        assert memory.recall("purges", scopes=["shared"])[0] == facts[0]
        assert memory.recall("emptiest", scopes=["shared"])[0] == facts[0]
    with remembering(tmp_path) as memory:
        assert memory.recall("emptiest", scopes=["shared"]) == []


def test_a_text_is_embedded_once_and_again_for_another_model(tmp_path: Path) -> None:
    first, second = CountingEmbedder(dim=64), CountingEmbedder(dim=32)
    with remembering(tmp_path, embedder=first) as memory:
        memory.remember([fact("queue a"), fact("queue b"), fact("queue a", scope="mine")])
        memory.recall("queue", scopes=["shared", "mine"])
    assert first.passages == 3
    with remembering(tmp_path, embedder=second) as memory:
        memory.recall("queue", scopes=["shared", "mine"])
        memory.recall("queue", scopes=["shared", "mine"])
    assert second.passages == 2


def test_vectors_go_with_the_last_fact_of_their_text(tmp_path: Path) -> None:
    embedder = CountingEmbedder()
    with remembering(tmp_path, embedder=embedder, max_facts=1) as memory:
        memory.remember([fact("queue a"), fact("queue a", scope="mine")])
        memory.remember([fact("queue b")])
        memory.recall("queue", scopes=["mine"])
        assert embedder.passages == 3  # the other scope's vector is there still
        memory.remember([fact("queue b", scope="mine")])
    catalog = Catalog(file=tmp_path / "catalog.sqlite")
    catalog.open()
    kept = catalog.agent_facts.texts(["shared", "mine"], model_id=embedder.model_id)
    assert all(each.vector is not None for each in kept)
    with catalog._database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM embeddings").scalar_one() == 1
    catalog.close()


def test_a_passage_with_the_text_of_a_fact_still_waits_for_its_vector(tmp_path: Path) -> None:
    embedder = FakeEmbedder()
    with remembering(tmp_path, embedder=embedder) as memory:
        memory.remember([fact("The queue is full.")])
    catalog = Catalog(file=tmp_path / "catalog.sqlite")
    catalog.open()
    text = "The queue is full."
    chunk = ChunkDraft(text, 0, len(text))
    version = NewVersion("a.txt", Document(text, "text/plain"), "hash", "recipe", [chunk], [""])
    catalog.add_versions("docs", [version], job_id=catalog.start_job("docs"))
    [pending] = catalog.pending(embedder.model_id, limit=5)
    assert pending.text.strip() == text
    catalog.close()


WRITER = """
import sys
from pathlib import Path
from asbuilt.agents.memory import CatalogMemory
from asbuilt.catalog import Catalog
from asbuilt.runs import Fact
catalog = Catalog(file=Path(sys.argv[1]))
catalog.open()
memory = CatalogMemory(catalog=catalog)
for number in range(int(sys.argv[3])):
    memory.remember([Fact(f"queue {number} {sys.argv[2]}", "shared", "task", "run"),
                     Fact(f"queue {number}", "shared", "task", "run")])
    print(number, flush=True)
"""


def test_two_processes_lose_and_double_nothing(tmp_path: Path) -> None:
    with remembering(tmp_path) as memory:
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(tmp_path / "catalog.sqlite"), name, "20"],
                stdout=subprocess.DEVNULL,
            )
            for name in "ab"
        ]
        assert [each.wait(60) for each in writers] == [0, 0]
        found = memory.recall("queue", scopes=["shared"], top_k=100)
    assert len(found) == len({each.text for each in found}) == 60


def test_what_was_remembered_survives_a_kill(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "catalog.sqlite"), "a", "100000"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(5)]
    writer.kill()
    acknowledged += [int(line) for line in writer.communicate()[0].split("\n")[:-1]]
    with remembering(tmp_path) as memory:
        found = {each.text for each in memory.recall("queue", scopes=["shared"], top_k=10**6)}
    assert {f"queue {number}{tail}" for number in acknowledged for tail in ("", " a")} <= found
    assert len(found) % 2 == 0  # both of a call, or none
