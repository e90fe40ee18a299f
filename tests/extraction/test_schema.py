from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from asbuilt.errors import UserError
from asbuilt.extraction.schema import load_schema
from asbuilt.fields import Field

INVOICE = {
    "title": "Invoice",
    "type": "object",
    "required": ["number"],
    "properties": {
        "number": {"type": "string", "title": "Invoice number", "x-labels": ["invoice no", "bill"]},
        "issued": {"type": ["string", "null"], "format": "date"},
        "seller": {"$ref": "#/$defs/party"},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"amount": {"type": "number", "x-unit": "EUR"}}},
        },
        "currency": {"enum": ["EUR", "USD"]},
        "paid": {"type": "boolean"},
    },
    "$defs": {
        "party": {"type": "object", "properties": {"vatId": {"type": "string", "pattern": "[A-Z]{2}.*"}}}
    },
    "x-constraints": ["sum(lines[].amount) >= 0"],
}


def test_a_schema_is_taken_apart() -> None:
    schema = load_schema(INVOICE)
    assert [(field.path, field.kind, field.labels) for field in schema.fields] == [
        ("number", "string", ("invoice no", "bill", "Invoice number", "number")),
        ("issued", "date", ("issued",)),
        ("seller.vatId", "string", ("vat id",)),
        ("lines[].amount", "number", ("amount",)),
        ("currency", "enum", ("currency",)),
        ("paid", "boolean", ("paid",)),
    ]
    by_path = {field.path: field for field in schema.fields}
    assert by_path["number"].required
    assert by_path["lines[].amount"].group == "lines[]"
    assert by_path["lines[].amount"].unit == "EUR"
    assert by_path["seller.vatId"].pattern == "[A-Z]{2}.*"
    assert by_path["currency"].choices == ("EUR", "USD")
    assert schema.name == "Invoice"


def test_files_mappings_and_models_give_the_same(tmp_path: Path) -> None:
    class Line(BaseModel):
        amount: float

    class Bill(BaseModel):
        number: str
        issued: date | None = None
        lines: list[Line]

    fields = [(field.path, field.kind) for field in load_schema(Bill).fields]
    assert fields == [("number", "string"), ("issued", "date"), ("lines[].amount", "number")]
    file = tmp_path / "bill.yaml"
    file.write_text("properties:\n  number: {type: string}\n")
    assert load_schema(file).fields[0] == Field("number", "string", ("number",))
    assert load_schema(str(file)).digest == load_schema({"properties": {"number": {"type": "string"}}}).digest


@pytest.mark.parametrize(
    ("schema", "faults"),
    [
        ({}, ["nothing to look for"]),
        ({"type": "array"}, ["/type: the top"]),
        ({"properties": {"a": {"type": "text"}}}, ["/properties/a/type: 'text'"]),
        ({"properties": {"a": {"typ": "string"}}}, ["/properties/a/typ: is no keyword; did you mean 'type'"]),
        ({"properties": {"a": {"$ref": "#/$defs/x"}}}, ["/properties/a/$ref"]),
        ({"properties": {"a": {"pattern": "("}}}, ["/properties/a/pattern: is no regular expression"]),
        ({"properties": {"a": {"type": "string"}}, "x-constraints": ["b > 0"]}, ["there is no field 'b'"]),
        ({"properties": {"a": {"type": "number"}}, "x-constraints": ["a < a"]}, ["can never hold"]),
        ({"properties": {"a": {"type": "number"}}, "x-constraints": ["a <"]}, ["cannot be parsed"]),
        (
            {"properties": {"a": {"type": "number"}, "b": {"format": "date"}}, "x-constraints": ["a < b"]},
            ["compares a date with a number"],
        ),
        (
            {"properties": {"a": {"type": "number"}}, "x-constraints": ["__import__('os').system('x') == a"]},
            ["/x-constraints/0"],
        ),
        (
            {"properties": {"a": {"type": "text"}, "b": {"type": "words"}}},
            ["/properties/a/type", "/properties/b/type"],
        ),
    ],
)
def test_every_fault_is_told_with_its_place(schema: dict[str, Any], faults: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        load_schema(schema)
    for fault in faults:
        assert fault in str(caught.value)


def test_a_file_that_is_no_schema(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    for content, reason in ((b"[1]", "no JSON object"), (b"{", "cannot be parsed"), (b"\xff", "not UTF-8")):
        file.write_bytes(content)
        with pytest.raises(UserError, match=reason):
            load_schema(file)
    with pytest.raises(UserError, match="cannot be read"):
        load_schema(tmp_path / "missing.json")
