"""A query against the parts of pages: one score a page in each channel, and the parts that made it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asbuilt.modalities import InputPart, Modality, RoutedPage
from asbuilt.retrieval.terms import tokenize
from asbuilt.types import Matrix, Vector

__all__ = ["PageScores", "score_pages"]

_K1, _B = 1.2, 0.75  # BM25, as the indexes have it
_READ: tuple[Modality, ...] = ("text", "table")


@dataclass(frozen=True, slots=True, eq=False)
class PageScores:
    """Scores of shape (pages,) by channel, NaN where a page has no such part; and for each page the
    best part of each modality with the share (0 to 1) of the query's terms that stand in it, rare terms
    counting for more."""

    channels: dict[str, NDArray[np.float64]]
    matches: tuple[tuple[tuple[InputPart, float], ...], ...]


def score_pages(
    pages: Sequence[RoutedPage],
    query: str,
    *,
    vector: Vector,
    embed: Callable[[Sequence[str]], Matrix],
) -> PageScores:
    """Passages and tables against the query, by words (BM25 over parts) and by meaning (cosine).

    `vector` is the query's; `embed` gives those of passages. A page scores what its best part of a
    modality scores.
    """
    parts = [(number, part) for number, page in enumerate(pages) for part in page.parts]
    readable = [(number, part) for number, part in parts if part.modality in _READ and part.text]
    if not readable:
        return PageScores({}, tuple(_looks(page) for page in pages))
    terms = [Counter(tokenize(part.text)) for _, part in readable]
    asked = sorted(set(tokenize(query)))
    weights = _rarity(asked, terms)
    words = _bm25(asked, weights, terms)
    meaning = np.asarray(embed([part.text for _, part in readable]) @ vector, dtype=np.float64)
    shares = [_share(asked, weights, counts) for counts in terms]
    channels: dict[str, NDArray[np.float64]] = {}
    best: list[dict[Modality, tuple[float, InputPart, float]]] = [{} for _ in pages]
    for modality in _READ:
        of_words, of_meaning = (np.full(len(pages), np.nan) for _ in range(2))
        for place, (number, part) in enumerate(readable):
            if part.modality != modality:
                continue
            of_words[number] = np.fmax(of_words[number], words[place])
            of_meaning[number] = np.fmax(of_meaning[number], meaning[place])
            key = (shares[place] + meaning[place], part, shares[place])
            if modality not in best[number] or key[0] > best[number][modality][0]:
                best[number][modality] = key
        if np.isfinite(of_words).any():
            channels |= {f"{modality}.words": of_words, f"{modality}.meaning": of_meaning}
    matches = tuple(
        (*((part, share) for _, part, share in found.values()), *_looks(page))
        for page, found in zip(pages, best, strict=True)
    )
    return PageScores(channels, matches)


def _looks(page: RoutedPage) -> tuple[tuple[InputPart, float], ...]:
    return tuple((part, 0.0) for part in page.parts if part.modality == "picture")


def _rarity(asked: Sequence[str], terms: Sequence[Counter[str]]) -> dict[str, float]:
    """Inverse document frequency of each term, over parts (Robertson and Zaragoza, 2009, with 1 added so
    that it is never negative)."""
    n = len(terms)
    held = {term: sum(term in counts for counts in terms) for term in asked}
    return {term: math.log(1 + (n - found + 0.5) / (found + 0.5)) for term, found in held.items()}


def _bm25(
    asked: Sequence[str], weights: dict[str, float], terms: Sequence[Counter[str]]
) -> NDArray[np.float64]:
    lengths = np.array([counts.total() for counts in terms], dtype=np.float64)
    usual = lengths.mean() or 1.0
    scores = np.zeros(len(terms))
    for term in asked:
        found = np.array([counts[term] for counts in terms], dtype=np.float64)
        scores += weights[term] * found * (_K1 + 1) / (found + _K1 * (1 - _B + _B * lengths / usual))
    return scores


def _share(asked: Sequence[str], weights: dict[str, float], counts: Counter[str]) -> float:
    whole = sum(weights[term] for term in asked)
    return sum(weights[term] for term in asked if counts[term]) / whole if whole else 0.0
