"""Measures of one ranking. `relevances` are whether the passage at each rank is of a relevant document.

A document counts once, at its best rank: later passages of it are not relevant again. Definitions
stand in `asbuilt.blueprint.measures`; those of trec_eval agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from asbuilt.blueprint.cases import Case
from asbuilt.evaluation.outcome import Outcome
from asbuilt.retrieval.known_answers import answers

__all__ = ["RETRIEVAL_MEASURES", "relevances"]


def relevances(outcome: Outcome, case: Case) -> list[bool]:
    """Of each passage, in order, whether it is the first of a relevant document."""
    left = set(case.documents)
    seen: set[str] = set()
    marks = []
    for passage in outcome.passages:
        source = passage.source
        fitting = [each for each in left if answers(source, (each,))] if source not in seen else []
        if fitting:
            seen.add(source)
            left.remove(max(fitting, key=len))  # the most exact, should two names be ends of one path
        marks.append(bool(fitting))
    return marks


# Every measure takes the same, so that the table below can call each; not each needs all of it.
# ruff: noqa: ARG001


def recall(marks: Sequence[bool], relevant: int, k: int | None) -> float:
    return sum(marks[:k]) / relevant


def success(marks: Sequence[bool], relevant: int, k: int | None) -> float:
    return float(any(marks[:k]))


def precision(marks: Sequence[bool], relevant: int, k: int | None) -> float:
    assert k is not None, "parse_measure asks for a cut-off"
    return sum(marks[:k]) / k


def ndcg(marks: Sequence[bool], relevant: int, k: int | None) -> float:
    """Järvelin and Kekäläinen (2002), with gain 1 and log2(rank + 1)."""
    assert k is not None, "parse_measure asks for a cut-off"
    gained = sum(1 / math.log2(rank + 1) for rank, mark in enumerate(marks[:k], start=1) if mark)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, relevant) + 1))
    return gained / best


def mrr(marks: Sequence[bool], relevant: int, k: int | None) -> float:
    return next((1 / rank for rank, mark in enumerate(marks[:k], start=1) if mark), 0.0)


def average_precision(marks: Sequence[bool], relevant: int, k: int | None) -> float:
    found, total = 0, 0.0
    for rank, mark in enumerate(marks, start=1):
        if mark:
            found += 1
            total += found / rank
    return total / relevant


RETRIEVAL_MEASURES: dict[str, Callable[[Sequence[bool], int, int | None], float]] = {
    "recall": recall,
    "success": success,
    "precision": precision,
    "ndcg": ndcg,
    "mrr": mrr,
    "map": average_precision,
}
"""Each takes the marks, the number of relevant documents (at least 1) and the cut-off."""
