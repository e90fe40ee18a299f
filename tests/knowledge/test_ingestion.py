"""Ingestion: incremental, versioned, resumable, and never stopped by one bad file."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import pytest

from asbuilt.documents import SourceFile
from asbuilt.errors import StorageError, UserError
from asbuilt.system import System
from asbuilt.testing.fake_embedder import FakeEmbedder
from asbuilt.types import Matrix

BLUEPRINT = """
blueprint: 1
system: {name: ingestion-test, purpose: Tests ingestion}
components:
  chunker: {use: chunker/structural, purpose: Cut, config: {chunk_size: 64, chunk_overlap: 8}}
  embedder: {use: embedder/fake, purpose: Embed}
  index: {use: index/exact, purpose: Find}
  retriever: {use: retriever/hybrid, purpose: Retrieve, config: {min_similarity: -1}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "blueprint.yaml").write_text(BLUEPRINT)
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "queues.md").write_text("# Queues\n\nPurging a queue deletes every message that waits in it.\n")
    (docs / "buckets.md").write_text("# Buckets\n\nA bucket policy says who may read a bucket.\n")
    return tmp_path


@pytest.fixture
def system(project: Path) -> Iterator[System]:
    with System.load(project / "blueprint.yaml") as system:
        yield system


def docs(project: Path) -> list[str]:
    return [str(project / "docs")]


def test_a_first_ingestion_finds_every_chunk_again(system: System, project: Path) -> None:
    report = system.ingest(docs(project))
    assert [receipt.status for receipt in report.receipts] == ["indexed", "indexed"]
    assert all(0 < receipt.chunks == receipt.embedded == receipt.found for receipt in report.receipts)
    [hit] = system.search("who may read a bucket", top_k=1)
    assert Path(hit.chunk.source).name == "buckets.md"
    assert hit.chunk.headings == ("Buckets",)
    assert set(hit.sides) == {"dense", "terms"}


def test_unchanged_files_are_not_embedded_again(
    system: System, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded: list[str] = []
    original = FakeEmbedder.embed

    def embed(
        self: FakeEmbedder, texts: Sequence[str], *, kind: Literal["passage", "query"] = "passage"
    ) -> Matrix:
        embedded.extend(texts)
        return original(self, texts, kind=kind)

    monkeypatch.setattr(FakeEmbedder, "embed", embed)
    system.ingest(docs(project))
    assert embedded
    embedded.clear()
    os.utime(project / "docs/queues.md")
    report = system.ingest(docs(project))
    assert (report.unchanged, embedded) == (2, [])
    (project / "docs/queues.md").write_text("# Queues\n\nNow about dead letters.\n")
    report = system.ingest(docs(project))
    assert report.unchanged == 1
    assert len(embedded) == 2  # the chunk, and its context alone
    assert "dead letters" in embedded[0]


def test_a_changed_file_becomes_a_new_version_and_the_old_one_still_resolves(
    system: System, project: Path
) -> None:
    first = system.ingest(docs(project)).receipts[1]
    (project / "docs/queues.md").write_text("# Queues\n\nNow about dead letters.\n")
    second = system.ingest(docs(project)).receipts[1]
    assert (first.version, second.version) == (1, 2)
    assert first.document_id is not None
    assert first.document_id == second.document_id
    assert "Purging" in system.catalog.version_text(first.document_id, 1)
    assert all("Purging" not in hit.chunk.text for hit in system.search("purging a queue", top_k=10))


def test_a_deleted_file_goes_only_with_prune(system: System, project: Path) -> None:
    system.ingest(docs(project))
    (project / "docs/queues.md").unlink()
    assert system.ingest(docs(project)).removed == 0
    assert len(system.search("purging a queue", top_k=10)) == 2
    assert system.ingest(docs(project), prune=True).removed == 1
    assert len(system.search("purging a queue", top_k=10)) == 1


def test_prune_leaves_what_lies_elsewhere(system: System, project: Path) -> None:
    other = project / "other"
    other.mkdir()
    (other / "keep.md").write_text("Keep me.\n")
    system.ingest([*docs(project), str(other)])
    (other / "keep.md").unlink()
    assert system.ingest(docs(project), prune=True).removed == 0


def test_bad_files_are_quarantined_with_a_reason_and_the_rest_goes_on(system: System, project: Path) -> None:
    folder = project / "docs"
    (folder / "empty.md").write_bytes(b"")
    (folder / "blank.md").write_text("   \n\n  ")
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 20)
    (folder / "truncated.pdf").write_bytes(b"%PDF-1.7\n1 0 obj\n<< /Type /Cat")
    (folder / "latin.txt").write_bytes(
        "Das Gerät läuft über Nacht. Größe und Höhe stimmen. ".encode("latin-1") * 9
    )
    (folder / "outside.md").symlink_to("/etc/hostname")
    with (folder / "huge.txt").open("wb") as huge:
        huge.truncate(200 * 2**20)
    report = system.ingest(docs(project))
    outcome = {Path(receipt.source).name: receipt for receipt in report.receipts}
    assert {name for name, receipt in outcome.items() if receipt.status == "indexed"} == {
        "queues.md",
        "buckets.md",
        "latin.txt",
    }
    reasons = {name: receipt.reason for name, receipt in outcome.items() if receipt.status == "quarantined"}
    assert set(reasons) == {"empty.md", "blank.md", "binary.txt", "truncated.pdf", "huge.txt", "outside.md"}
    assert "empty" in reasons["empty.md"]
    assert "white space" in reasons["blank.md"]
    assert "binary" in reasons["binary.txt"]
    assert "200" in reasons["huge.txt"]
    assert all(reasons.values())


