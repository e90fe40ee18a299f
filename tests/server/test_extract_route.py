"""Uploads in, values with evidence out; a bad file or schema is one clear answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server.conftest import BASE_URL

from asbuilt.blueprint import Blueprint, ComponentSpec
from asbuilt.blueprint.spec import SystemSpec
from asbuilt.server import create_app
from asbuilt.server.schemas import ExtractResponse
from asbuilt.system import System

EXTRACT = "/api/v1/extract"
SCHEMA = {
    "properties": {
        "number": {"type": "string", "x-labels": ["invoice number"]},
        "total": {"type": "number"},
        "paid": {"type": "boolean"},
    }
}
INVOICE = b"# Nordlicht\n\nInvoice number: A-17\n\nTotal: 12.50 EUR\n"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    drawing = Blueprint(
        system=SystemSpec(name="paperwork", purpose="Takes values out of documents"),
        components=(ComponentSpec("extractor", "Find values", use="extractor/layout"),),
    )
    with (
        System(drawing, folder=tmp_path_factory.mktemp("extract")) as system,
        TestClient(create_app(system), BASE_URL, raise_server_exceptions=False) as client,
    ):
        yield client


def form(*files: tuple[str, bytes], schema: Any = SCHEMA) -> dict[str, Any]:
    return {
        "files": [("files", (name, data)) for name, data in files],
        "data": {"schema": json.dumps(schema)},
    }


def test_values_with_evidence(client: TestClient) -> None:
    response = client.post(EXTRACT, **form(("invoice.md", INVOICE)))
    assert response.status_code == 200
    [extraction] = ExtractResponse.model_validate_json(response.content).extractions
    assert extraction.data == {"number": "A-17", "total": 12.5, "paid": None}
    by_path = {value.path: value for value in extraction.values}
    assert by_path["total"].evidence is not None
    assert by_path["total"].evidence.quote == "12.50 EUR"
    assert by_path["total"].evidence.boxes
    assert by_path["paid"].status == "not_found"
    assert by_path["paid"].searched


def test_a_file_that_cannot_be_read_does_not_stop_the_others(client: TestClient) -> None:
    files = ("broken.pdf", b"%PDF-1.7 nonsense"), ("invoice.md", INVOICE)
    response = client.post(EXTRACT, **form(*files))
    assert response.status_code == 200
    broken, good = response.json()["extractions"]
    assert "truncated" in broken["fault"]
    assert broken["values"] == []
    assert good["fault"] == ""
    assert good["data"]["total"] == 12.5


def test_events(client: TestClient) -> None:
    headers = {"Accept": "text/event-stream"}
    files = ("a.md", INVOICE), ("b.md", INVOICE)
    with client.stream("POST", EXTRACT, headers=headers, **form(*files)) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line and not line.startswith(":")]
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert names == ["page", "extraction", "page", "extraction", "done"]
    page = json.loads(lines[1].removeprefix("data: "))
    assert page == {"document": "a.md", "page": 1, "pages": 1}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({}, "nothing to look for"),
        ({"properties": {"a": {"type": "number"}}, "x-constraints": ["a < a"]}, "can never hold"),
        ({"properties": {"a": {"type": "text"}}}, "/properties/a/type"),
        ([], "schema"),
    ],
)
def test_a_schema_that_cannot_be_used(client: TestClient, schema: Any, reason: str) -> None:
    response = client.post(EXTRACT, **form(("invoice.md", INVOICE), schema=schema))
    assert response.status_code == 422
    assert reason in response.json()["detail"]


def test_what_a_request_must_have(client: TestClient) -> None:
    assert client.post(EXTRACT, json={"schema": SCHEMA}).status_code == 415
    files = [("files", ("invoice.md", INVOICE))]
    assert client.post(EXTRACT, files=files).status_code == 422
    assert client.post(EXTRACT, files=files, data={"schema": "{"}).status_code == 400
    assert client.post(EXTRACT, data={"schema": "{}"}, files=[("other", ("a.md", b"x"))]).status_code == 422


def test_only_a_system_with_an_extractor_serves_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    drawing = Blueprint(
        system=SystemSpec(name="bare", purpose="Extracts nothing"),
        components=(ComponentSpec("embedder", "Embed", use="embedder/fake"),),
    )
    with System(drawing, folder=tmp_path_factory.mktemp("bare")) as system:
        paths = {route.path for route in create_app(system).routes if hasattr(route, "path")}
    assert EXTRACT not in paths
