"""A model picks words; what it picks wrongly is dropped, and what two extractors agree on is surer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from asbuilt.extraction.layout import LayoutExtractor
from asbuilt.extraction.model import ModelExtractor
from asbuilt.extraction.reconcile import ReconciledExtractor
from asbuilt.extraction.run import extract
from asbuilt.extraction.schema import load_schema
from asbuilt.fields import Candidate, FieldSchema, PagedDocument
from asbuilt.generation.llama_cpp import LlamaCppGenerator
from asbuilt.roles import Extractor
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.testing.sketch import sketch_page

PAGE = sketch_page("Nordlicht Ltd\n\nInvoice no A-17\n\nTotal 12.50 EUR")
# 0 Nordlicht 1 Ltd 2 Invoice 3 no 4 A-17 5 Total 6 12.50 7 EUR
DOCUMENT = PagedDocument("x.pdf", "hash", (PAGE,))
SCHEMA = load_schema(
    {
        "properties": {
            "seller": {"type": "string"},
            "number": {"type": "string", "x-labels": ["invoice no"]},
            "total": {"type": "number"},
        }
    }
)


def found(*replies: Any, **config: Any) -> dict[str, Any]:
    generator = ScriptedGenerator(
        replies=[each if isinstance(each, str) else json.dumps(each) for each in replies]
    )
    candidates = ModelExtractor(generator=generator, **config).extract(DOCUMENT, SCHEMA)
    return {each.path: (each.value, each.words) for each in candidates}


def test_spans_become_values_with_their_words() -> None:
    assert found({"f0": [0, 1], "f1": [4, 4], "f2": [6, 7]}) == {
        "seller": ("Nordlicht Ltd", (0, 1)),
        "number": ("A-17", (4,)),
        "total": (12.5, (6, 7)),
    }


@pytest.mark.parametrize(
    "reply",
    [
        "no JSON at all",
        [1, 2],
        {"f2": [6]},
        {"f2": [7, 6]},
        {"f2": [6, 99]},
        {"f2": [-1, 3]},
        {"f2": ["6", "7"]},
        {"f2": [True, True]},
        {"f2": [0, 1]},  # no number
        {"f2": None},
        {"f9": [0, 1]},
    ],
)
def test_what_is_no_value_is_dropped(reply: Any) -> None:
    assert found(reply) == {}


def test_wide_schemas_are_asked_in_parts() -> None:
    replies = {"f0": [0, 1]}, {"f0": [4, 4]}, {"f0": [6, 7]}
    assert set(found(*replies, fields_per_call=1)) == {"seller", "number", "total"}


def test_the_model_is_held_to_the_words_of_the_page() -> None:
    generator = ScriptedGenerator(replies=["{}"])
    ModelExtractor(generator=generator).extract(DOCUMENT, SCHEMA)
    [(messages, options)] = generator.requests
    assert "4:A-17" in messages[-1].content
    assert options.json_schema is not None
    span = options.json_schema["properties"]["f0"]["anyOf"][0]
    assert (span["items"]["minimum"], span["items"]["maximum"]) == (0, len(PAGE.words) - 1)


def test_rows_of_a_list() -> None:
    schema = load_schema(
        {
            "properties": {
                "lines": {
                    "type": "array",
                    "items": {"properties": {"item": {"type": "string"}, "amount": {"type": "number"}}},
                }
            }
        }
    )
    page = sketch_page("Shelf 12.00\nLamp 3.50")
    reply = json.dumps({"rows": [{"f0": [0, 0], "f1": [1, 1]}, {"f0": [2, 2], "f1": [3, 3]}]})
    extractor = ModelExtractor(generator=ScriptedGenerator(replies=[reply]))
    extraction = extract(PagedDocument("x", "h", (page,)), schema, extractors=[extractor])
    assert extraction.data == {"lines": [{"item": "Shelf", "amount": 12.0}, {"item": "Lamp", "amount": 3.5}]}


class Fixed:
    """An extractor that proposes what it was made with."""

    def __init__(self, *candidates: Candidate) -> None:
        self._candidates = candidates

    def extract(self, document: PagedDocument, schema: FieldSchema) -> list[Candidate]:
        return list(self._candidates)


TOTAL = Candidate("total", 12.5, "12.50 EUR", 1, (6, 7), "layout", 0.6)


def reconciled(*extractors: Sequence[Candidate]) -> list[Candidate]:
    return ReconciledExtractor(extractors=[Fixed(*each) for each in extractors]).extract(DOCUMENT, SCHEMA)


def test_agreement_is_surer() -> None:
    [both] = reconciled([TOTAL], [replace(TOTAL, extractor="model", words=(6,), quote="12.50", score=0.5)])
    assert both.score == 0.8
    assert both.signals["agreed"] == 1.0


def test_disagreement_keeps_both() -> None:
    other = replace(TOTAL, extractor="model", value=17.0, words=(4,), quote="A-17")
    first, second = reconciled([TOTAL], [replace(other, score=0.5)])
    assert (first.value, second.value) == (12.5, 17.0)
    assert first.score < TOTAL.score
    extraction = extract(DOCUMENT, SCHEMA, extractors=[Fixed(first, second)])
    total = next(value for value in extraction.values if value.path == "total")
    assert [rival.value for rival in total.rivals] == [17.0]


@pytest.mark.slow
def test_the_starter_model_finds_nothing_that_is_not_on_the_page() -> None:
    generator = LlamaCppGenerator(context_tokens=2048)
    generator.open()
    try:
        extractors: list[Extractor] = [LayoutExtractor(), ModelExtractor(generator=generator)]
        extraction = extract(DOCUMENT, SCHEMA, extractors=[ReconciledExtractor(extractors=extractors)])
    finally:
        generator.close()
    assert extraction.data["number"] == "A-17"
    assert extraction.data["total"] == 12.5
    for value in extraction.values:
        if value.evidence is not None:
            assert value.evidence.quote == " ".join(PAGE.words[each].text for each in value.evidence.words)
