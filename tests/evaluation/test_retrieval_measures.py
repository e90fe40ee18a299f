"""Measures of rankings agree with an independent implementation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ir_measures
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ir_measures import AP, RR, P, Qrel, R, ScoredDoc, Success, nDCG

from asbuilt.blueprint.cases import Case
from asbuilt.blueprint.measures import MEASURES, parse_measure
from asbuilt.evaluation.outcome import Outcome, Passage
from asbuilt.evaluation.retrieval_measures import RETRIEVAL_MEASURES
from asbuilt.evaluation.scoring import score_cases

REFERENCE: dict[str, Callable[[int], Any]] = {
    "recall": lambda k: R @ k,
    "success": lambda k: Success @ k,
    "precision": lambda k: P @ k,
    "ndcg": lambda k: nDCG @ k,
    "mrr": lambda k: RR @ k,
}

DOCUMENTS = [f"folder/page-{number}" for number in range(12)]
RANKINGS = st.lists(st.sampled_from(DOCUMENTS), unique=True)
RELEVANT = st.lists(st.sampled_from(DOCUMENTS), unique=True, min_size=1)


def outcome(ranking: Sequence[str], *, error: str = "") -> Outcome:
    """As found: passages of documents, best first."""
    passages = tuple(Passage(f"/corpus/{each}.md", at, at + 1, "text") for at, each in enumerate(ranking))
    return Outcome("system", "known", "retrieve", "q", 1.0, passages=passages, error=error)


def ours(measure: str, ranking: Sequence[str], relevant: Sequence[str]) -> float:
    case = Case("q", "?", documents=tuple(relevant))
    return score_cases(parse_measure(measure), [case], {"q": outcome(ranking)}).by_case["q"]


def theirs(measure: Any, ranking: Sequence[str], relevant: Sequence[str]) -> float:
    judged = [Qrel("q", each, 1) for each in relevant]
    run = [ScoredDoc("q", each, 1000.0 - at) for at, each in enumerate(ranking)]
    # One that found nothing is missing in a run, which ir_measures leaves out unless it is aggregated.
    return float(ir_measures.calc_aggregate([measure], judged, run)[measure])


@given(st.sampled_from(sorted(REFERENCE)), st.integers(1, 15), RANKINGS, RELEVANT)
@example("ndcg", 1, [], [DOCUMENTS[0]])
@example("recall", 5, DOCUMENTS, DOCUMENTS)
def test_measures_with_a_cut_off_are_those_of_the_field(
    name: str, k: int, ranking: list[str], relevant: list[str]
) -> None:
    expected = theirs(REFERENCE[name](k), ranking, relevant)
    assert ours(f"{name}@{k}", ranking, relevant) == pytest.approx(expected, abs=1e-9)


@given(RANKINGS, RELEVANT)
def test_measures_without_one_too(ranking: list[str], relevant: list[str]) -> None:
    assert ours("mrr", ranking, relevant) == pytest.approx(theirs(RR, ranking, relevant), abs=1e-9)
    assert ours("map", ranking, relevant) == pytest.approx(theirs(AP, ranking, relevant), abs=1e-9)


def test_every_retrieval_measure_is_compared() -> None:
    named = {name for name, measure in MEASURES.items() if measure.source == "retrieval"}
    assert set(RETRIEVAL_MEASURES) == named == {*REFERENCE, "map"}


@given(st.lists(st.sampled_from(DOCUMENTS)), RELEVANT, st.integers(1, 15))
def test_of_several_passages_of_a_document_only_the_first_counts(
    ranking: list[str], relevant: list[str], k: int
) -> None:
    """As if every later passage were of a document that nobody asked for."""
    seen: set[str] = set()
    unique = []
    for at, each in enumerate(ranking):
        unique.append(f"repeated/{at}" if each in seen else each)
        seen.add(each)
    for name, reference in REFERENCE.items():
        expected = theirs(reference(k), unique, relevant)
        assert ours(f"{name}@{k}", ranking, relevant) == pytest.approx(expected, abs=1e-9), name
    assert ours("map", ranking, relevant) == pytest.approx(theirs(AP, unique, relevant), abs=1e-9)


def test_a_document_that_a_case_names_twice_is_one() -> None:
    assert ours("recall@5", [DOCUMENTS[0]], [DOCUMENTS[0], DOCUMENTS[0]]) == 1
    # By two names too: the passage of one document is not the answer to both.
    assert ours("recall@5", [DOCUMENTS[0], DOCUMENTS[0]], ["page-0", "folder/page-0"]) == 0.5


@given(RANKINGS, RELEVANT, st.integers(1, 15))
def test_scores_are_shares_and_recall_grows_with_the_cut_off(
    ranking: list[str], relevant: list[str], k: int
) -> None:
    for name in (*(f"{name}@{k}" for name in REFERENCE), "mrr", "map"):
        assert 0 <= ours(name, ranking, relevant) <= 1, name
    assert ours(f"recall@{k}", ranking, relevant) <= ours(f"recall@{k + 1}", ranking, relevant)
    assert ours(f"mrr@{k}", ranking, relevant) <= ours("mrr", ranking, relevant)


def test_a_failed_case_is_wrong_and_one_without_documents_is_unscored() -> None:
    cases = [Case("a", "?", documents=("folder/page-0",)), Case("b", "?", documents=("x",)), Case("c", "?")]
    outcomes = {
        "a": outcome(["folder/page-0"]),
        "b": outcome([], error="the index is away."),
        "c": outcome(["folder/page-1"]),
    }
    scores = score_cases(parse_measure("recall@5"), cases, outcomes)
    assert (dict(scores.by_case), scores.failures, scores.unscored) == ({"a": 1.0, "b": 0.0}, 1, 1)
