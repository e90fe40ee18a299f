from __future__ import annotations

import json

import pytest

from asbuilt.modalities import Classified, Place, RankedPage, TaskOutput, VisualAnswer
from asbuilt.multimodal.formatters import JsonFormatter, MarkdownFormatter, TextFormatter
from asbuilt.pages import Box
from asbuilt.roles import OutputFormatter

PLACE = Place("a|b.pdf", 2, Box(1, 2, 3.5, 4), "table", "Desk lamp | 35.50")
RANKED = TaskOutput(
    "retrieve",
    "lamp",
    ranked=(RankedPage(1, "a|b.pdf", 2, 0.5, {"table": 1.0}, (PLACE,)),),
    notes=("page-features took no part",),
    faults=("c.pdf: 'c.pdf' is empty.",),
)
TOLD = TaskOutput(
    "classify",
    classified=(
        Classified("a.pdf", "invoice", 0.9, {"invoice": 0.9, "letter": 0.1}, {"text.meaning": 1.0}),
        Classified("b.pdf", "unknown", 0.6, {"letter": 0.6, "invoice": 0.4}, {}, "2.1 times as far"),
    ),
)
ANSWERED = TaskOutput("answer", "price?", answer=VisualAnswer("35.50", (PLACE,)))
ALL = (JsonFormatter(), MarkdownFormatter(), TextFormatter())


@pytest.mark.parametrize("formatter", ALL, ids=lambda each: each.name)
@pytest.mark.parametrize("output", [RANKED, TOLD, ANSWERED], ids=lambda each: each.kind)
def test_nothing_is_left_out_and_the_same_gives_the_same(
    formatter: OutputFormatter, output: TaskOutput
) -> None:
    assert isinstance(formatter, OutputFormatter)
    text = formatter.format(output)
    assert text == formatter.format(output)
    assert text.endswith("\n")
    for page in output.ranked:
        assert "35.50" in text
        assert page.source.replace("|", "\\|") in text or page.source in text
    for each in output.classified:
        assert each.label in text
        assert each.reason in text
    for remark in (*output.notes, *output.faults):
        assert remark in text.replace("\\", "")


def test_json_has_boxes_and_shares() -> None:
    plain = json.loads(JsonFormatter().format(RANKED))
    assert plain["pages"][0]["shares"] == {"table": 1.0}
    assert plain["pages"][0]["places"][0]["box"] == [1, 2, 3.5, 4]
    assert plain["faults"] == ["c.pdf: 'c.pdf' is empty."]


def test_a_name_cannot_draw_a_cell_of_its_own() -> None:
    lines = MarkdownFormatter().format(RANKED).splitlines()
    assert lines[2].replace("\\|", "").count("|") == lines[0].count("|")


def test_text_names_the_place_of_an_answer() -> None:
    assert TextFormatter().format(ANSWERED) == "35.50\n  a|b.pdf, page 2, box 1, 2, 3.5, 4 (table)\n"


def test_nothing_found_is_said() -> None:
    assert TextFormatter().format(TaskOutput("retrieve", "x")) == "No page was found.\n"
