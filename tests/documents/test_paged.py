from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.documents.paged import OutlineEntry, document_of
from asbuilt.errors import ReadError
from asbuilt.pages import Block, PageLayout
from asbuilt.testing.sketch import sketch_page
from asbuilt.types import Document


def made(*pages: PageLayout, outline: tuple[OutlineEntry, ...] = (), title: str = "") -> Document:
    return document_of(
        pages, name="x.pdf", media_type="application/pdf", recipe="test", outline=outline, title=title
    )


def with_heading(page: PageLayout, first: int, end: int, level: int = 1) -> PageLayout:
    block = Block("heading", first, end, page.words[first].box, level=level)
    return replace(page, blocks=(block, *page.blocks))


ONE, TWO = sketch_page("Lease of a house\n\nTerm  two years"), sketch_page("Rent\n\n  per month", number=2)


def test_pages_stand_in_the_text_unchanged() -> None:
    document = made(ONE, PageLayout(2, 600, 800), replace(TWO, number=3))
    assert [(page.number, document.text[page.start : page.end]) for page in document.pages] == [
        (1, ONE.text),
        (2, ""),
        (3, TWO.text),
    ]
    assert document.metadata == {"pages": 3, "pages_without_text": 1, "reading": "test"}


def test_headings_are_the_heading_blocks() -> None:
    document = made(with_heading(ONE, 0, 4), with_heading(TWO, 0, 1, level=2))
    assert [(each.level, each.title) for each in document.headings] == [(1, "Lease of a house"), (2, "Rent")]
    assert [document.text[each.start :][:4] for each in document.headings] == ["Leas", "Rent"]
    assert document.title == "Lease of a house"


def test_an_outline_goes_before_heading_blocks() -> None:
    outline = (OutlineEntry(1, 1, "TERM"), OutlineEntry(2, 2, "per  month"), OutlineEntry(1, 2, "not there"))
    document = made(with_heading(ONE, 0, 4), TWO, outline=outline)
    starts = [document.text[each.start :][:5] for each in document.headings]
    assert starts == ["Term ", "per m", "per m"]


def test_an_outline_that_leads_nowhere_names_no_place() -> None:
    outline = (OutlineEntry(1, 2, "Rent"), OutlineEntry(1, 1, "Lease"), OutlineEntry(1, 9, "Gone"))
    assert [each.title for each in made(ONE, TWO, outline=outline).headings] == ["Rent"]


def test_flagged_pages_are_counted() -> None:
    assert made(ONE, replace(TWO, flags=("one", "two"))).metadata["flagged_pages"] == 1


def test_a_document_without_text_is_refused_with_the_reason() -> None:
    empty = PageLayout(1, 600, 800, flags=("page could not be read: it burnt",))
    with pytest.raises(
        ReadError, match=r"'x.pdf' has no text on its 2 pages\. page could not be read: it burnt\."
    ):
        made(empty, PageLayout(2, 600, 800))


@given(
    st.lists(st.sampled_from((ONE, TWO, PageLayout(1, 600, 800))), min_size=1).filter(
        lambda pages: any(page.words for page in pages)
    )
)
def test_offsets_less_the_pages_start_are_the_layouts(pages: list[PageLayout]) -> None:
    document = made(*(replace(page, number=number) for number, page in enumerate(pages, 1)))
    for page, layout in zip(document.pages, pages, strict=True):
        for word in layout.words:
            start = page.start + word.start
            assert document.text[start : start + len(word.text)] == word.text
