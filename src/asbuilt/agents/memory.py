"""Memory in the project's catalogue: facts for all agents, notes of each."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from asbuilt.catalog import Catalog
from asbuilt.catalog.agent_facts import KeptText, fact_key
from asbuilt.errors import LimitError, UserError
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.retrieval.exact_index import BM25_B, BM25_K1
from asbuilt.retrieval.fusion import reciprocal_rank_fusion
from asbuilt.retrieval.terms import tokenize
from asbuilt.roles import Embedder
from asbuilt.runs import Fact
from asbuilt.types import ScoredId, Vector

__all__ = ["CatalogMemory"]

_SCOPE_CHARS = 64
_CANDIDATES = 4
"""How many times `top_k` facts each ranking brings: what one has low, the other may have high."""


@component("memory/catalog")
class CatalogMemory:
    """Keeps facts in the catalogue, where other processes and later runs find them.

    They are found by their words (BM25) and, with an `embedder`, by meaning (cosine), the two fused by
    their ranks. A scope holds `max_facts`; then the oldest go. Raises LimitError for a fact of more
    than `max_chars` characters, and keeps none of those that were given with it.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        embedder: Embedder | None = None,
        max_facts: int = 10_000,
        max_chars: int = 4_000,
    ) -> None:
        if min(max_facts, max_chars) < 1:
            raise UserError("max_facts and max_chars must be at least 1.")
        self._facts = catalog.agent_facts
        self._embedder = embedder
        self._max_facts = max_facts
        self._max_chars = max_chars

    demand = staticmethod(holds_nothing)

    def remember(self, facts: Sequence[Fact]) -> None:
        """See the role. Raises LimitError, and UserError for a fact that has no text or no scope."""
        for fact in facts:
            self._check(fact)
        model_id = "" if self._embedder is None else self._embedder.model_id
        vectors = self._vectors([fact.text for fact in facts])
        self._facts.keep(facts, most=self._max_facts, model_id=model_id, vectors=vectors)

    def recall(self, query: str, *, scopes: Sequence[str], top_k: int = 5) -> list[Fact]:
        """See the role. What has no word of the query, and with an embedder none of its meaning either, does
        not fit. Raises UserError for a `top_k` below 1."""
        if top_k < 1:
            raise UserError(f"top_k is {top_k}; it must be at least 1.")
        model_id = "" if self._embedder is None else self._embedder.model_id
        kept = self._facts.texts(scopes, model_id=model_id)
        rankings = [_by_words(query, kept)]
        if self._embedder is not None and kept and query.strip():
            rankings.append(_by_meaning(self._embedder.embed([query], kind="query")[0], self._embedded(kept)))
        best = reciprocal_rank_fusion(each[: _CANDIDATES * top_k] for each in rankings)
        return self._facts.facts([each.id for each in best[:top_k]])

    def _check(self, fact: Fact) -> None:
        if len(fact.text) > self._max_chars:
            raise LimitError(
                f"a fact has {len(fact.text):,} characters; at most {self._max_chars:,} are kept.",
                hint="Keep it in fewer words, or raise max_chars of the memory.",
            )
        if not fact.text.strip():
            raise UserError("a fact without text cannot be kept.")
        if not 1 <= len(fact.scope) <= _SCOPE_CHARS:
            raise UserError(f"scope {fact.scope!r} must have 1 to {_SCOPE_CHARS} characters.")
        try:
            f"{fact.text}{fact.scope}{fact.source}{fact.run}".encode()
        except UnicodeEncodeError:
            raise UserError(f"{fact.text!r} cannot be kept: it is no Unicode text.") from None

    def _vectors(self, texts: Sequence[str]) -> Mapping[str, Vector]:
        if self._embedder is None or not texts:
            return {}
        rows = self._embedder.embed(texts, kind="passage")
        return {fact_key(text): row for text, row in zip(texts, rows, strict=True)}

    def _embedded(self, kept: Sequence[KeptText]) -> list[tuple[int, Vector]]:
        """Each fact's vector; those that were kept without this embedder get theirs now."""
        assert self._embedder is not None
        new = self._vectors(list(dict.fromkeys(each.text for each in kept if each.vector is None)))
        if new:
            self._facts.add_vectors(self._embedder.model_id, new)
        return [(each.id, new[each.key] if each.vector is None else each.vector) for each in kept]


def _by_words(query: str, kept: Sequence[KeptText]) -> list[ScoredId]:
    """The facts that have a word of the query, scored as `Index` says."""
    facts = [(each.id, *_terms(each.text)) for each in kept]
    lengths = [length for _, _, length in facts if length]
    mean = sum(lengths) / max(1, len(lengths))
    scores: defaultdict[int, float] = defaultdict(float)
    for term in sorted(set(tokenize(query))):
        having = [(number, terms[term], length) for number, terms, length in facts if term in terms]
        weight = math.log1p((len(lengths) - len(having) + 0.5) / (len(having) + 0.5))
        for number, count, length in having:
            norm = BM25_K1 * (1 - BM25_B + BM25_B * length / mean)
            scores[number] += weight * count * (BM25_K1 + 1) / (count + norm)
    return _ranked(scores.items())


@lru_cache(maxsize=20_000)
def _terms(text: str) -> tuple[Mapping[str, int], int]:
    counts = Counter(tokenize(text))
    return counts, counts.total()


def _by_meaning(query: Vector, vectors: Sequence[tuple[int, Vector]]) -> list[ScoredId]:
    """The facts whose vectors point the query's way at all."""
    scored = ((number, float(vector @ query)) for number, vector in vectors)
    return _ranked((number, score) for number, score in scored if score > 0)


def _ranked(scored: Iterable[tuple[int, float]]) -> list[ScoredId]:
    """Best first, the newest of equals."""
    return [ScoredId(*each) for each in sorted(scored, key=lambda each: (-each[1], -each[0]))]
