from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.documents import samples

from asbuilt.documents.pdf import PdfReader
from asbuilt.errors import ReadError
from asbuilt.types import Document


@pytest.fixture(scope="module")
def reader() -> Iterator[PdfReader]:
    reader = PdfReader(max_pages=3)
    yield reader
    reader.close()


def outline(document: Document) -> list[tuple[int, str, str]]:
    return [
        (heading.level, heading.title, document.text[heading.start :].partition("\n")[0])
        for heading in document.headings
    ]


def test_pages_and_outline(reader: PdfReader) -> None:
    data = samples.pdf([["# Intro", "Hello", "## Detail", "x"], [], ["# Next", "World"]], title="A paper")
    document = reader.read(data, name="paper.pdf")
    # Blank lines between blocks are the structure's; the words and their order are the file's.
    assert [document.text[page.start : page.end].split() for page in document.pages] == [
        ["Intro", "Hello", "Detail", "x"],
        [],
        ["Next", "World"],
    ]
    assert outline(document) == [(1, "Intro", "Intro"), (2, "Detail", "Detail"), (1, "Next", "Next")]
    assert document.title == "A paper"
    assert document.metadata == {"pages": 3, "pages_without_text": 1, "reading": reader.recipe}


def test_words_have_boxes_sizes_and_weight(reader: PdfReader) -> None:
    (page,) = reader.pages(samples.pdf([["# Large", "small words"]]), name="x.pdf")
    assert (page.width, page.height, page.kind, page.rotation) == (600, 800, "text", 0)
    large, small, words = page.words
    assert [word.text for word in page.words] == ["Large", "small", "words"]
    assert (large.font_size, small.font_size) == (18, 11)
    # Baselines are 40 and 60 points from the top; letters reach from above them to a bit below.
    assert large.box.top < 40 < large.box.bottom
    assert small.box.top < 60 < small.box.bottom
    assert small.box.left == pytest.approx(60, abs=1)
    assert small.box.right < words.box.left
    assert not large.bold


def test_hyphens_at_line_ends_stay(reader: PdfReader) -> None:
    text = reader.read(samples.pdf([["A hyphen-", "ated word"]]), name="x.pdf").text
    assert text.split() == ["A", "hyphen-", "ated", "word"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (samples.pdf([["secret"]], password="user"), "encrypted.*without a password"),
        (samples.pdf([["text"]])[:-40], "truncated"),
        (b"%PDF-1.7 nonsense %%EOF", "damaged"),
        (b"hello", "no %PDF header"),
        (samples.pageless_pdf(), "no pages"),
        (samples.image_pdf(), "no text on its 2 pages"),
        (samples.pdf([["page"]] * 4), r"4 pages.*limit of 3 \(max_pages\)"),
    ],
)
def test_refusals_say_what_to_do(reader: PdfReader, data: bytes, reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        reader.read(data, name="x.pdf")
