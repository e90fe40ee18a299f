from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from tests.extraction.sample_results import SCHEMA

from asbuilt.errors import StorageError
from asbuilt.extraction.corrections import Correction
from asbuilt.extraction.templates import TemplateExtractor, TemplateMemory, likeness
from asbuilt.fields import Candidate, PagedDocument
from asbuilt.pages import PageLayout
from asbuilt.testing.sketch import sketch_page

ONE = """
Northwind Traders
Street of the Mill

Bill to            Reference of order
{customer:<19}{reference}

Description                    Price
{rows}

               Amount due      {total}
               Amount paid     0.00
"""
OTHER = """
             Statement

Reference of order: {reference}
Customer  {customer}

Description                    Price
{rows}
Balance                        {total}
Amount due on delivery         0.00
"""


def page(layout: str, *, reference: str, total: str, customer: str = "Ada Ltd", rows: int = 1) -> PageLayout:
    lines = "\n".join(f"Item {'abcdef'[row]}                         {row + 1}.00" for row in range(rows))
    return sketch_page(layout.format(customer=customer, reference=reference, total=total, rows=lines))


def document(layout: PageLayout) -> PagedDocument:
    return PagedDocument("x.pdf", sha256(layout.text.encode()).hexdigest(), (layout,))


def correction(layout: PageLayout, path: str, quote: str) -> Correction:
    words = tuple(number for number, word in enumerate(layout.words) if word.text == quote)[:1]
    assert words
    return Correction(SCHEMA.digest, "h", "x.pdf", path, "wrong", quote, 0.9, 1, words, quote)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Templates learnt from one document: where number and total stand."""
    first = page(ONE, reference="R-1001", total="100.00")
    TemplateMemory(tmp_path / "templates.json").learn(
        [correction(first, "number", "R-1001"), correction(first, "total", "100.00")], [first]
    )
    return tmp_path / "templates.json"


def found(file: Path, layout: PageLayout) -> dict[str, Candidate]:
    candidates = TemplateExtractor(templates=str(file)).extract(document(layout), SCHEMA)
    return {candidate.path: candidate for candidate in candidates}


def test_nothing_is_known_at_first(tmp_path: Path) -> None:
    assert found(tmp_path / "none.json", page(ONE, reference="R-1", total="1.00")) == {}


def test_the_next_document_of_the_layout_is_read_as_corrected(file: Path) -> None:
    second = page(ONE, reference="R-2002", total="2,345.60", customer="Grace Inc")
    candidates = found(file, second)
    assert (candidates["number"].value, candidates["total"].value) == ("R-2002", 2345.6)
    assert candidates["number"].quote == second.words[candidates["number"].words[0]].text
    assert candidates["total"].why.startswith("right of 'amount due', as corrected 1 times in layout ")


def test_what_moves_down_with_the_rows_of_a_table_is_found(file: Path) -> None:
    assert found(file, page(ONE, reference="R-3", total="77.00", rows=4))["total"].value == 77.0


def test_another_layout_is_left_alone(file: Path) -> None:
    assert found(file, page(OTHER, reference="R-4", total="5.00")) == {}
    assert found(file, replace(page(ONE, reference="R-5", total="5.00"), width=900.0)) == {}
    assert TemplateMemory(file).of(page(ONE, reference="R-5", total="5.00"), "another schema") is None


def test_more_corrections_make_it_surer_and_drop_what_is_no_part_of_the_layout(file: Path) -> None:
    third = page(ONE, reference="R-6", total="6.00", customer="Grace Inc")
    before = found(file, third)["number"].score
    memory = TemplateMemory(file)
    marks = len(memory.all()[0].marks)
    memory.learn([correction(third, "number", "R-6")], [third])
    (template,) = memory.all()
    assert found(file, third)["number"].score > before
    assert len(template.marks) < marks
    assert not [mark for mark in template.marks if mark.text in ("ada", "grace")]
    assert likeness(template, page(ONE, reference="R-7", total="7.00", customer="Someone else")) == 1.0


def test_a_correction_that_says_otherwise_wins_in_the_end(file: Path) -> None:
    memory = TemplateMemory(file)
    layout = page(ONE, reference="R-8", total="8.00")
    zero = replace(correction(layout, "total", "0.00"))
    for _ in range(2):
        memory.learn([zero], [layout])
    assert found(file, layout)["total"].value == 0.0


def test_the_file_can_be_read_and_deleted_from(file: Path) -> None:
    raw = json.loads(file.read_text())
    anchors = raw["templates"][0]["anchors"]
    assert {(each["path"], each["label"], each["side"]) for each in anchors} >= {
        ("number", "reference of order", "above"),
        ("total", "amount due", "left"),
    }
    raw["templates"][0]["anchors"] = [each for each in anchors if each["path"] == "number"]
    file.write_text(json.dumps(raw))
    assert set(found(file, page(ONE, reference="R-9", total="9.00"))) == {"number"}
    file.write_text('{"templates": 1}')
    with pytest.raises(StorageError, match="holds no templates"):
        TemplateMemory(file).all()


def test_it_is_deterministic(file: Path, tmp_path: Path) -> None:
    first = page(ONE, reference="R-1001", total="100.00")
    again = TemplateMemory(tmp_path / "again.json")
    again.learn([correction(first, "number", "R-1001"), correction(first, "total", "100.00")], [first])
    assert (tmp_path / "again.json").read_bytes() == file.read_bytes()
    assert again.digest() == TemplateMemory(file).digest() != ""


def test_lists_and_values_without_a_place_teach_nothing(tmp_path: Path) -> None:
    layout = page(ONE, reference="R-1", total="1.00")
    memory = TemplateMemory(tmp_path / "t.json")
    row = replace(correction(layout, "total", "1.00"), path="lines[0].amount")
    nowhere = replace(row, path="total", words=(), page=0)
    assert memory.learn([row, nowhere], [layout]) == []
    assert memory.digest() == ""
