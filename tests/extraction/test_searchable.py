from __future__ import annotations

from dataclasses import replace

import numpy as np
import pypdfium2
import pytest
from tests.extraction.sample_results import PAGE, scan_of

from asbuilt.documents.pdf import PdfReader
from asbuilt.errors import ReadError
from asbuilt.extraction.export.searchable import searchable_pdf
from asbuilt.pages import Box, PageLayout, Word
from asbuilt.roles import Image

SCAN = replace(PAGE, kind="scan", words=tuple(replace(word, reader="rapidocr") for word in PAGE.words))
STRANGE = ("Zürich", "漢字", "𝕌nit", "a(b)\\c", "€5", "Ωm", "‮x")


def white(data: bytes, **about: object) -> Image:
    return np.full((1170, 827, 3), 255, np.uint8)


def page_of(texts: tuple[str, ...]) -> PageLayout:
    words = tuple(
        Word(text, Box(40.0, 40 + 20 * row, 40 + 7.0 * len(text), 52 + 20 * row))
        for row, text in enumerate(texts)
    )
    return replace(PAGE, words=words)


def test_words_are_found_and_stand_at_their_boxes() -> None:
    content = searchable_pdf([SCAN], scan_of(PAGE), name="scan.png")
    document = pypdfium2.PdfDocument(content)
    text = document[0].get_textpage()
    for word in SCAN.words:
        at = text.search(word.text, match_case=True).get_next()
        assert at is not None
        index, count = at
        boxes = [text.get_charbox(number, loose=True) for number in range(index, index + count)]
        left, right = min(box[0] for box in boxes), max(box[2] for box in boxes)
        assert left == pytest.approx(word.box.left, abs=1)
        assert right == pytest.approx(word.box.right, abs=2.5)  # pdfium guesses the last width
        baseline = PAGE.height - boxes[0][1]
        assert word.box.top < baseline <= word.box.bottom + 1
    document.close()


def test_our_own_reader_reads_the_words_in_order() -> None:
    reader = PdfReader(workers=1)
    try:
        (page,) = reader.pages(searchable_pdf([SCAN], scan_of(PAGE), name="scan.png"), name="s.pdf")
    finally:
        reader.close()
    assert [word.text for word in page.words] == [word.text for word in SCAN.words]
    for read, word in zip(page.words, SCAN.words, strict=True):
        assert read.box.iou(word.box) > 0.6


@pytest.mark.parametrize("kind", ["scan", "drawn"])
def test_any_character_can_be_found(kind: str) -> None:
    page = replace(page_of(STRANGE), kind=kind)  # type: ignore[arg-type]
    document = pypdfium2.PdfDocument(searchable_pdf([page], b"", name="x", picture=white))
    text = document[0].get_textpage().get_text_bounded()
    for each in STRANGE:
        assert each in text
    document.close()


def test_the_text_is_not_seen_and_the_picture_is() -> None:
    grey = np.full((1170, 827, 3), 120, np.uint8)
    content = searchable_pdf([SCAN], b"", name="x", picture=lambda data, **about: grey)
    document = pypdfium2.PdfDocument(content)
    shown = document[0].render(scale=1).to_numpy()
    assert np.abs(shown[5:-5, 5:-5, :3].astype(int) - 120).max() <= 3
    document.close()


def test_a_page_that_cannot_be_drawn_keeps_its_words() -> None:
    def refuse(data: bytes, **about: object) -> Image:
        raise ReadError("damaged")

    document = pypdfium2.PdfDocument(searchable_pdf([SCAN, SCAN], b"", name="x", picture=refuse))
    assert len(document) == 2
    assert "INV-4711" in document[1].get_textpage().get_text_bounded()
    document.close()


def test_equal_pages_give_equal_bytes() -> None:
    one, other = (searchable_pdf([SCAN], b"", name="x", picture=white) for _ in range(2))
    assert one == other
