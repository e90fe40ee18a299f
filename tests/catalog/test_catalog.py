"""The catalogue: what is stored, what is visible, what an index is told."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from asbuilt.catalog import Catalog, NewVersion, Receipt
from asbuilt.catalog.tables import metadata
from asbuilt.errors import NotFoundError, StorageError
from asbuilt.types import ChunkDraft, Document

MODEL = "model-a"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(file=tmp_path / "state" / "catalog.sqlite")
    catalog.open()
    yield catalog
    catalog.close()


def version(source: str, *pieces: str) -> NewVersion:
    text = "".join(pieces)
    chunks, start = [], 0
    for piece in pieces:
        chunks.append(ChunkDraft(piece, start, start + len(piece), headings=("Top",), page=1))
        start += len(piece)
    document = Document(text=text, media_type="text/plain", title="T", metadata={"lang": "en"})
    return NewVersion(
        source, document, sha256(text.encode()).hexdigest(), "r1", chunks, ["where"] * len(pieces)
    )


def embed_all(catalog: Catalog, model: str = MODEL) -> int:
    pending = catalog.pending(model, limit=10_000)
    vectors = {item.search_hash: np.full(3, len(item.text), np.float32) for item in pending}
    catalog.store_embeddings(model, vectors)
    return len(pending)


def shown(catalog: Catalog) -> dict[str, list[str]]:
    """Visible text by source, read through a fresh projection."""
    texts: dict[str, list[str]] = {}
    for point in project(catalog, {}, 0)[0].values():
        texts.setdefault(str(point[0]), []).append(point[1])
    return texts


def project(
    catalog: Catalog, state: dict[int, tuple[str, str, bool]], position: int
) -> tuple[dict[int, tuple[str, str, bool]], int]:
    """What an index does with the feed, on a dictionary."""
    for batch in catalog.feed(position, MODEL):
        for point in batch.points:
            state[point.id] = (str(point.payload["source"]), point.terms, point.vector is not None)
        for gone in batch.remove:
            state.pop(gone, None)
        position = batch.position
    return state, position


def test_the_migrations_make_exactly_the_declared_tables(catalog: Catalog) -> None:
    engine = create_engine(f"sqlite:///{catalog.file}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_first_version_is_visible_at_once_and_a_second_only_when_embedded(catalog: Catalog) -> None:
    job = catalog.start_job("default")
    [first] = catalog.add_versions("default", [version("a.md", "old one. ", "old two.")], job_id=job)
    assert (first.visible, first.version, first.chunks) == (True, 1, 2)
    assert shown(catalog) == {"a.md": ["where\nold one. ", "where\nold two."]}
    assert embed_all(catalog) == 2

    [second] = catalog.add_versions("default", [version("a.md", "new.")], job_id=job)
    assert (second.visible, second.version) == (False, 2)
    assert list(shown(catalog)) == ["a.md"]
    assert "new." not in str(shown(catalog))

    embed_all(catalog)
    assert shown(catalog) == {"a.md": ["where\nnew."]}
    assert catalog.version_text(first.document_id, 1) == "old one. old two."
    assert catalog.version_text(first.document_id, 2) == "new."


def test_a_version_whose_texts_are_all_known_switches_without_embedding(catalog: Catalog) -> None:
    job = catalog.start_job("default")
    catalog.add_versions("default", [version("a", "one ", "two")], job_id=job)
    embed_all(catalog)
    catalog.add_versions("default", [version("a", "two", "one ")], job_id=job)
    assert catalog.pending(MODEL, limit=10) == []
    catalog.switch_ready(MODEL)
    assert shown(catalog) == {"a": ["where\ntwo", "where\none "]}


def test_a_newer_draft_replaces_an_unfinished_one(catalog: Catalog) -> None:
    job = catalog.start_job("default")
    catalog.add_versions("default", [version("a", "one")], job_id=job)
    embed_all(catalog)
    catalog.add_versions("default", [version("a", "two")], job_id=job)
    catalog.add_versions("default", [version("a", "three")], job_id=job)
    embed_all(catalog)
    assert shown(catalog) == {"a": ["where\nthree"]}
    assert catalog.known_documents("default")["a"].building is False


def test_chunks_carry_what_a_citation_needs_and_hidden_ones_do_not_come(catalog: Catalog) -> None:
    job = catalog.start_job("docs")
    [stored] = catalog.add_versions("docs", [version("a.md", "one ", "two")], job_id=job)
    ids = list(catalog.vectors(stored.document_id, 1, MODEL))
    chunks = catalog.chunks([*ids, 999])
    assert sorted(chunks) == ids
    last = chunks[ids[1]]
    assert catalog.version_text(last.document_id, last.version)[last.start : last.end] == last.text == "two"
    assert (last.source, last.collection, last.page, last.headings) == ("a.md", "docs", 1, ("Top",))
    assert last.metadata == {"title": "T", "lang": "en"}
    assert catalog.remove_documents("docs", ["a.md", "never.md"], job_id=job) == 1
    assert catalog.chunks(ids) == {}
    assert catalog.version_text(stored.document_id, 1) == "one two"


def test_equal_text_is_embedded_once_and_vectors_belong_to_their_model(catalog: Catalog) -> None:
    job = catalog.start_job("default")
    catalog.add_versions("default", [version("a", "same"), version("b", "same")], job_id=job)
    assert embed_all(catalog) == 1
    assert catalog.progress(MODEL).embedded == 2
    assert catalog.progress("model-b").embedded == 0
    assert len(catalog.pending("model-b", limit=10)) == 1
    vectors = catalog.vectors(1, 1, MODEL)
    [vector] = vectors.values()
    assert vector is not None
    assert vector.tolist() == [10.0, 10.0, 10.0]


def test_collections_are_kept_apart(catalog: Catalog) -> None:
    job = catalog.start_job("x")
    catalog.add_versions("x", [version("a", "in x")], job_id=job)
    catalog.add_versions("y", [version("a", "in y"), version("b", "in y")], job_id=job)
    assert catalog.collections() == ["x", "y"]
    assert (catalog.progress(MODEL, "x").chunks, catalog.progress(MODEL, "y").chunks) == (1, 2)
    assert set(catalog.known_documents("y")) == {"a", "b"}


def test_receipts_keep_the_last_word_on_each_file(catalog: Catalog) -> None:
    job = catalog.start_job("default")
    catalog.put_receipts("default", [Receipt("a", "reading", attempts=1)], job_id=job)
    catalog.put_receipts("default", [Receipt("a", "quarantined", reason="empty")], job_id=job)
    assert catalog.receipts("default") == {"a": Receipt("a", "quarantined", reason="empty")}
    assert catalog.receipts("default", job_id=job + 1) == {}


def test_api_keys_are_stored_as_hashes_only(catalog: Catalog) -> None:
    catalog.add_api_key("ci", "secret-key-1")
    assert catalog.api_key_name("secret-key-1") == "ci"
    assert catalog.api_key_name("secret-key-2") is None
    catalog.close()
    assert b"secret-key-1" not in b"".join(path.read_bytes() for path in catalog.file.parent.iterdir())
    catalog.open()
    catalog.remove_api_key("ci")
    assert catalog.api_key_name("secret-key-1") is None
    with pytest.raises(NotFoundError, match="'ci'"):
        catalog.remove_api_key("ci")


def test_facts_are_replaced(catalog: Catalog) -> None:
    assert catalog.fact("weight") is None
    catalog.put_fact("weight", {"weight": 0.5})
    catalog.put_fact("weight", {"weight": 0.25})
    assert catalog.fact("weight") == {"weight": 0.25}


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"), st.sampled_from("abc"), st.lists(st.sampled_from(["x ", "y ", "z "]), max_size=3)
        ),
        st.tuples(st.just("drop"), st.sampled_from("abc")),
        st.tuples(st.just("embed")),
        st.tuples(st.just("follow")),
    ),
    max_size=20,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_an_index_that_follows_ends_where_a_fresh_one_does(
    tmp_path_factory: pytest.TempPathFactory, actions: Sequence[tuple[object, ...]]
) -> None:
    catalog = Catalog(file=tmp_path_factory.mktemp("c") / "catalog.sqlite")
    catalog.open()
    try:
        job = catalog.start_job("default")
        state: dict[int, tuple[str, str, bool]] = {}
        position = 0
        for action in actions:
            match action:
                case ("put", str(source), list(pieces)):
                    catalog.add_versions("default", [version(source, *pieces)], job_id=job)
                case ("drop", str(source)):
                    catalog.remove_documents("default", [source], job_id=job)
                case ("embed",):
                    embed_all(catalog)
                    catalog.switch_ready(MODEL)
                case _:
                    state, position = project(catalog, state, position)
        state, position = project(catalog, state, position)
        assert state == project(catalog, {}, 0)[0]
        assert position == catalog.position
    finally:
        catalog.close()


def test_a_snapshot_larger_than_a_batch_is_complete(catalog: Catalog) -> None:
    job = catalog.start_job("default")
    catalog.add_versions("default", [version(f"s{n}", f"text {n}") for n in range(1200)], job_id=job)
    batches = list(catalog.feed(0, MODEL))
    assert [batch.position for batch in batches[:-1]] == [0, 0]
    assert batches[-1].position == catalog.position
    assert sum(len(batch.points) for batch in batches) == 1200


def test_a_full_disk_is_one_clear_error_and_loses_nothing(catalog: Catalog) -> None:
    job = catalog.start_job("default")
    catalog.add_versions("default", [version("a", "kept")], job_id=job)
    # SQLite's own limit on pages gives the same error as a full disk.
    with catalog._database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StorageError, match=r"cannot be written: database or disk is full.*intact"):
        catalog.add_versions("default", [version("b", "x" * 100_000)], job_id=job)
    assert shown(catalog) == {"a": ["where\nkept"]}
    with catalog._database.read() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    catalog.add_versions("default", [version("b", "x" * 100_000)], job_id=job)
    assert set(shown(catalog)) == {"a", "b"}


def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").write_bytes(b"this is not a database, it is a text" * 100)
    catalog = Catalog(file=tmp_path / "catalog.sqlite")
    with pytest.raises(StorageError, match="not a database"):
        catalog.open()


def test_a_catalogue_of_a_newer_asbuilt_is_refused(catalog: Catalog) -> None:
    catalog.close()
    with sqlite3.connect(catalog.file) as raw:
        raw.execute("UPDATE alembic_version SET version_num='9999'")
    raw.close()
    with pytest.raises(StorageError, match="newer asbuilt"):
        catalog.open()


def test_two_writers_wait_for_each_other(catalog: Catalog) -> None:
    other = Catalog(file=catalog.file)
    other.open()
    job = catalog.start_job("default")
    errors: list[BaseException] = []

    def write(store: Catalog, prefix: str) -> None:
        try:
            for n in range(20):
                store.add_versions("default", [version(f"{prefix}{n}", f"text {n}")], job_id=job)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=pair) for pair in ((catalog, "a"), (other, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert errors == []
    assert catalog.progress(MODEL).documents == 40
