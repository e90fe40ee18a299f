from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date

import openpyxl
import pytest
from tests.extraction.sample_results import SCHEMA, invoice

from asbuilt import registry
from asbuilt.extraction.export.tables import CsvExporter, ParquetExporter, XlsxExporter
from asbuilt.extraction.export.text import JsonExporter, JsonlExporter, MarkdownExporter
from asbuilt.extraction.result import extraction_from_plain
from asbuilt.fields import Extraction
from asbuilt.roles import Exporter
from asbuilt.testing.exporter_contract import HOSTILE, ExporterContract, sample_extraction, sample_schema

EXPORTERS = ("json", "jsonl", "markdown", "csv", "xlsx", "parquet", "html")


class TestContract(ExporterContract):
    @pytest.fixture(params=EXPORTERS)
    def exporter(self, request: pytest.FixtureRequest) -> Exporter:
        made: Exporter = registry.resolve(f"exporter/{request.param}")()
        return made


def test_all_are_registered() -> None:
    assert set(registry.names("exporter")) == {f"exporter/{name}" for name in EXPORTERS}


def test_json_has_everything() -> None:
    documents = [invoice(), Extraction("bad.pdf", "", SCHEMA.digest, fault="encrypted")]
    raw = json.loads(JsonExporter().export(documents, SCHEMA)["results.json"])
    assert [extraction_from_plain(each) for each in raw["documents"]] == documents
    assert raw["schema"]["source"] == SCHEMA.source
    lines = JsonlExporter().export(documents, SCHEMA)["results.jsonl"].decode().splitlines()
    assert [extraction_from_plain(json.loads(line)) for line in lines] == documents


def test_markdown_is_readable() -> None:
    text = MarkdownExporter().export([invoice()], SCHEMA)["results.md"].decode()
    assert "| number | INV-4711 | 1 | 97% |  |" in text
    assert "| total | 1234.5 | 1 | 60% | conflict or 34.5 |" in text
    assert "| note | – |  |  | not found |" in text
    assert "| Oak shelf | 1200.0 | 1 |" in text
    assert "- Note: page 1: odd" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_tables_keep_their_shape(text: str) -> None:
    written = MarkdownExporter().export([sample_extraction(text)], sample_schema())["results.md"].decode()
    for line in written.splitlines():
        if line.startswith("| a."):
            assert line.replace("\\|", "").count("|") == 6
    assert "<script" not in written


def test_csv_has_a_row_a_document_and_a_file_a_list() -> None:
    files = CsvExporter().export([invoice(), invoice(document="other.pdf")], SCHEMA)
    rows = list(csv.DictReader(io.StringIO(files["results.csv"].decode("utf-8-sig"))))
    assert [row["document"] for row in rows] == ["invoice.pdf", "other.pdf"]
    assert rows[0]["number"] == "INV-4711"
    assert rows[0]["total"] == "1234.5"
    assert rows[0]["note"] == ""
    lines = list(csv.DictReader(io.StringIO(files["results.lines.csv"].decode("utf-8-sig"))))
    assert [(line["row"], line["item"], line["amount"]) for line in lines[:2]] == [
        ("lines[0]", "Oak shelf", "1200.0"),
        ("lines[1]", "'=cmd()", "34.5"),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_becomes_a_formula(text: str) -> None:
    documents = [sample_extraction(text, document=text)]
    for content in CsvExporter().export(documents, sample_schema()).values():
        for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")):
            assert not [cell for cell in row if cell.startswith(("=", "+", "@", "\t", "\r"))]
            assert not [cell for cell in row if cell.startswith("-") and cell != "-12.5"]
    book = openpyxl.load_workbook(
        io.BytesIO(XlsxExporter().export(documents, sample_schema())["results.xlsx"])
    )
    types = {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row}
    assert types <= {"s", "n", "b", "d"}


def test_a_workbook_has_values_lists_evidence_and_checks() -> None:
    book = openpyxl.load_workbook(io.BytesIO(XlsxExporter().export([invoice()], SCHEMA)["results.xlsx"]))
    assert book.sheetnames == ["Values", "lines", "Evidence", "Checks"]
    assert [cell.value for cell in book["Values"][2]] == ["invoice.pdf", "INV-4711", 1234.5, None, None]
    assert [cell.value for cell in book["lines"][3]] == ["invoice.pdf", "lines[1]", "=cmd()", 34.5]
    evidence = list(book["Evidence"].iter_rows(min_row=2, values_only=True))
    assert len(evidence) == len(invoice().values)
    assert evidence[0][:2] == ("invoice.pdf", "number")
    assert evidence[2][13] == "searched page 1: right of 'Note'"
    assert [cell.value for cell in book["Checks"][2]][1:4] == [
        "constraint", "sum(lines[].amount) == total", "holds",
    ]  # fmt: skip


def test_dates_are_dates_and_long_integers_keep_their_digits() -> None:
    book = openpyxl.load_workbook(
        io.BytesIO(XlsxExporter().export([sample_extraction()], sample_schema())["results.xlsx"])
    )
    row = [cell.value for cell in book["Values"][2]]
    assert row[3] == "12345678901234567890"
    assert str(row[5]) == "2026-11-23 00:00:00"


def test_sheets_of_the_same_short_name_are_told_apart() -> None:
    names = ["x" * 40 + "a", "x" * 40 + "b", "Evidence", "evidence"]
    fields = tuple(replace(sample_schema().fields[0], path=f"{name}[].c") for name in names)
    content = XlsxExporter().export([], replace(sample_schema(), fields=fields))["results.xlsx"]
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert len({name.lower() for name in book.sheetnames}) == 7


def test_parquet_is_typed() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    files = ParquetExporter().export([invoice(), sample_extraction()], SCHEMA)
    table = parquet.read_table(io.BytesIO(files["results.parquet"]))
    assert table.column("total").to_pylist() == [1234.5, None]
    assert table.column("lines").to_pylist()[0] == [
        {"item": "Oak shelf", "amount": 1200.0},
        {"item": "=cmd()", "amount": 34.5},
    ]
    evidence = parquet.read_table(io.BytesIO(files["results.evidence.parquet"]))
    assert evidence.num_rows == len(invoice().values) + len(sample_extraction().values)
    assert evidence.column("confidence").to_pylist()[:2] == [0.97, 0.6]
    typed = ParquetExporter().export([sample_extraction()], sample_schema())["results.parquet"]
    row = parquet.read_table(io.BytesIO(typed)).to_pylist()[0]
    assert (row["a.date"], row["a.boolean"], row["a.integer"], row["a.enum"]) == (
        date(2026, 11, 23), True, "12345678901234567890", None,
    )  # fmt: skip
