"""What every Reader must do: sound positions, the same answer every time, and ReadError for the rest.

A PagedReader must also give pages whose words, lines, blocks and cells fit together, from any page on.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from asbuilt.errors import ReadError
from asbuilt.pages import PageLayout, Table, page_from_json, page_to_json
from asbuilt.roles import PagedReader, Reader
from asbuilt.types import Document

__all__ = ["PagedReaderContract", "ReaderContract", "check_page"]

_DAMAGED = 40


class ReaderContract:
    """Subclass it in a test module and override the fixtures.

    >>> class TestMyReader(ReaderContract):
    ...     @pytest.fixture
    ...     def reader(self): return MyReader()
    ...
    ...     @pytest.fixture
    ...     def samples(self): return {"guide.xyz": b"..."}
    """

    @pytest.fixture
    def reader(self) -> Reader:
        """The reader under test, open."""
        raise NotImplementedError

    @pytest.fixture
    def samples(self) -> Mapping[str, bytes]:
        """Good files by name: at least one, better several with headings, pages and odd characters."""
        raise NotImplementedError

    @pytest.fixture
    def broken(self) -> Mapping[str, bytes]:
        """Files that the reader must refuse, by name."""
        return {}

    @pytest.fixture
    def documents(self, reader: Reader, samples: Mapping[str, bytes]) -> list[Document]:
        """What the reader makes of the samples."""
        return [reader.read(data, name=name) for name, data in samples.items()]

    def test_plays_the_role(self, reader: Reader) -> None:
        assert isinstance(reader, Reader)
        assert reader.suffixes
        for suffix in reader.suffixes:
            assert suffix.startswith(".")
            assert suffix == suffix.lower()

    def test_text_can_be_stored_and_shown(self, documents: list[Document]) -> None:
        for document in documents:
            assert document.text.strip()
            assert "\r" not in document.text
            assert "\0" not in document.text
            document.text.encode()  # no lone surrogates
            assert "/" in document.media_type

    def test_title_is_one_line(self, documents: list[Document]) -> None:
        for document in documents:
            assert document.title == " ".join(document.title.split()) != ""

    def test_headings_stand_in_the_text_in_order(self, documents: list[Document]) -> None:
        for document in documents:
            starts = [heading.start for heading in document.headings]
            assert starts == sorted(starts)
            for heading in document.headings:
                assert 0 <= heading.start < len(document.text)
                assert not document.text[heading.start].isspace()
                assert heading.level >= 1
                assert heading.title == " ".join(heading.title.split()) != ""

    def test_pages_follow_one_another(self, documents: list[Document]) -> None:
        for document in documents:
            end = 0
            for number, page in enumerate(document.pages, start=1):
                assert page.number == number
                assert end <= page.start <= page.end <= len(document.text)
                assert not document.text[end : page.start].strip(), "text between pages belongs to one"
                end = page.end
            if document.pages:
                assert not document.text[end:].strip()

    def test_metadata_is_plain(self, documents: list[Document]) -> None:
        for document in documents:
            for key, value in document.metadata.items():
                assert isinstance(key, str)
                assert isinstance(value, str | int | float | bool)

    def test_reads_alike_every_time_and_in_every_thread(
        self, reader: Reader, samples: Mapping[str, bytes], documents: list[Document]
    ) -> None:
        def read_all(_: int) -> list[Document]:
            return [reader.read(data, name=name) for name, data in samples.items()]

        with ThreadPoolExecutor(4) as pool:
            assert all(again == documents for again in pool.map(read_all, range(4)))

    def test_refuses_nothing_at_all(self, reader: Reader) -> None:
        with pytest.raises(ReadError):
            reader.read(b"", name="empty")

    def test_refuses_what_is_broken(self, reader: Reader, broken: Mapping[str, bytes]) -> None:
        for name, data in broken.items():
            with pytest.raises(ReadError) as refusal:
                reader.read(data, name=name)
            assert name in str(refusal.value)

    def test_raises_only_read_errors_on_damaged_files(
        self, reader: Reader, samples: Mapping[str, bytes]
    ) -> None:
        chance = random.Random(7)
        for name, data in samples.items():
            for _ in range(_DAMAGED):
                damaged = bytearray(data[: chance.randrange(1, len(data) + 1)])
                for _ in range(chance.choice((0, 1, 20))):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
                try:
                    document = reader.read(bytes(damaged), name=name)
                except ReadError:
                    continue
                document.text.encode()


def check_page(page: PageLayout) -> None:
    """Fail unless the parts of a page fit together: text, words, lines, blocks, tables and figures."""
    count = len(page.words)
    assert page.width > 0
    assert page.height > 0
    end = 0
    for word in page.words:
        assert word.text
        assert not any(map(str.isspace, word.text))
        assert word.start >= end, "words stand in the order of the text"
        end = word.end
        assert page.text[word.start : end] == word.text
        assert word.box == word.box.rounded()
        assert word.box.left <= word.box.right
        assert word.box.top <= word.box.bottom
        assert 0 <= word.confidence <= 1
        assert word.place or page.kind != "drawn", "a drawn word says where in the file it is from"
    outside = [word for word in page.words if not _is_within(page, *word.box)]
    assert not outside
    in_lines = [number for line in page.lines for number in range(line.first, line.end)]
    assert in_lines == sorted(set(in_lines)), "a word is in one line at most"
    assert not in_lines or in_lines[-1] < count
    for block in page.blocks:
        assert 0 <= block.first <= block.end <= count
        assert _is_within(page, *block.box)
        if block.kind in ("table", "figure"):
            items: Sequence[object] = page.tables if block.kind == "table" else page.figures
            assert block.item is not None
            assert 0 <= block.item < len(items)
        if block.kind == "heading":
            assert block.level >= 1
    for table in page.tables:
        _check_table(page, table)
    assert page_from_json(page_to_json(page)) == page


def _check_table(page: PageLayout, table: Table) -> None:
    assert _is_within(page, *table.box)
    taken: set[tuple[int, int]] = set()
    assert [(cell.row, cell.column) for cell in table.cells] == sorted(
        (cell.row, cell.column) for cell in table.cells
    )
    for cell in table.cells:
        assert 0 <= cell.first <= cell.end <= len(page.words)
        assert cell.row_span >= 1
        assert cell.column_span >= 1
        places = {
            (row, column)
            for row in range(cell.row, cell.row + cell.row_span)
            for column in range(cell.column, cell.column + cell.column_span)
        }
        assert not places & taken, "a place of the grid is in one cell"
        taken |= places
    assert all(row < table.rows and column < table.columns for row, column in taken)


_SLACK = 1.0  # points; boxes of glyphs may hang over the edge a little


def _is_within(page: PageLayout, left: float, top: float, right: float, bottom: float) -> bool:
    return (
        left >= -_SLACK and top >= -_SLACK and right <= page.width + _SLACK and bottom <= page.height + _SLACK
    )


class PagedReaderContract(ReaderContract):
    """The contract of readers that give pages; the same fixtures."""

    @pytest.fixture
    def paged(self, reader: Reader) -> PagedReader:
        """The reader under test, as what it claims to be."""
        assert isinstance(reader, PagedReader)
        return reader

    @pytest.fixture
    def layouts(self, paged: PagedReader, samples: Mapping[str, bytes]) -> dict[str, list[PageLayout]]:
        """The pages of the samples by name."""
        return {name: list(paged.pages(data, name=name)) for name, data in samples.items()}

    def test_pages_count_from_one(self, layouts: Mapping[str, list[PageLayout]]) -> None:
        for pages in layouts.values():
            assert [page.number for page in pages] == list(range(1, len(pages) + 1)) != []

    def test_parts_of_a_page_fit_together(self, layouts: Mapping[str, list[PageLayout]]) -> None:
        for pages in layouts.values():
            for page in pages:
                check_page(page)

    def test_pages_from_any_number_on(
        self, paged: PagedReader, samples: Mapping[str, bytes], layouts: Mapping[str, list[PageLayout]]
    ) -> None:
        for name, data in samples.items():
            for first in range(1, len(layouts[name]) + 2):
                assert list(paged.pages(data, name=name, first=first)) == layouts[name][first - 1 :]

    def test_pages_may_be_left_half_way(
        self, paged: PagedReader, samples: Mapping[str, bytes], layouts: Mapping[str, list[PageLayout]]
    ) -> None:
        for name, data in samples.items():
            assert list(islice(paged.pages(data, name=name), 1)) == layouts[name][:1]
            assert list(paged.pages(data, name=name)) == layouts[name]

    def test_text_is_that_of_the_pages(
        self, paged: PagedReader, samples: Mapping[str, bytes], layouts: Mapping[str, list[PageLayout]]
    ) -> None:
        for name, data in samples.items():
            document = paged.read(data, name=name)
            assert document.text == "\n\n".join(page.text for page in layouts[name])
            for span, page in zip(document.pages, layouts[name], strict=True):
                assert document.text[span.start : span.end] == page.text
            assert paged.read(data, name=name, pages=iter(layouts[name])) == document

    def test_recipe_is_stated_and_kept(self, paged: PagedReader, samples: Mapping[str, bytes]) -> None:
        recipe = paged.recipe
        assert recipe.strip()
        for name, data in samples.items():
            assert paged.read(data, name=name).metadata["reading"] == recipe
        assert paged.recipe == recipe
