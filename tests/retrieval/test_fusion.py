from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import UserError
from asbuilt.retrieval.fusion import GRID, fit_weight, reciprocal_rank_fusion, weighted_sum
from asbuilt.types import ScoredId

# Eighths are exact, and so are their differences: scores that differ still do when normalised.
finite = st.integers(-8_000_000, 8_000_000).map(lambda eighths: eighths / 8)
weights = st.floats(0, 1)


@st.composite
def rankings(draw: st.DrawFn) -> list[ScoredId]:
    scores = draw(st.dictionaries(st.integers(0, 30), finite, max_size=20))
    return [ScoredId(key, score) for key, score in sorted(scores.items(), key=lambda item: -item[1])]


def ranking(*ids: int) -> list[ScoredId]:
    return [ScoredId(each, 10.0 - rank) for rank, each in enumerate(ids)]


def ids(found: list[ScoredId]) -> list[int]:
    return [scored.id for scored in found]


def test_reciprocal_ranks_by_hand() -> None:
    fused = reciprocal_rank_fusion([ranking(1, 2), ranking(2, 3)])
    assert fused == [ScoredId(2, 1 / 62 + 1 / 61), ScoredId(1, 1 / 61), ScoredId(3, 1 / 62)]


def test_weighted_sum_by_hand() -> None:
    dense = [ScoredId(1, 0.9), ScoredId(2, 0.6), ScoredId(3, 0.5)]
    terms = [ScoredId(3, 20.0), ScoredId(4, 12.0), ScoredId(1, 10.0)]
    assert {each.id: pytest.approx(each.score) for each in weighted_sum(dense, terms, weight=0.25)} == {
        1: 0.25 * 1 + 0.75 * 0,
        2: 0.25 * 0.25,
        3: 0.25 * 0 + 0.75 * 1,
        4: 0.75 * 0.2,
    }


def test_equal_scores_come_in_order_of_id() -> None:
    assert ids(reciprocal_rank_fusion([ranking(9), ranking(4)])) == [4, 9]
    assert ids(weighted_sum(ranking(9), ranking(4), weight=0.5)) == [4, 9]


@given(st.lists(rankings(), max_size=3), weights)
def test_fusion_keeps_every_point_once_best_first(sides: list[list[ScoredId]], weight: float) -> None:
    dense, terms = [*sides, [], []][:2]
    for fused, sources in (
        (reciprocal_rank_fusion(sides), sides),
        (weighted_sum(dense, terms, weight=weight), [dense, terms]),
    ):
        assert sorted(ids(fused)) == sorted({each.id for side in sources for each in side})
        assert fused == sorted(fused, key=lambda scored: (-scored.score, scored.id))


@given(rankings(), rankings(), weights)
def test_weighted_scores_are_between_0_and_1(
    dense: list[ScoredId], terms: list[ScoredId], weight: float
) -> None:
    assert all(0 <= each.score <= 1 + 1e-9 for each in weighted_sum(dense, terms, weight=weight))


@given(rankings(), rankings(), weights, st.sampled_from([0.5, 2.0, 1024.0]))
def test_the_scale_of_a_side_does_not_matter(
    dense: list[ScoredId], terms: list[ScoredId], weight: float, scale: float
) -> None:
    scaled = [ScoredId(each.id, each.score * scale) for each in terms]
    before = {each.id: each.score for each in weighted_sum(dense, terms, weight=weight)}
    after = {each.id: each.score for each in weighted_sum(dense, scaled, weight=weight)}
    assert after == pytest.approx(before)


@given(rankings(), rankings())
def test_a_weight_at_either_end_ranks_its_side_first(dense: list[ScoredId], terms: list[ScoredId]) -> None:
    by_dense = weighted_sum(dense, terms, weight=1)
    by_terms = weighted_sum(dense, terms, weight=0)
    if dense:
        assert by_dense[0].score == max(each.score for each in by_dense) == 1
        assert by_dense[0].id in {each.id for each in dense if each.score == dense[0].score}
    if terms:
        assert by_terms[0].id in {each.id for each in terms if each.score == terms[0].score}


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_out_of_range_is_refused(weight: float) -> None:
    with pytest.raises(UserError, match="weight"):
        weighted_sum([], [], weight=weight)


def test_the_fitted_weight_follows_the_side_that_is_right() -> None:
    right, wrong = ranking(1, 2, 3, 4), ranking(4, 3, 2, 1)
    assert fit_weight([(right, wrong, {1})] * 10) > 0.5
    assert fit_weight([(wrong, right, {1})] * 10) < 0.5


def test_a_fit_that_learns_nothing_stays_in_the_middle() -> None:
    assert fit_weight([]) == 0.5
    assert fit_weight([(ranking(1, 2), ranking(1, 2), {1})]) == 0.5
    assert fit_weight([(ranking(1, 2), ranking(1, 2), {99})]) == 0.5


def test_ties_of_reciprocal_rank_go_to_recall_at_5() -> None:
    """By meaning, 4 ranks third and sixth: 1/3 + 1/6. By terms nothing matches, ids decide: 1/4 + 1/4."""
    third, sixth = ranking(7, 6, 4, 5, 3, 2, 1), ranking(7, 6, 5, 3, 2, 4, 1)
    assert fit_weight([(third, [], {4}), (sixth, [], {4})]) == 0.0


@given(st.lists(st.tuples(rankings(), rankings(), st.sets(st.integers(0, 30), max_size=3)), max_size=5))
def test_the_fitted_weight_is_the_best_of_the_grid(
    cases: list[tuple[list[ScoredId], list[ScoredId], set[int]]],
) -> None:
    def mean_reciprocal_rank(weight: float) -> float:
        total = 0.0
        for dense, terms, right in cases:
            ranks = [
                rank
                for rank, each in enumerate(weighted_sum(dense, terms, weight=weight), start=1)
                if each.id in right
            ]
            total += 1 / ranks[0] if ranks else 0
        return total

    fitted = fit_weight(cases)
    assert fitted in GRID
    assert mean_reciprocal_rank(fitted) == pytest.approx(max(map(mean_reciprocal_rank, GRID)))
