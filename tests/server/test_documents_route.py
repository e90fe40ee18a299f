from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tests.server.conftest import BASE_URL, blueprint

from asbuilt.errors import UserError
from asbuilt.server import create_app
from asbuilt.server.schemas import DocumentsResponse
from asbuilt.server.uploads import upload_name
from asbuilt.system import System

DOCUMENTS = "/api/v1/documents"


def post(client: TestClient, *files: str, **more: Any) -> Any:
    return client.post(DOCUMENTS, json={"files": list(files), **more})


def upload(client: TestClient, *files: tuple[str, bytes], **fields: Any) -> Any:
    return client.post(DOCUMENTS, files=[("files", file) for file in files], data=fields)


def search(client: TestClient, query: str, collection: str) -> list[dict[str, Any]]:
    response = client.post("/api/v1/search", json={"query": query, "collection": collection})
    hits: list[dict[str, Any]] = response.json()
    return hits


# ---------------------------------------------------------------- by path


def test_files_below_a_root_are_ingested_and_found(client: TestClient) -> None:
    response = post(client, "docs/sqs", "docs/s3/make-bucket.md", collection="by-path")
    assert response.status_code == 200
    body = response.json()
    DocumentsResponse.model_validate(body)
    assert set(body) == {"status", "document_ids", "chunks_created", "receipts"}
    assert body["status"] == "complete"
    assert len(body["document_ids"]) == len(set(body["document_ids"])) == 3
    assert body["chunks_created"] == sum(receipt["chunks"] for receipt in body["receipts"]) >= 3
    assert all(each["chunks"] == each["embedded"] == each["found"] for each in body["receipts"])
    assert search(client, "create a bucket", "by-path")[0]["metadata"]["document_id"] in body["document_ids"]


def test_the_same_again_creates_nothing(client: TestClient) -> None:
    first = post(client, "docs/sqs", collection="again").json()
    second = post(client, "docs/sqs", collection="again").json()
    assert first["chunks_created"] > 0
    assert second["chunks_created"] == 0
    assert second["document_ids"] == first["document_ids"]
    assert second["status"] == "complete"


def test_absolute_paths_and_globs_count_too(client: TestClient, project: Path) -> None:
    body = post(client, str(project / "docs/s3"), "docs/**/*-queue.md", collection="globs").json()
    assert {Path(each["source"]).name for each in body["receipts"]} == {
        "make-bucket.md",
        "create-queue.md",
        "purge-queue.md",
    }


@pytest.mark.parametrize(
    "path",
    [
        "secret.md",
        "docs/../secret.md",
        "../../../../etc/passwd",
        "/etc/passwd",
        "/",
        ".",
        "docs/..",
        "docs/sqs/../../secret.md",
        ".asbuilt/catalog.sqlite",
        "~/.ssh/id_rsa",
        "docs/.hidden",
        "/proc/self/environ",
    ],
)
def test_what_lies_outside_of_the_roots_is_refused_and_nothing_is_read(client: TestClient, path: str) -> None:
    response = post(client, "docs/sqs", path, collection="refused")
    assert response.status_code == 403
    assert response.headers["content-type"] == "application/problem+json"
    assert search(client, "queue", "refused") == []


def test_a_link_out_of_the_roots_is_not_followed(client: TestClient) -> None:
    assert post(client, "docs/out.md", collection="links").status_code == 403
    body = post(client, "docs", collection="links").json()
    assert body["status"] == "partial"
    [refused] = [each for each in body["receipts"] if each["status"] == "quarantined"]
    assert refused["source"].endswith("out.md")
    assert "link" in refused["reason"]
    assert not any("4711" in hit["content"] for hit in search(client, "combination of the safe", "links"))


@pytest.mark.parametrize(
    "path", ["docs/none.md", "docs/*.pdf", "docs/a\x00b", "docs/" + "x" * 300, "docs/[", "docs/**a"]
)
def test_what_is_not_there_gets_a_receipt_and_the_others_go_on(client: TestClient, path: str) -> None:
    response = post(client, path, "docs/sqs", collection="missing")
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "partial"
    assert [each["reason"] != "" for each in body["receipts"]] == [False, False, True]
    assert body["receipts"][-1]["source"] == path


def test_special_files_are_not_opened(client: TestClient, project: Path) -> None:
    os.mkfifo(project / "docs/sqs/pipe.md")
    try:
        body = post(client, "docs/sqs/pipe.md", collection="special").json()
    finally:
        (project / "docs/sqs/pipe.md").unlink()
    assert body["receipts"][0]["status"] == "quarantined"
    assert "FIFO" in body["receipts"][0]["reason"]


def test_without_roots_paths_are_refused_clearly(system: System) -> None:
    with System(blueprint(), folder=system.folder) as rootless:
        client = TestClient(create_app(rootless), base_url=BASE_URL)
        response = post(client, "docs/sqs")
    assert response.status_code == 403
    assert "api.roots" in response.json()["detail"]


def test_there_is_a_limit_to_files(system: System) -> None:
    with System(blueprint(roots=("docs",), max_files=1), folder=system.folder) as small:
        client = TestClient(create_app(small), base_url=BASE_URL)
        by_path = post(client, "docs/sqs")
        by_upload = upload(client, ("a.md", b"# a"), ("b.md", b"# b"))
    for response in (by_path, by_upload):
        assert response.status_code == 422
        assert "api.max_files" in response.json()["detail"]


