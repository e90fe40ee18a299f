"""Uploads in, values with evidence out; a bad file or schema is one clear answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from asbuilt.server.schemas import ExtractResponse

EXTRACT = "/api/v1/extract"
SCHEMA = {
    "properties": {
        "number": {"type": "string", "x-labels": ["invoice number"]},
        "total": {"type": "number"},
        "paid": {"type": "boolean"},
    }
}
INVOICE = b"# Nordlicht\n\nInvoice number: A-17\n\nTotal: 12.50 EUR\n"


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
