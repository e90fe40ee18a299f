"""Questions about tables are answered from cells, exactly, and cited by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from asbuilt.assistant.extractive import ExtractiveAssistant
from asbuilt.assistant.tables import TableAssistant
from asbuilt.catalog import Catalog, NewVersion
from asbuilt.catalog.pages import PAGE_BREAK
from asbuilt.pages import PageLayout
from asbuilt.testing.assistant_contract import ask
from asbuilt.testing.sketch import sketch_table
from asbuilt.types import Chunk, ChunkDraft, Document, Filters, Hit

PARTS = [
    ["Item", "Quantity", "Unit price", "Amount"],
    ["Blue widget", "2", "12.50 EUR", "25.00 EUR"],
    ["Red widget", "1", "1,000.10 EUR", "1,000.10 EUR"],
    ["Cable", "10", "0.99 EUR", "9.90 EUR"],
    ["Total", "", "", "1,035.00 EUR"],
]


class OneDocument:
    """A retriever that always finds the first page of the one document that it stored."""

    def __init__(self, catalog: Catalog, pages: Sequence[PageLayout]) -> None:
        for page in pages:
            catalog.pages.add("hash", "sketch", page)
        text = PAGE_BREAK.join(page.text for page in pages)
        document = Document(text, "application/pdf", metadata={"reading": "sketch"})
        end = len(pages[0].text)
        draft = NewVersion("parts.pdf", document, "hash", "any", [ChunkDraft(text[:end], 0, end)], [""])
        [stored] = catalog.add_versions("default", [draft], job_id=catalog.start_job("default"))
        chunk = Chunk(1, stored.document_id, stored.version, "parts.pdf", "default", text[:end], 0, end)
        self._hit = Hit(chunk, 1.0)

    def retrieve(self, query: str, *, top_k: int | None = None, filters: Filters | None = None) -> list[Hit]:
        return [self._hit]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(file=tmp_path / "catalog.sqlite")
    catalog.open()
    yield catalog
    catalog.close()


@pytest.fixture
def assistant(catalog: Catalog) -> Callable[..., TableAssistant]:
    def make(*pages: PageLayout) -> TableAssistant:
        retriever = OneDocument(catalog, pages)
        other = ExtractiveAssistant(catalog=catalog, retriever=retriever)
        return TableAssistant(catalog=catalog, assistant=other, retriever=retriever)

    return make


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is the unit price of the blue widget?", "12.50 EUR [1]"),
        ("What is the quantity of cable?", "10 [1]"),
        ("What is the sum of the amount?", "1,035.00 EUR (sum of 3 cells) [1] [2] [3]"),
        ("What is the average quantity?", "4 (mean of 3 cells) [1] [2] [3]"),
        ("Which item has the highest unit price?", "Red widget: 1,000.10 EUR (largest of 3 cells) [1] [2]"),
        ("Which item has the highest quantity?", "Cable: 10 (largest of 3 cells) [1] [2]"),
        ("Which has the lowest amount?", "Cable: 9.90 EUR (smallest of 3 cells) [1] [2]"),
    ],
)
def test_cells_answer(assistant: Callable[..., TableAssistant], question: str, answer: str) -> None:
    given = ask(assistant(sketch_table(PARTS)), question)
    assert given.text == answer
    assert all(each.verified and each.boxes and each.page == 1 for each in given.citations)


def test_a_cell_is_cited_with_its_own_box(assistant: Callable[..., TableAssistant]) -> None:
    page = sketch_table(PARTS)
    [citation] = ask(assistant(page), "What is the unit price of the cable?").citations
    assert citation.quote == "0.99 EUR"
    cell = next(each for each in page.tables[0].cells if (each.row, each.column) == (3, 2))
    assert tuple(place.box for place in citation.boxes) == page.boxes(range(cell.first, cell.end))


@pytest.mark.parametrize(
    "question",
    [
        "Who sells widgets?",
        "What is the unit price?",  # of which item?
        "What is the unit price of the widget?",  # which of the two?
        "What is the sum of the item?",  # no numbers
        "What is the colour of the cable?",
    ],
)
def test_what_the_words_leave_open_goes_to_the_other_assistant(
    assistant: Callable[..., TableAssistant], question: str
) -> None:
    answer = ask(assistant(sketch_table(PARTS)), question)
    assert answer.text.startswith("Item | Quantity")


def test_a_table_goes_on_over_the_page(assistant: Callable[..., TableAssistant]) -> None:
    first = sketch_table(PARTS[:3])
    second = sketch_table(PARTS[3:], number=2, continues=True)
    answer = ask(assistant(first, second), "What is the sum of the amount?")
    assert answer.text.startswith("1,035.00 EUR")
    assert [each.page for each in answer.citations] == [1, 1, 2]


def test_a_column_with_a_cell_that_is_no_number_has_no_sum(assistant: Callable[..., TableAssistant]) -> None:
    rows = [*PARTS[:3], ["Cable", "10", "on request", "on request"]]
    assert ask(assistant(sketch_table(rows)), "What is the sum of the amount?").text.startswith("Item |")
