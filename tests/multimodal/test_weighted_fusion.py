from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from asbuilt.errors import BugError, UserError
from asbuilt.multimodal.fusion import WeightedFusion
from asbuilt.roles import FusionLayer

CHANNELS = ("text.words", "table.words", "text.meaning", "picture.clip")


def scores(*values: float) -> NDArray[np.float64]:
    return np.array(values)


def test_plays_the_role() -> None:
    assert isinstance(WeightedFusion(), FusionLayer)


def test_ways_are_added_and_of_one_way_the_best_counts() -> None:
    fused = WeightedFusion().fuse(
        {
            "text.words": scores(0.0, 4.0, 2.0),
            "table.words": scores(4.0, 4.0, math.nan),
            "text.meaning": scores(0.1, 0.1, 0.9),
        }
    )
    assert fused.scores == pytest.approx([0.5, 0.5, 0.75])
    assert fused.shares["table.words"] == pytest.approx([1, 0, 0])
    assert fused.shares["text.words"] == pytest.approx([0, 1, 1 / 3])
    assert fused.shares["text.meaning"] == pytest.approx([0, 0, 2 / 3])


def test_what_says_the_same_of_all_says_nothing() -> None:
    fused = WeightedFusion().fuse({"text.words": scores(1, 0), "text.meaning": scores(0.4, 0.4)})
    assert list(fused.scores.argsort()) == [1, 0]
    assert WeightedFusion().fuse({"text.words": scores(math.nan, math.nan)}).scores.tolist() == [0, 0]


@pytest.mark.parametrize("name", ["picture.clip", "picture", "clip"])
def test_a_weight_is_named_by_channel_modality_or_way(name: str) -> None:
    channels = {"text.words": scores(1, 0), "picture.clip": scores(0, 1)}
    off = WeightedFusion(weights={name: 0}).fuse(channels)
    assert off.scores.tolist() == [1, 0]
    assert WeightedFusion(weights={name: 3}).fuse(channels).scores == pytest.approx([0.25, 0.75])


def test_bad_calls_say_what_is_wrong() -> None:
    with pytest.raises(UserError, match=r"the weight of 'text' is -1; it must be 0 or more\."):
        WeightedFusion(weights={"text": -1})
    with pytest.raises(UserError, match="different numbers of items"):
        WeightedFusion().fuse({"text.words": scores(1), "table.words": scores(1, 2)})
    with pytest.raises(BugError):
        WeightedFusion().fuse({})
    with pytest.raises(BugError):
        WeightedFusion().join({}, examples={})


@st.composite
def channels(draw: st.DrawFn) -> dict[str, NDArray[np.float64]]:
    names = draw(st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True))
    n = draw(st.integers(1, 6))
    values = st.one_of(st.floats(-10, 10), st.just(math.nan))
    return {name: draw(arrays.arrays(np.float64, n, elements=values)) for name in names}


@given(channels())
def test_shares_add_up_and_scores_lie_between_0_and_1(given_scores: dict[str, NDArray[np.float64]]) -> None:
    fused = WeightedFusion().fuse(given_scores)
    assert np.all((fused.scores >= 0) & (fused.scores <= 1 + 1e-9))
    whole = np.sum(list(fused.shares.values()), axis=0)
    assert np.all(np.isclose(whole, 1) | ((whole == 0) & (fused.scores < 1e-9)))


def test_joined_channels_have_one_scale_that_the_examples_give() -> None:
    near, far = np.array([[1, 0], [3, 0]], np.float32), np.array([[100, 0, 0], [300, 0, 0]], np.float32)
    examples = {"text.meaning": near, "picture.clip": far}
    rows = {
        "text.meaning": np.array([[3, 0], [0, 0]], np.float32),
        "picture.clip": np.array([[100, 0, 0], [300, 0, 0]], np.float32),
    }
    joined = WeightedFusion().join(rows, examples=examples)
    assert joined.spans == {"text.meaning": (0, 2), "picture.clip": (2, 5)}
    assert joined.vectors.tolist() == [[1, 0, -1, 0, 0], [0, 0, 1, 0, 0]]  # a row of 0 is not seen
    same = WeightedFusion().join({"text.meaning": near}, examples={"text.meaning": near[:1]})
    assert not same.vectors.any()  # a single example gives no scale
