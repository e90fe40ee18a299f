"""Labels in words of their own, told by meaning with the real starter embedder; and what the rest leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from asbuilt.extraction.layout import LayoutExtractor
from asbuilt.extraction.run import extract
from asbuilt.extraction.schema import load_schema
from asbuilt.fields import Extraction, PagedDocument
from asbuilt.pages import Box, Line, PageLayout, Word
from asbuilt.retrieval.minilm import MiniLMEmbedder
from asbuilt.roles import Embedder
from asbuilt.testing.sketch import sketch_page, sketch_table

DATE: dict[str, Any] = {"type": "string", "format": "date"}
CONTRACT: dict[str, Any] = {
    "required": ["number", "supplier", "effective", "value"],
    "properties": {
        "number": {"type": "string", "pattern": r"(?=.*\d)[A-Z0-9/-]+", "x-labels": ["contract number"]},
        "supplier": {"type": "string"},
        "effective": {**DATE, "x-labels": ["effective date"]},
        "expires": {**DATE, "x-labels": ["expiry date"]},
        "value": {"type": "number", "x-labels": ["contract value"]},
    },
}
SUMS: dict[str, Any] = {
    "properties": {name: {"type": "number"} for name in ("net", "tax", "total")},
    "x-constraints": ["net + tax == total"],
}


@pytest.fixture(scope="module")
def embedder() -> Iterator[Embedder]:
    minilm = MiniLMEmbedder(threads=1)
    minilm.open()
    yield minilm
    minilm.close()


def extracted(picture: str, schema: dict[str, Any], embedder: Embedder | None = None) -> Extraction:
    document = PagedDocument("x.pdf", "hash", (sketch_page(picture),))
    return extract(document, load_schema(schema), extractors=[LayoutExtractor(embedder=embedder)])


def with_line_below(page: PageLayout, text: str) -> PageLayout:
    words = list(page.words)
    start = len(page.text) + 1
    for at, word in enumerate(text.split()):
        box = Box(60.0 + 60 * at, 700, 100.0 + 60 * at, 710)
        words.append(Word(word, box, start=start + text.index(word), font_size=10))
    line = Line(len(page.words), len(words), Box(60, 700, 200, 710))
    return replace(page, words=tuple(words), lines=(*page.lines, line), text=f"{page.text}\n{text}")


class TestMeaning:
    def test_labels_that_are_nobodys_synonym(self, embedder: Embedder) -> None:
        picture = """
Contract number:      A-17
Service supplier:     Meridian Ltd
Start of services:    2026-02-01
Completion date:      2027-01-31
Total project price:  900.00
"""
        found = extracted(picture, CONTRACT, embedder)
        assert found.data == {
            "number": "A-17",
            "supplier": "Meridian Ltd",
            "effective": "2026-02-01",
            "expires": "2027-01-31",
            "value": 900.0,
        }
        [expires] = [value for value in found.values if value.path == "expires"]
        assert "completion date" in expires.why
        assert extracted(picture, CONTRACT).data.get("expires") is None

    def test_one_label_is_not_given_to_two_fields(self, embedder: Embedder) -> None:
        picture = "Contract number:  A-17\nCompletion date:  2027-01-31\n"
        data = extracted(picture, CONTRACT, embedder).data
        assert data.get("effective") is None or data.get("expires") is None

    def test_what_means_nothing_asked_for_is_left_alone(self, embedder: Embedder) -> None:
        picture = "Contract number:  A-17\nWeather:  mild\nShoe size:  43\nRead on:  2026-05-05\n"
        data = extracted(picture, CONTRACT, embedder).data
        assert data.get("supplier") is None
        assert data.get("expires") is None

    def test_the_day_of_a_date_is_no_amount(self, embedder: Embedder) -> None:
        data = extracted("End of agreement:  27 December 2026\n", CONTRACT, embedder).data
        assert data.get("value") is None

    def test_part_of_a_longer_label_is_another_label(self, embedder: Embedder) -> None:
        form: dict[str, Any] = {"properties": {"name": {"type": "string"}, "company": {"type": "string"}}}
        picture = "Organization name:  Meridian Ltd\n"
        assert extracted(picture, form, embedder).data.get("name") is None


class TestArithmetic:
    def test_the_one_number_that_makes_a_constraint_true(self) -> None:
        picture = "Goods    36.50\nVAT       7.30\nDelivered  12\nTotal    43.80\n"
        found = extracted(picture, SUMS)
        assert found.data == {"net": 36.5, "tax": 7.3, "total": 43.8}
        [net] = [value for value in found.values if value.path == "net"]
        assert net.why == "makes 'net + tax == total' true"

    def test_a_number_that_is_another_value_is_not_taken_again(self) -> None:
        picture = "VAT       21.90\nTotal    43.80\n"  # net would be 21.90 too
        assert extracted(picture, SUMS).data.get("net") is None

    def test_what_does_not_add_up_is_not_found(self) -> None:
        assert extracted("Goods    36.00\nVAT       7.30\nTotal    43.80\n", SUMS).data.get("net") is None

    def test_a_column_that_adds_up_under_a_header_that_says_nothing(self) -> None:
        item = {"description": {"type": "string"}, "amount": {"type": "number"}}
        schema = {
            "properties": {
                "lines": {"type": "array", "items": {"type": "object", "properties": item}},
                "total": {"type": "number"},
            },
            "x-constraints": ["sum(lines[].amount) == total"],
        }
        rows = [["Usage", "Charges"], ["Droplets", "36.50"], ["Volumes", "7.30"]]
        page = with_line_below(sketch_table(rows), "Total: 43.80")
        found = extract(
            PagedDocument("x.pdf", "hash", (page,)), load_schema(schema), extractors=[LayoutExtractor()]
        )
        assert found.data["lines"] == [
            {"description": "Droplets", "amount": 36.5},
            {"description": "Volumes", "amount": 7.3},
        ]


class TestElimination:
    def test_the_one_labelled_value_that_is_left_for_the_one_field(self) -> None:
        picture = (
            "Contract number:  A-17\nMaker:  Meridian Ltd\nEffective date:  2026-02-01\nPrize:  900.00\n"
        )
        data = extracted(picture, CONTRACT).data
        assert data["supplier"] == "Meridian Ltd"
        assert data["value"] == 900.0

    def test_of_two_that_are_left_none_is_taken(self) -> None:
        picture = "Contract number:  A-17\nMaker:  Meridian Ltd\nTaker:  Oakfield Ltd\n"
        assert extracted(picture, CONTRACT).data.get("supplier") is None

    def test_a_field_that_may_be_absent_is_not_guessed(self) -> None:
        picture = "Effective date:  2026-02-01\nSomething:  2027-01-31\n"
        assert extracted(picture, CONTRACT).data.get("expires") is None
