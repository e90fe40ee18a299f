"""What every Exporter must do: the same bytes every time, plain file names, whatever the text is."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from asbuilt.fields import Evidence, ExtractedValue, Extraction, Field, FieldKind, FieldSchema
from asbuilt.pages import Box
from asbuilt.roles import Exporter

__all__ = ["HOSTILE", "ExporterContract", "sample_extraction", "sample_schema"]

HOSTILE = (
    "=HYPERLINK(\"http://example.org\",\"x\")", "+1", "-1+1", "@SUM(A1)", "\t=1", "<script>alert(1)</script>",
    "a|b\nc", "\"quoted\", and, commas", "\x00\x07", "]]>", "</script>", "\u202eright to left", "𝕌 ünï 漢",
    "'", "",
)  # fmt: skip
"""Texts that some format would take for something else."""


def sample_schema() -> FieldSchema:
    """Every kind of field, a list, a list of plain values."""
    kinds: tuple[FieldKind, ...] = ("string", "number", "integer", "boolean", "date", "enum")
    fields = [Field(f"a.{kind}", kind, (kind,)) for kind in kinds]
    fields += [Field("lines[].text", "string", ("Text",)), Field("lines[].amount", "number", ("Amount",))]
    fields.append(Field("tags[]", "string", ("Tags",)))
    return FieldSchema("Sample", tuple(fields), ("a.number >= 0",), {"type": "object"}, "0" * 64)


def sample_extraction(text: str = "plain", *, document: str = "sample.pdf") -> Extraction:
    """One document that has all of `sample_schema`, with `text` wherever text can stand."""
    at = Evidence(1, (0, 1), (Box(10, 20, 30.5, 40),), text, "rapidocr", text, "", text)

    def found(path: str, kind: FieldKind, value: object) -> ExtractedValue:
        return ExtractedValue(path, kind, "found", value, 0.875, at, "layout", text)

    values = (
        found("a.string", "string", text),
        found("a.number", "number", -12.5),
        found("a.integer", "integer", 12345678901234567890),
        found("a.boolean", "boolean", True),
        found("a.date", "date", "2026-11-23"),
        ExtractedValue("a.enum", "enum", "not_found", confidence=0.9),
        found("lines[0].text", "string", text),
        found("lines[0].amount", "number", 1.5),
        found("lines[1].text", "string", text),
        found("tags[0]", "string", text),
    )
    data = {
        "a": {
            "string": text, "number": -12.5, "integer": 12345678901234567890, "boolean": True,
            "date": "2026-11-23", "enum": None,
        },
        "lines": [{"text": text, "amount": 1.5}, {"text": text, "amount": None}],
        "tags": [text],
    }  # fmt: skip
    return Extraction(document, "ab" * 32, "0" * 64, values, data, flags=(text,) if text else ())


class ExporterContract:
    """Subclass it in a test module and override the fixture.

    >>> class TestMyExporter(ExporterContract):
    ...     @pytest.fixture
    ...     def exporter(self): return MyExporter()
    """

    @pytest.fixture
    def exporter(self) -> Exporter:
        """The component under test."""
        raise NotImplementedError

    def test_plays_the_role(self, exporter: Exporter) -> None:
        assert isinstance(exporter, Exporter)

    def test_the_same_extractions_give_the_same_bytes(self, exporter: Exporter) -> None:
        extractions = [sample_extraction("one", document="1.pdf"), sample_extraction("two", document="2.pdf")]
        first = exporter.export(extractions, sample_schema())
        assert first
        assert dict(first) == dict(type(exporter)().export(list(extractions), sample_schema()))

    def test_files_have_plain_names(self, exporter: Exporter) -> None:
        schema = replace(
            sample_schema(), fields=(Field("../x[].y", "string", ()), Field("a/b[].c", "string", ()))
        )
        for name in exporter.export([sample_extraction()], schema):
            assert re.fullmatch(r"\w[\w.-]*", name)

    @pytest.mark.parametrize("text", HOSTILE)
    def test_any_text_can_be_exported(self, exporter: Exporter, text: str) -> None:
        files = exporter.export([sample_extraction(text, document=text or "x")], sample_schema())
        assert all(files.values())

    def test_nothing_and_faults_can_be_exported(self, exporter: Exporter) -> None:
        assert exporter.export([], sample_schema())
        empty = FieldSchema("Empty", (), (), {}, "0" * 64)
        unread = Extraction("bad.pdf", "", "0" * 64, fault="it is encrypted")
        assert all(exporter.export([unread], empty).values())
        assert all(exporter.export([unread], sample_schema()).values())
