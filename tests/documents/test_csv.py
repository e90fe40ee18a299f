from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.documents.test_drawn import cell_texts

from asbuilt.documents.csv import CsvReader, delimiter_of
from asbuilt.errors import ReadError
from asbuilt.pages import PageLayout
from asbuilt.roles import Reader
from asbuilt.testing.reader_contract import PagedReaderContract, check_page


def pages_of(text: str, **settings: int) -> list[PageLayout]:
    return list(CsvReader(**settings).pages(text.encode(), name="x.csv"))


class TestCsvReaderContract(PagedReaderContract):
    @pytest.fixture
    def reader(self) -> Reader:
        return CsvReader()

    @pytest.fixture
    def samples(self) -> Mapping[str, bytes]:
        return {
            "small.csv": b'name,qty\r\nBolt,2\r\n\r\n"a\nb",3\r\n',
            "wide.tsv": "Größe\tPreis\n1\t2".encode("utf-16"),
            "long.csv": b"a,b\n" + b"x,1\n" * 450,
        }

    @pytest.fixture
    def broken(self) -> Mapping[str, bytes]:
        return {"nul.csv": b"a,b\0c", "blank.csv": b"\n \n", "line.csv": b"a," * 2_000_000}


def test_a_table_with_its_places() -> None:
    (page,) = pages_of('Item;Qty;Note\nBolt;1,5;"a;b\nc"\n\nNut;2\n')
    assert cell_texts(page) == [["Item", "Qty", "Note"], ["Bolt", "1,5", "a;b c"], ["Nut", "2", ""]]
    assert [cell.header for cell in page.tables[0].cells] == [True] * 3 + [False] * 6
    assert {word.text: word.place for word in page.words}["2"] == "row 4, column B"


@pytest.mark.parametrize(
    ("sample", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n", ";"),
        ("a\tb\nHello, you\tx\n", "\t"),
        ("a|b\n1|2", "|"),
        ('"x;y",b\n"p;q",d\n"r;s",e\n', ","),
        ("one\ntwo\nthree", ","),
        ("one, two\nthree\nfour", ","),
        ("", ","),
    ],
)
def test_delimiters(sample: str, delimiter: str) -> None:
    assert delimiter_of(sample) == delimiter


def test_the_delimiter_may_be_stated() -> None:
    (page,) = pages_of("sep=;\na,x;b\n1;2")
    assert cell_texts(page) == [["a,x", "b"], ["1", "2"]]
    assert page.words[0].place == "row 2, column A"


def test_numbers_in_the_first_row_are_no_header() -> None:
    (page,) = pages_of("1,2\n3,4\n")
    assert not any(cell.header for cell in page.tables[0].cells)


def test_what_is_too_much_is_cut_with_a_flag() -> None:
    pages = pages_of("a,b\n" * 300, max_cells=500)
    assert sum(page.tables[0].rows for page in pages) == 250
    assert pages[-1].flags == ("reading ended before row 251 (max_cells)",)
    (page,) = pages_of("a,b\n1,2\n" + "x" * 50_000_000)
    assert page.flags[0].startswith("reading ended before row 3 (a line of 50,000,000 characters")
    with pytest.raises(ReadError, match="cannot be read as a table: reading ended before row 1"):
        pages_of(",".join("x" * 20_000))


@given(st.lists(st.lists(st.text(alphabet='ab1,;"\n é', max_size=9), min_size=2, max_size=4), min_size=1))
def test_any_text_is_read(rows: list[list[str]]) -> None:
    text = "\n".join(",".join(row) for row in rows)
    if text.strip():
        for page in pages_of(text):
            check_page(page)
