from __future__ import annotations

from pathlib import Path

import pytest

from asbuilt.catalog import Catalog, NewVersion
from asbuilt.catalog.pages import PAGE_BREAK
from asbuilt.testing.sketch import sketch_page
from asbuilt.types import ChunkDraft, Document

PAGES = [sketch_page(f"Page {number}\n\nTotal:  {number}.00", number=number) for number in (1, 2, 3)]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = Catalog(file=tmp_path / "catalog.sqlite")
    catalog.open()
    return catalog


def test_pages_come_back_as_they_were_read(catalog: Catalog) -> None:
    for page in PAGES:
        catalog.pages.add("hash", "reader-1", page)
    assert list(catalog.pages.read("hash", "reader-1")) == PAGES
    assert list(catalog.pages.read("hash", "reader-1", first=3)) == PAGES[2:]
    assert catalog.pages.page("hash", "reader-1", 4) is None


def test_a_reading_is_complete_only_when_it_was_finished(catalog: Catalog) -> None:
    catalog.pages.add("hash", "reader-1", PAGES[0])
    assert not catalog.pages.complete("hash", "reader-1")
    catalog.pages.finish("hash", "reader-1")
    assert catalog.pages.complete("hash", "reader-1")


def test_other_content_or_another_recipe_is_another_reading(catalog: Catalog) -> None:
    catalog.pages.add("hash", "reader-1", PAGES[0])
    assert list(catalog.pages.read("hash", "reader-2")) == []
    assert list(catalog.pages.read("other", "reader-1")) == []


def test_a_page_that_is_added_again_stays_as_it_was(catalog: Catalog) -> None:
    catalog.pages.add("hash", "reader-1", PAGES[0])
    catalog.pages.add("hash", "reader-1", PAGES[0])
    assert list(catalog.pages.read("hash", "reader-1")) == PAGES[:1]


def test_a_span_of_the_text_is_found_on_its_pages(catalog: Catalog) -> None:
    for page in PAGES:
        catalog.pages.add("hash", "reader-1", page)
    text = PAGE_BREAK.join(page.text for page in PAGES)
    document = Document(text, "application/pdf", metadata={"reading": "reader-1"})
    draft = NewVersion("a.pdf", document, "hash", "any", [ChunkDraft(text, 0, len(text))], [""])
    [stored] = catalog.add_versions("default", [draft], job_id=catalog.start_job("default"))
    start = text.index("1.00")
    spans = catalog.pages.places(stored.document_id, stored.version, start, text.index("Total", start) + 5)
    assert [(span.page.number, span.page.text[span.start : span.end]) for span in spans] == [
        (1, "1.00"),
        (2, "Page 2\n\nTotal"),
    ]
    assert [len(span.boxes) for span in spans] == [1, 2]
    assert spans[0].boxes[0] == PAGES[0].words[3].box


def test_a_version_that_was_not_read_in_pages_has_no_places(catalog: Catalog) -> None:
    draft = NewVersion(
        "a.md", Document("text", "text/markdown"), "hash", "any", [ChunkDraft("text", 0, 4)], [""]
    )
    [stored] = catalog.add_versions("default", [draft], job_id=catalog.start_job("default"))
    assert catalog.pages.places(stored.document_id, stored.version, 0, 4) == []
