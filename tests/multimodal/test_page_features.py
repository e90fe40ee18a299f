from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "documents"))

from paperwork import BUILDING, make

from asbuilt.documents.pdf import PdfReader
from asbuilt.documents.render import page_picture
from asbuilt.multimodal.page_features import PageFeaturesEncoder
from asbuilt.pages import PageLayout
from asbuilt.testing.sketch import sketch_page
from asbuilt.testing.vision_encoder_contract import VisionEncoderContract

ENCODER = PageFeaturesEncoder()
PAGE = sketch_page("A heading\n\nWords on a page\nand 12.50 more")


class TestContract(VisionEncoderContract):
    reads = False

    @pytest.fixture
    def make(self) -> Callable[[], Any]:
        return PageFeaturesEncoder


def test_it_says_that_there_is_no_model() -> None:
    assert "no model is behind it" in ENCODER.describes


def test_vectors_have_one_length_with_and_without_a_picture() -> None:
    picture = np.full((842, 595, 3), 255, np.uint8)
    with_picture, without = ENCODER.encode(picture, PAGE), ENCODER.encode(None, PAGE)
    assert with_picture is not None
    assert without is not None
    assert with_picture.vector.shape == without.vector.shape
    assert np.linalg.norm(with_picture.vector) == pytest.approx(1)
    assert with_picture.vector.dtype == np.float32
    assert ENCODER.encode(None, PageLayout(1, 595, 842)) is None


def test_the_place_and_the_colour_of_ink_tell_pages_apart() -> None:
    def painted(*where: slice, colour: tuple[int, int, int]) -> np.ndarray:
        picture = np.full((200, 150, 3), 255, np.uint8)
        picture[where] = colour
        sight = ENCODER.encode(picture, PageLayout(1, 150, 200))
        assert sight is not None
        return sight.vector

    top, bottom = slice(0, 50), slice(150, 200)
    everywhere = slice(0, 150)
    black = painted(top, everywhere, colour=(0, 0, 0))
    assert black @ painted(top, everywhere, colour=(20, 20, 20)) > 0.99
    assert black @ painted(bottom, everywhere, colour=(0, 0, 0)) < 0.5
    red = painted(top, everywhere, colour=(200, 30, 30))
    blue, dark_red = (painted(top, everywhere, colour=colour) for colour in ((30, 30, 200), (150, 20, 20)))
    assert red @ blue < red @ dark_red - 0.005
    tiny = ENCODER.encode(np.zeros((1, 1, 3), np.uint8), PageLayout(1, 10, 10))
    assert tiny is not None


@pytest.mark.slow
def test_pages_of_one_kind_and_layout_are_nearest_to_each_other() -> None:
    names, vectors = [], []
    reader = PdfReader()
    # Receipts look the same in all layouts but for their words.
    for kind in ("invoice", "contract", "form"):
        for layout in BUILDING[:4]:  # eight look too much alike: 58 of 72
            for seed in (1, 2, 3):
                data = make(kind, layout, seed).data
                page = next(iter(reader.pages(data, name="x.pdf")))
                sight = ENCODER.encode(page_picture(data, name="x.pdf", page=page, dpi=72), page)
                assert sight is not None
                vectors.append(sight.vector)
                names.append((kind, layout.name))
    near = np.array(vectors) @ np.array(vectors).T
    np.fill_diagonal(near, -1)
    found = [names[row.argmax()] for row in near]
    assert all(one[0] == other[0] for one, other in zip(found, names, strict=True))
    assert sum(one == other for one, other in zip(found, names, strict=True)) >= 0.9 * len(names)
