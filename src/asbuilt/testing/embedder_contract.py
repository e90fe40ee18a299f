"""What every Embedder must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from asbuilt.roles import Embedder

__all__ = ["EmbedderContract"]

_TEXTS = (
    "How do I delete all messages in a queue?",
    "queue",
    "A long passage about buckets, policies and who may read them. " * 40,
    "Größe, naïveté, 東京, emoji \N{ROCKET} and \x00 control characters",
)


class EmbedderContract:
    """Subclass it in a test module and override the fixture.

    >>> class TestMyEmbedder(EmbedderContract):
    ...     @pytest.fixture
    ...     def make(self): return lambda: MyEmbedder(...)

    `tolerance` bounds the difference that the company of other texts in a call may make.
    """

    tolerance = 1e-3

    @pytest.fixture
    def make(self) -> Callable[[], Any]:
        """Builds an embedder that is not yet open."""
        raise NotImplementedError

    @pytest.fixture
    def embedder(self, make: Callable[[], Any]) -> Iterator[Embedder]:
        """An open embedder."""
        embedder = make()
        _call(embedder, "open")
        yield embedder
        _call(embedder, "close")

    def test_plays_the_role(self, embedder: Embedder) -> None:
        assert isinstance(embedder, Embedder)
        assert embedder.dim > 0

    def test_its_model_id_is_known_before_it_is_open_and_does_not_change(
        self, make: Callable[[], Any], embedder: Embedder
    ) -> None:
        assert make().model_id == embedder.model_id != ""

    def test_gives_one_unit_vector_a_text(self, embedder: Embedder) -> None:
        vectors = embedder.embed(_TEXTS)
        assert vectors.shape == (len(_TEXTS), embedder.dim)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)

    def test_no_texts_give_no_vectors(self, embedder: Embedder) -> None:
        assert embedder.embed([]).shape == (0, embedder.dim)

    def test_an_empty_text_has_a_vector(self, embedder: Embedder) -> None:
        vectors = embedder.embed(["", "   "])
        assert vectors.shape == (2, embedder.dim)
        assert np.isfinite(vectors).all()

    def test_a_text_has_the_same_vector_in_any_company(self, embedder: Embedder) -> None:
        together = embedder.embed(_TEXTS)
        alone = np.concatenate([embedder.embed([text]) for text in _TEXTS])
        turned = embedder.embed(_TEXTS[::-1])[::-1]
        assert (np.sum(together * alone, axis=1) > 1 - self.tolerance).all()
        assert (np.sum(together * turned, axis=1) > 1 - self.tolerance).all()

    def test_the_same_call_gives_the_same_vectors(self, embedder: Embedder) -> None:
        np.testing.assert_array_equal(embedder.embed(_TEXTS), embedder.embed(_TEXTS))

    def test_near_texts_are_nearer_than_far_ones(self, embedder: Embedder) -> None:
        [question] = embedder.embed(["delete all messages in a queue"], kind="query")
        near, far = embedder.embed(["To delete the messages in a queue", "Bavarian pretzel recipe"])
        assert question @ near > question @ far

    def test_threads_do_not_disturb_each_other(self, embedder: Embedder) -> None:
        expected = embedder.embed(_TEXTS)
        with ThreadPoolExecutor(4) as pool:
            for vectors in pool.map(lambda _: embedder.embed(_TEXTS), range(8)):
                np.testing.assert_allclose(vectors, expected, atol=1e-5)

    def test_it_may_be_closed_twice_and_opened_again(self, make: Callable[[], Any]) -> None:
        embedder = make()
        _call(embedder, "open")
        before = embedder.embed(["queue"])
        _call(embedder, "close")
        _call(embedder, "close")
        _call(embedder, "open")
        np.testing.assert_allclose(embedder.embed(["queue"]), before, atol=1e-5)
        _call(embedder, "close")


def _call(embedder: Any, method: str) -> None:
    """`open` and `close` are optional."""
    getattr(embedder, method, lambda: None)()
