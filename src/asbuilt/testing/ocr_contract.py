"""What every Ocr must do: words where they stand, the same every time, at any size of picture."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from asbuilt.errors import UserError
from asbuilt.pages import Box, Word
from asbuilt.roles import Image, Ocr

__all__ = ["OcrContract", "drawn_page"]

_LINES = ("Invoice 4711", "Total 1,234.50", "Thank you")


def drawn_page(
    lines: tuple[str, ...] = _LINES, *, size: int = 28, width: int = 640, height: int = 400
) -> tuple[Image, list[tuple[str, Box]]]:
    """A white picture with `lines` of text, and its words with the boxes of their ink."""
    picture = Pictures.new("RGB", (width, height), "white")
    pen, blank = ImageDraw.Draw(picture), Pictures.new("L", (width, height), "white")
    font = ImageFont.load_default(size)
    truth: list[tuple[str, Box]] = []
    for row, line in enumerate(lines):
        x, y = 40.0, 40.0 + 2 * size * row
        for word in line.split():
            pen.text((x, y), word, fill="black", font=font)
            alone = blank.copy()
            ImageDraw.Draw(alone).text((x, y), word, fill="black", font=font)
            drawn = alone.point(lambda level: 255 * (level < 128)).getbbox()
            assert drawn is not None
            truth.append((word, Box(*drawn)))
            x += pen.textlength(f"{word} ", font=font)
    return np.array(picture), truth


class OcrContract:
    """Subclass it in a test module and override the fixture.

    >>> class TestMyOcr(OcrContract):
    ...     @pytest.fixture
    ...     def ocr(self): return MyOcr()
    """

    @pytest.fixture
    def ocr(self) -> Ocr:
        """The component under test, not open."""
        raise NotImplementedError

    @pytest.fixture
    def words(self, ocr: Ocr) -> list[Word]:
        """What it reads on the drawn page."""
        return ocr.recognize(drawn_page()[0], dpi=200)

    def test_plays_the_role(self, ocr: Ocr) -> None:
        assert isinstance(ocr, Ocr)
        assert ocr.recipe == ocr.recipe != ""

    def test_reads_words_line_by_line(self, words: list[Word]) -> None:
        assert [word.text for word in words] == [text for text, _ in drawn_page()[1]]

    def test_boxes_are_those_of_the_ink(self, words: list[Word]) -> None:
        for word, (text, box) in zip(words, drawn_page()[1], strict=True):
            far = max(abs(seen - drawn) for seen, drawn in zip(word.box, box, strict=True))
            assert far <= 3, f"{text}: {word.box}, drawn at {box}"

    def test_words_are_sound(self, words: list[Word]) -> None:
        for word in words:
            assert word.text == "".join(word.text.split()) != ""
            assert word.reader
            assert 0 <= word.confidence <= 1
            assert len(word.alternatives) <= 4
            for other in word.alternatives:
                assert other.text != word.text
                assert other.text == "".join(other.text.split()) != ""
                assert 0.01 <= other.probability <= 1

    def test_reads_alike_every_time_and_in_every_thread(self, ocr: Ocr, words: list[Word]) -> None:
        page, _ = drawn_page()
        with ThreadPoolExecutor(3) as pool:
            assert all(again == words for again in pool.map(lambda _: ocr.recognize(page, dpi=200), range(3)))

    def test_the_picture_stays_as_it_is(self, ocr: Ocr) -> None:
        page, _ = drawn_page()
        page.flags.writeable = False
        ocr.recognize(page, dpi=200)

    def test_works_in_another_process(self, ocr: Ocr, words: list[Word]) -> None:
        again: Ocr = pickle.loads(pickle.dumps(type(ocr)()))
        assert again.recognize(drawn_page()[0], dpi=200) == words

    @pytest.mark.parametrize("level", [0, 255])
    def test_an_empty_page_has_no_words(self, ocr: Ocr, level: int) -> None:
        assert ocr.recognize(np.full((300, 400, 3), level, np.uint8), dpi=200) == []

    @pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (7, 9)])
    def test_tiny_pictures(self, ocr: Ocr, shape: tuple[int, int]) -> None:
        assert ocr.recognize(np.full((*shape, 3), 255, np.uint8), dpi=200) == []

    def test_noise_gives_sound_boxes(self, ocr: Ocr) -> None:
        noise = np.random.default_rng(7).integers(0, 255, (160, 240, 3)).astype(np.uint8)
        _inside(ocr.recognize(noise, dpi=200), noise)

    def test_text_at_the_edges(self, ocr: Ocr) -> None:
        page, truth = drawn_page(("Total 1,234.50",))
        left, top, right, bottom = (round(edge) for edge in truth[0][1])
        cut = np.ascontiguousarray(page[top - 1 : bottom + 1, left - 1 : right + 260])
        _inside(ocr.recognize(cut, dpi=200), cut)

    @pytest.mark.slow
    def test_a_huge_picture_is_read_at_its_own_scale(self, ocr: Ocr) -> None:
        page, truth = drawn_page(size=160, width=3500, height=9000)
        words = ocr.recognize(page, dpi=1200)
        assert [word.text for word in words] == [text for text, _ in truth]
        for word, (_, box) in zip(words, truth, strict=True):
            assert word.box.iou(box) > 0.7

    def test_refuses_what_is_no_picture(self, ocr: Ocr) -> None:
        for wrong in (np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5), np.uint8)):
            with pytest.raises(UserError):
                ocr.recognize(wrong, dpi=200)


def _inside(words: list[Word], image: Image) -> None:
    height, width = image.shape[:2]
    for word in words:
        assert 0 <= word.box.left < word.box.right <= width
        assert 0 <= word.box.top < word.box.bottom <= height