def test_a_quarantined_file_is_read_again_when_it_changes_or_on_request(
    system: System, project: Path
) -> None:
    path = project / "docs/empty.md"
    path.write_bytes(b"")
    assert len(system.ingest(docs(project)).quarantined) == 1
    assert system.ingest(docs(project)).unchanged == 3
    assert system.ingest(docs(project), retry=True).unchanged == 2
    path.write_text("Not empty any more.\n")
    assert system.ingest(docs(project)).quarantined == []


def test_a_file_that_vanishes_while_read_gets_a_receipt(system: System, project: Path) -> None:
    def vanish() -> bytes:
        return (project / "gone.md").read_bytes()

    files = [
        SourceFile("gone.md", "gone.md", vanish),
        SourceFile("here.md", "here.md", lambda: b"# Here\n\nStill here.\n"),
    ]
    report = system.knowledge.ingest(files)
    assert [(receipt.status, receipt.reason) for receipt in report.receipts] == [
        ("quarantined", "the file vanished before it was read"),
        ("indexed", ""),
    ]


def test_a_reader_that_breaks_is_contained(
    system: System, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asbuilt.documents.markdown import MarkdownReader

    original = MarkdownReader.read

    def read(self: MarkdownReader, data: bytes, *, name: str) -> object:
        if name == "queues.md":
            raise RecursionError("maximum recursion depth exceeded")
        return original(self, data, name=name)

    monkeypatch.setattr(MarkdownReader, "read", read)
    report = system.ingest(docs(project))
    assert [receipt.status for receipt in report.receipts] == ["indexed", "quarantined"]
    assert "RecursionError" in report.receipts[1].reason


def test_terms_are_found_before_embeddings_are_there(
    system: System, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int, int]] = []
    original = FakeEmbedder.embed

    def embed(
        self: FakeEmbedder, texts: Sequence[str], *, kind: Literal["passage", "query"] = "passage"
    ) -> Matrix:
        if kind == "passage":
            state = system.knowledge.state()
            seen.append((state.chunks, state.embedded, len(system.index.search("purging queue", top_k=5))))
        return original(self, texts, kind=kind)

    monkeypatch.setattr(FakeEmbedder, "embed", embed)
    system.ingest(docs(project))
    [(chunks, embedded, found)] = seen
    assert chunks == 2
    assert embedded == 0
    assert found >= 1


def test_a_stop_keeps_what_was_done_and_the_next_run_finishes(system: System, project: Path) -> None:
    stop = threading.Event()
    report = system.ingest(docs(project), stop=stop, progress=lambda stage, done, total: stop.set())
    assert {receipt.status for receipt in report.receipts} == {"stored"}
    assert {receipt.status for receipt in system.ingest(docs(project)).receipts} == {"indexed"}


def test_only_one_process_ingests(system: System, project: Path) -> None:
    with System.load(project / "blueprint.yaml") as other:
        errors: list[BaseException] = []

        def while_reading(_stage: str, _done: int, _total: int) -> None:
            try:
                other.ingest(docs(project))
            except StorageError as error:
                errors.append(error)

        system.ingest(docs(project), progress=while_reading)
        assert "another process is ingesting" in str(errors[0])
        assert {receipt.status for receipt in other.ingest(docs(project)).receipts} == {"indexed"}


def test_what_one_process_ingests_another_finds(system: System, project: Path) -> None:
    assert system.search("bucket") == []
    with System.load(project / "blueprint.yaml") as other:
        other.ingest(docs(project))
        assert other.index is not system.index
    assert len(system.search("bucket policy", top_k=5)) == 2


def test_nothing_to_ingest_says_what_to_do(system: System) -> None:
    with pytest.raises(UserError, match=r"knowledge\.sources"):
        system.ingest()
