"""What every VisionEncoder must do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from asbuilt.pages import PageLayout
from asbuilt.roles import Image, VisionEncoder
from asbuilt.testing.sketch import sketch_page
from asbuilt.types import Vector

__all__ = ["VisionEncoderContract", "painted"]

_PAGE = sketch_page("A heading\n\nWords on a page\nand 12.50 more")
_EMPTY = PageLayout(1, 595, 842)
_RED, _DARK_RED, _BLUE = (200, 30, 30), (180, 20, 20), (30, 30, 200)
_SIZES = ((1, 1), (3, 400), (400, 3), (842, 595), (120, 160))


def painted(colour: tuple[int, int, int], *, low: bool = False) -> Image:
    """A white page whose upper half, or lower, has one colour. It cannot be written to."""
    picture = np.full((200, 150, 3), 255, np.uint8)
    picture[100:] = colour if low else 255
    picture[:100] = 255 if low else colour
    picture.setflags(write=False)
    return picture


class VisionEncoderContract:
    """Subclass it in a test module and override the fixture.

    >>> class TestMyEncoder(VisionEncoderContract):
    ...     @pytest.fixture
    ...     def make(self): return lambda: MyEncoder(...)

    `reads` says whether it compares words with pictures.
    """

    reads = True

    @pytest.fixture
    def make(self) -> Callable[[], Any]:
        """Builds an encoder that is not yet open."""
        raise NotImplementedError

    @pytest.fixture
    def encoder(self, make: Callable[[], Any]) -> Iterator[VisionEncoder]:
        """An open encoder."""
        encoder = make()
        _call(encoder, "open")
        yield encoder
        _call(encoder, "close")

    def test_plays_the_role(self, encoder: VisionEncoder) -> None:
        assert isinstance(encoder, VisionEncoder)
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", encoder.name)
        assert encoder.describes.endswith(".")
        assert len(encoder.describes.splitlines()) == 1

    def test_its_recipe_is_one_line_and_that_of_its_equals(
        self, make: Callable[[], Any], encoder: VisionEncoder
    ) -> None:
        assert make().recipe == encoder.recipe
        assert len(encoder.recipe.splitlines()) == 1

    @pytest.mark.parametrize("size", _SIZES)
    def test_a_picture_of_any_size_has_a_unit_vector_of_one_dimension(
        self, encoder: VisionEncoder, size: tuple[int, int]
    ) -> None:
        picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
        for page in (_PAGE, _EMPTY):
            assert _vector(encoder, picture, page).shape == _vector(encoder, painted(_RED)).shape

    def test_a_page_without_a_picture_has_a_like_vector_or_none(self, encoder: VisionEncoder) -> None:
        sight = encoder.encode(None, _PAGE)
        if sight is not None:
            assert sight.vector.shape == _vector(encoder, painted(_RED)).shape
            assert np.linalg.norm(sight.vector) == pytest.approx(1, abs=1e-4)

    def test_a_page_without_anything_cannot_be_seen(self, encoder: VisionEncoder) -> None:
        assert encoder.encode(None, _EMPTY) is None

    def test_the_same_page_gives_the_same_vector(
        self, make: Callable[[], Any], encoder: VisionEncoder
    ) -> None:
        other = make()
        _call(other, "open")
        first = _vector(encoder, painted(_RED))
        np.testing.assert_array_equal(first, _vector(encoder, painted(_RED)))
        np.testing.assert_array_equal(first, _vector(other, painted(_RED)))
        _call(other, "close")

    def test_pages_that_look_alike_are_nearer(self, encoder: VisionEncoder) -> None:
        page = _vector(encoder, painted(_RED))
        like, unlike = _vector(encoder, painted(_DARK_RED)), _vector(encoder, painted(_BLUE, low=True))
        assert page @ like > page @ unlike

    @pytest.mark.parametrize("query", ["red", "a page with a long question? " * 50, "東京 \x00 ünï", ""])
    def test_queries_are_read_always_or_never(self, encoder: VisionEncoder, query: str) -> None:
        vector = encoder.encode_query(query)
        assert (vector is not None) == self.reads
        if vector is not None:
            assert vector.shape == _vector(encoder, painted(_RED)).shape
            assert vector.dtype == np.float32
            assert np.isfinite(vector).all()
            if query:
                assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)

    def test_words_find_the_picture_that_shows_them(self, encoder: VisionEncoder) -> None:
        query = encoder.encode_query("red")
        if query is not None:
            red, blue = _vector(encoder, painted(_RED)), _vector(encoder, painted(_BLUE, low=True))
            assert query @ red > query @ blue

    def test_threads_do_not_disturb_each_other(self, encoder: VisionEncoder) -> None:
        pictures = [painted(_RED), painted(_BLUE), painted(_BLUE, low=True)]
        expected = [_vector(encoder, picture) for picture in pictures]
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda number: _vector(encoder, pictures[number % 3]), range(12))
            for number, vector in enumerate(found):
                np.testing.assert_allclose(vector, expected[number % 3], atol=1e-5)

    def test_it_may_be_closed_twice_and_opened_again(self, make: Callable[[], Any]) -> None:
        encoder = make()
        _call(encoder, "open")
        before = _vector(encoder, painted(_RED))
        _call(encoder, "close")
        _call(encoder, "close")
        _call(encoder, "open")
        np.testing.assert_allclose(_vector(encoder, painted(_RED)), before, atol=1e-5)
        _call(encoder, "close")


def _vector(encoder: VisionEncoder, picture: Image, page: PageLayout = _PAGE) -> Vector:
    sight = encoder.encode(picture, page)
    assert sight is not None
    assert sight.vector.dtype == np.float32
    assert np.linalg.norm(sight.vector) == pytest.approx(1, abs=1e-4)
    return sight.vector


def _call(encoder: Any, method: str) -> None:
    """`open` and `close` are optional."""
    getattr(encoder, method, lambda: None)()