# ---------------------------------------------------------------- by upload


def test_an_upload_is_ingested_and_found(client: TestClient) -> None:
    response = upload(client, ("backups.md", b"# Backups\n\nBackups run at midnight.\n"), collection="up")
    assert response.status_code == 200
    body = response.json()
    DocumentsResponse.model_validate(body)
    assert body["status"] == "complete"
    assert body["receipts"][0]["source"] == "upload:backups.md"
    [hit] = search(client, "when do backups run", "up")
    assert "midnight" in hit["content"]
    assert hit["metadata"]["source"] == "upload:backups.md"


def test_the_same_name_again_is_a_new_version(client: TestClient) -> None:
    first = upload(client, ("rota.md", b"# Rota\n\nMonday is Ann.\n"), collection="versions").json()
    second = upload(client, ("rota.md", b"# Rota\n\nMonday is Ben.\n"), collection="versions").json()
    assert second["document_ids"] == first["document_ids"]
    assert [first["receipts"][0]["version"], second["receipts"][0]["version"]] == [1, 2]
    [hit] = search(client, "monday", "versions")
    assert "Ben" in hit["content"]


def test_a_bad_file_gets_its_receipt_and_the_others_go_on(client: TestClient) -> None:
    files = [
        ("good.md", b"# Good\n\nThis is fine.\n"),
        ("empty.md", b""),
        ("broken.pdf", b"%PDF-1.7 and then nothing"),
        ("binary.bin", bytes(range(256)) * 10),
    ]
    body = upload(client, *files, collection="mixed").json()
    assert body["status"] == "partial"
    by_name = {each["source"].removeprefix("upload:"): each for each in body["receipts"]}
    assert by_name["good.md"]["status"] == "indexed"
    for name in ("empty.md", "broken.pdf", "binary.bin"):
        assert by_name[name]["status"] == "quarantined"
        assert by_name[name]["reason"]


def test_chunk_sizes_are_used(client: TestClient) -> None:
    text = ("# Long\n\n" + "One more sentence about backups and queues. " * 60).encode()
    large = upload(client, ("long.md", text), collection="large").json()
    small = upload(client, ("long.md", text), collection="small", chunk_size=64, chunk_overlap=8).json()
    assert small["chunks_created"] > large["chunks_created"] >= 1


@pytest.mark.parametrize(
    "fields",
    [
        {"chunk_size": "63"},
        {"chunk_size": "8193"},
        {"chunk_size": "many"},
        {"chunk_size": "100", "chunk_overlap": "51"},
        {"chunk_overlap": "-1"},
        {"collection": "../up"},
        {"collection": ""},
        {"unknown": "1"},
    ],
)
def test_wrong_fields_are_422_in_both_forms(client: TestClient, fields: dict[str, str]) -> None:
    by_upload = upload(client, ("a.md", b"# a\n\ntext"), **fields)
    assert by_upload.status_code == 422
    values = {name: int(value) if value.lstrip("-").isdigit() else value for name, value in fields.items()}
    by_path = post(client, "docs/sqs", **values)
    assert by_path.status_code == 422
    assert by_path.headers["content-type"] == by_upload.headers["content-type"] == "application/problem+json"


def test_forms_that_are_not_uploads_are_422(client: TestClient) -> None:
    form = {"content-type": "multipart/form-data; boundary=x"}
    no_name = b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\ntext\r\n--x--\r\n'
    other_field = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\ntext\r\n--x--\r\n'
    for body in (b"", b"--x--\r\n", b"garbage", b"--x\r\n\r\n", no_name, other_field):
        response = client.post(DOCUMENTS, content=body, headers=form)
        assert response.status_code == 422, body
        assert response.headers["content-type"] == "application/problem+json"
    no_boundary = {"content-type": "multipart/form-data"}
    assert client.post(DOCUMENTS, content=no_name, headers=no_boundary).status_code == 422


def test_two_files_of_one_name_are_refused(client: TestClient) -> None:
    response = upload(client, ("a.md", b"# one"), ("x/a.md", b"# two"))
    assert response.status_code == 422
    assert "'a.md'" in response.json()["detail"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a.md", "a.md"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\report.pdf", "report.pdf"),
        ("/abs/olute.txt", "olute.txt"),
        ("line\nbreak\x00.md", "linebreak.md"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        (" spaced .md ", "spaced .md"),
        ("e\u0301te\u0301.md", "été.md"),
        ("日本語.md", "日本語.md"),
    ],
)
def test_names_become_plain(given: str, kept: str) -> None:
    assert upload_name(given) == kept


@pytest.mark.parametrize("name", ["", ".", "..", "a/", "\\", "\x00", "   ", "x" * 256, "日" * 86])
def test_names_of_nothing_or_too_much_are_refused(name: str) -> None:
    with pytest.raises(UserError):
        upload_name(name)


@given(st.text())
def test_no_name_leaves_its_folder(name: str) -> None:
    try:
        kept = upload_name(name)
    except UserError:
        return
    assert "/" not in kept
    assert "\\" not in kept
    assert kept not in ("", ".", "..")
    assert kept.isprintable()
    assert upload_name(kept) == kept
