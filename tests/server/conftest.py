"""A small system, served: real catalogue, ingestion, retriever and assistant; a generator that tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from tests.server.live import served
from tests.server.parts import TellingGenerator

from asbuilt.blueprint import Blueprint, ComponentSpec
from asbuilt.blueprint.spec import ApiSpec, SystemSpec
from asbuilt.server import create_app
from asbuilt.system import System

BASE_URL = "http://127.0.0.1:8321"
PAGES = {
    "sqs/purge-queue.md": "# purge-queue\n\nTo delete all messages in a queue, call purge-queue.\n",
    "sqs/create-queue.md": "# create-queue\n\nTo create a queue, call create-queue with its name.\n",
    "s3/make-bucket.md": "# make-bucket\n\nTo create a bucket, call mb with its name.\n",
}


def blueprint(**api: object) -> Blueprint:
    """The system of these tests; `api` as in a blueprint's section of that name."""
    return Blueprint(
        system=SystemSpec(name="queue-assistant", purpose="Answers questions about queues"),
        components=(
            ComponentSpec("chunker", "Cut", use="chunker/structural"),
            ComponentSpec("embedder", "Embed", use="embedder/fake"),
            ComponentSpec("index", "Find", use="index/exact"),
            ComponentSpec("retriever", "Retrieve", use="retriever/hybrid"),
            ComponentSpec("llm", "Write", use="generator/telling"),
            ComponentSpec("assistant", "Answer", use="assistant/cited"),
        ),
        api=ApiSpec(**api),  # type: ignore[arg-type]
    )


def write_pages(folder: Path) -> Path:
    """The documents of the system, as files."""
    for name, text in PAGES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with documents in `docs`, one that is out of bounds, and links to it."""
    folder = tmp_path_factory.mktemp("project")
    docs = write_pages(folder / "docs")
    (folder / "secret.md").write_text("# secret\n\nThe combination of the safe is 4711.\n")
    (docs / "out.md").symlink_to(folder / "secret.md")
    return folder


@pytest.fixture(scope="session")
def system(project: Path) -> Iterator[System]:
    with System(blueprint(roots=("docs",)), folder=project) as system:
        system.ingest([str(project / "docs" / "sqs"), str(project / "docs" / "s3")])
        yield system


@pytest.fixture(scope="session")
def generator(system: System) -> TellingGenerator:
    generator = system.generator
    assert isinstance(generator, TellingGenerator)
    return generator


@pytest.fixture(scope="session")
def app(system: System) -> FastAPI:
    return create_app(system, grace_s=0.3)


@pytest.fixture(scope="session")
def client(app: FastAPI) -> Iterator[TestClient]:
    """In process, without a socket; unexpected errors are answered, not raised."""
    with TestClient(app, base_url=BASE_URL, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def live_url(system: System) -> Iterator[str]:
    """The same system on a real socket."""
    with served(create_app(system, grace_s=0.3)) as url:
        yield url
