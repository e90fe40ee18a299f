from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import pptx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pptx.util import Pt
from tests.documents.test_drawn import cell_texts
from tests.documents.test_pdf_and_docx import encrypted_office_file, old_office_file

from asbuilt.documents.pptx import PptxReader, reading_order
from asbuilt.errors import ReadError
from asbuilt.pages import Box, PageLayout
from asbuilt.roles import Reader
from asbuilt.testing.reader_contract import PagedReaderContract

_TITLE_AND_CONTENT, _TITLE_ONLY, _BLANK = 1, 5, 6


def show(*fills: Callable[[Any], object], layout: int = _BLANK) -> bytes:
    """A presentation with a slide for each function."""
    file = pptx.Presentation()
    for fill in fills:
        fill(file.slides.add_slide(file.slide_layouts[layout]))
    buffer = io.BytesIO()
    file.save(buffer)
    return buffer.getvalue()


def add_text(shapes: Any, text: str, left: float, top: float, width: float = 200, height: float = 40) -> Any:
    box = shapes.add_textbox(Pt(left), Pt(top), Pt(width), Pt(height))
    box.text_frame.text = text
    return box


def agenda(slide: Any) -> None:
    slide.shapes.title.text = "Agenda\vfor today"
    slide.placeholders[1].text = "First point\nSecond point"
    slide.notes_slide.notes_text_frame.text = "Speak slowly."


def pages_of(data: bytes) -> list[PageLayout]:
    return list(PptxReader().pages(data, name="x.pptx"))


class TestPptxReaderContract(PagedReaderContract):
    @pytest.fixture
    def reader(self) -> Reader:
        return PptxReader()

    @pytest.fixture
    def samples(self) -> Mapping[str, bytes]:
        def crowded(slide: Any) -> None:
            add_text(slide.shapes, "far too much for so small a box " * 20, 700, 500, 100, 30)

        def over_the_edge(slide: Any) -> None:
            table = slide.shapes.add_table(1, 1, Pt(-20), Pt(500), Pt(50), Pt(30)).table
            table.cell(0, 0).text = "more than the cell can hold in any size " * 9

        return {
            "edge.pptx": show(over_the_edge),
            "talk.pptx": show(agenda, agenda, layout=_TITLE_AND_CONTENT),
            "one.pptx": show(crowded),
        }

    @pytest.fixture
    def broken(self) -> Mapping[str, bytes]:
        good = show(agenda, layout=_TITLE_AND_CONTENT)
        return {
            "notes.pptx": b"not a ZIP",
            "cut.pptx": good[: len(good) // 2],
            "locked.pptx": encrypted_office_file(),
            "old.pptx": old_office_file(),
            "none.pptx": show(),
            "blank.pptx": show(lambda slide: None),
        }


def test_titles_lists_and_notes() -> None:
    (page,) = pages_of(show(agenda, layout=_TITLE_AND_CONTENT))
    assert page.text == "Agenda for today\n\nFirst point\nSecond point\n\nSpeak slowly."
    assert [(block.kind, block.level) for block in page.blocks] == [
        ("heading", 1),
        ("list", 0),
        ("paragraph", 0),
    ]
    assert (page.name, page.width, page.kind) == ("Agenda for today", 720.0, "drawn")
    assert page.words[0].place == "slide 1, 'Title 1'"
    assert page.words[-1].place == "slide 1, notes"
    assert page.words[-1].box.top > 540 > page.words[3].box.bottom


def test_tables_have_the_slides_columns_and_spans() -> None:
    def fill(slide: Any) -> None:
        table = slide.shapes.add_table(2, 2, Pt(100), Pt(200), Pt(300), Pt(80)).table
        for row, texts in enumerate([("Name", ""), ("Bolt", "12")]):
            for column, text in enumerate(texts):
                table.cell(row, column).text = text
        table.cell(0, 0).merge(table.cell(0, 1))

    (page,) = pages_of(show(fill))
    assert cell_texts(page) == [["Name"], ["Bolt", "12"]]
    assert page.tables[0].box == Box(100, 200, 400, 280)
    assert [(cell.column_span, cell.header) for cell in page.tables[0].cells] == [
        (2, True),
        (1, False),
        (1, False),
    ]
    assert page.words[-1].place == "slide 1, 'Table 1', row 2, column 2"


def test_shapes_in_groups_stand_where_the_slide_shows_them() -> None:
    def fill(slide: Any) -> None:
        group = slide.shapes.add_group_shape()
        add_text(group.shapes, "grouped", 0, 0, 100, 40)
        group.left, group.top, group.width, group.height = Pt(300), Pt(100), Pt(200), Pt(80)
        add_text(slide.shapes, "above", 0, 20)

    (page,) = pages_of(show(fill))
    assert page.text == "above\n\ngrouped"
    assert page.words[1].box[:2] == (300, 100)
    assert page.words[1].place == "slide 1, 'TextBox 2'"


def test_what_nobody_sees_is_not_read() -> None:
    def fill(slide: Any) -> None:
        add_text(slide.shapes, "seen", 10, 10)
        add_text(slide.shapes, "beside", -500, 10)
        box = add_text(slide.shapes, "hidden", 10, 100)
        box._element.nvSpPr.cNvPr.set("hidden", "1")

    def hide(slide: Any) -> None:
        add_text(slide.shapes, "secret", 10, 10)
        slide._element.set("show", "0")

    first, second = pages_of(show(fill, hide))
    assert (first.text, first.flags) == ("seen", ("text beside the slide is not read",))
    assert (second.text, second.flags) == ("", ("slide 2 is hidden and not read",))


def test_unpacked_bytes_are_limited() -> None:
    with pytest.raises(ReadError, match="max_unpacked_bytes"):
        PptxReader(max_unpacked_bytes=1000).read(show(agenda, layout=_TITLE_AND_CONTENT), name="x.pptx")


def test_columns_are_read_one_after_the_other() -> None:
    title, left_1, left_2, right = Box(0, 0, 9, 1), Box(0, 2, 4, 4), Box(0, 3, 4, 9), Box(5, 2, 9, 9)
    assert reading_order([right, left_2, title, left_1]) == [2, 3, 1, 0]


_BOXES = st.builds(
    lambda x, y, width, height: Box(x, y, x + width, y + height),
    *[st.integers(0, 50)] * 2,
    *[st.integers(1, 30)] * 2,
)


@given(st.lists(_BOXES, max_size=12))
def test_an_order_has_each_box_once(boxes: list[Box]) -> None:
    assert sorted(reading_order(boxes)) == list(range(len(boxes)))
