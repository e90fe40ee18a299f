"""The hybrid retriever: meaning and terms, fused by a weight fitted on the collection."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from asbuilt.blueprint.cases import Case
from asbuilt.catalog import Catalog
from asbuilt.errors import UserError
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.retrieval.fusion import Ranking, fit_weight, reciprocal_rank_fusion, weighted_sum
from asbuilt.retrieval.known_answers import answers
from asbuilt.retrieval.terms import tokenize
from asbuilt.roles import Embedder, Index, Reranker
from asbuilt.types import Chunk, Filters, Hit, ScoredId, SideScore

__all__ = ["Explanation", "Fit", "HybridRetriever", "metadata_of"]

Mode = Literal["hybrid", "dense", "terms"]

DEFAULT_WEIGHT = 0.5
"""Of meaning against terms, until a weight has been fitted on known answers."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Hits, where the time went (milliseconds by stage), and how the sides were fused."""

    hits: tuple[Hit, ...]
    times_ms: Mapping[str, float]
    fusion: str


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted weight of the dense side, and on how many questions."""

    weight: float
    cases: int


@component("retriever/hybrid")
class HybridRetriever:
    """Searches by meaning and by terms, fuses both, and drops what is not relevant.

    - `mode`: both sides, or one of them.
    - `fusion`: "weighted" adds the sides' scores, each normalised to 0..1 over its candidates;
      "rrf" adds reciprocal ranks (Cormack, Clarke and Buettcher, SIGIR 2009, k = 60).
    - `weight` of the dense side for "weighted"; None takes the weight fitted on known answers.
    - `candidates`: how many points each side contributes.
    - `max_per_document`: at most so many hits of one document; None is no limit.
    - Nothing relevant was found, and nothing is returned, unless one of the hits reaches the cosine
      `min_similarity` with the question or holds the share `min_coverage` of its terms. The
      defaults were set on the AWS example: 95 % of everyday questions about AWS pass, 10 % of
      questions about other things do (docs/log.md).
    """

    def __init__(
        self,
        *,
        embedder: Embedder,
        index: Index,
        catalog: Catalog,
        reranker: Reranker | None = None,
        top_k: int = 5,
        mode: Mode = "hybrid",
        fusion: Literal["weighted", "rrf"] = "weighted",
        weight: float | None = None,
        candidates: int = 50,
        max_per_document: int | None = None,
        min_similarity: float = 0.28,
        min_coverage: float = 0.6,
    ) -> None:
        if weight is not None and not 0 <= weight <= 1:
            raise UserError(f"weight {weight!r} is not between 0 (terms only) and 1 (meaning only).")
        self._embedder = embedder
        self._index = index
        self._catalog = catalog
        self._reranker = reranker
        self._top_k = top_k
        self._mode = mode
        self._fusion = fusion
        self._weight = weight
        self._candidates = candidates
        self._max_per_document = max_per_document
        self._min_similarity = min_similarity
        self._min_coverage = min_coverage

    demand = staticmethod(holds_nothing)

    def open(self) -> None:
        """Take the fitted weight from the catalogue, unless one was given."""
        if self._weight is None:
            fitted = self._catalog.fact(self._fact_key)
            self._weight = float(fitted["weight"]) if fitted else None

    @property
    def weight(self) -> float:
        """The dense side's weight in use."""
        return DEFAULT_WEIGHT if self._weight is None else self._weight

    def retrieve(self, query: str, *, top_k: int | None = None, filters: Filters | None = None) -> list[Hit]:
        return list(self.explain(query, top_k=top_k, filters=filters).hits)

    def explain(
        self,
        query: str,
        *,
        top_k: int | None = None,
        filters: Filters | None = None,
        mode: Mode | None = None,
    ) -> Explanation:
        """Like `retrieve`, with every side's rank and score, and times.

        `mode` overrides the configured one, so that one side can be looked at alone; what it finds
        is then returned whether relevant or not.
        """
        limit = self._top_k if top_k is None else top_k
        if limit < 1:
            raise UserError(f"top_k {limit!r} must be at least 1.")
        if not query.strip():
            return Explanation((), {}, "none: the query is empty")
        clock = _Clock()
        sides = self._search_sides(query, max(self._candidates, limit), filters, mode or self._mode, clock)
        fused = self._fuse(sides)
        clock.lap("fuse")
        hits = self._hydrate(fused, sides, limit if self._reranker is None else self._candidates)
        clock.lap("fetch")
        if self._reranker is not None:
            hits = _reranked(self._reranker, query, hits)
            clock.lap("rerank")
        hits = hits[:limit]
        if mode is None and not self._any_relevant(query, hits):
            hits = []
        clock.lap("check")
        return Explanation(tuple(hits), clock.times_ms, self._describe_fusion(sides))

    def fit(self, cases: Sequence[Case], *, filters: Filters | None = None) -> Fit:
        """Fit the dense side's weight on questions with known answers, use it, and remember it.

        Raises UserError when no answer is among the candidates of any question.
        """
        rankings: list[tuple[Ranking, Ranking, frozenset[int]]] = []
        for case in cases:
            sides = self._search_sides(case.question, self._candidates, filters, "hybrid", _Clock())
            ids = {scored.id for side in sides.values() for scored in side}
            chunks = self._catalog.chunks(sorted(ids))
            right = frozenset(key for key, chunk in chunks.items() if answers(chunk.source, case.documents))
            if right:
                rankings.append((sides["dense"], sides["terms"], right))
        if not rankings:
            raise UserError(
                f"none of the {len(cases)} known answers was found, so no weight can be fitted.",
                hint="Are the documents that they name ingested?",
            )
        weight = fit_weight(rankings)
        self._weight = weight
        self._catalog.put_fact(self._fact_key, {"weight": weight, "cases": len(cases)})
        return Fit(weight, len(cases))

    # ------------------------------------------------------------ stages

    @property
    def _fact_key(self) -> str:
        return f"fusion-weight/{self._embedder.model_id}"

    def _search_sides(
        self, query: str, depth: int, filters: Filters | None, mode: Mode, clock: _Clock
    ) -> dict[str, list[ScoredId]]:
        sides: dict[str, list[ScoredId]] = {}
        if mode != "terms":
            vector = self._embedder.embed([query], kind="query")[0]
            clock.lap("embed")
            sides["dense"] = self._index.search(vector, top_k=depth, filters=filters)
            clock.lap("dense")
        if mode != "dense":
            sides["terms"] = self._index.search(query, top_k=depth, filters=filters)
            clock.lap("terms")
        return sides

    def _fuse(self, sides: Mapping[str, list[ScoredId]]) -> list[ScoredId]:
        if len(sides) == 1 or not all(sides.values()):
            return next((side for side in sides.values() if side), [])
        if self._fusion == "rrf":
            return reciprocal_rank_fusion(list(sides.values()))
        return weighted_sum(sides["dense"], sides["terms"], weight=self.weight)

    def _hydrate(
        self, fused: Sequence[ScoredId], sides: Mapping[str, list[ScoredId]], limit: int
    ) -> list[Hit]:
        """The first `limit` points as hits; points that the catalogue no longer shows are left out."""
        ranks = {
            side: {scored.id: SideScore(rank, scored.score) for rank, scored in enumerate(points, start=1)}
            for side, points in sides.items()
        }
        # A little more than needed: some may be hidden or share a document.
        chunks = self._catalog.chunks([scored.id for scored in fused[: 4 * limit]])
        per_document: dict[int, int] = {}
        hits: list[Hit] = []
        for scored in fused[: 4 * limit]:
            chunk = chunks.get(scored.id)
            if chunk is None:
                continue
            count = per_document.get(chunk.document_id, 0)
            if self._max_per_document is not None and count >= self._max_per_document:
                continue
            per_document[chunk.document_id] = count + 1
            found = {side: ranks[side][chunk.id] for side in sides if chunk.id in ranks[side]}
            hits.append(Hit(chunk, scored.score, found))
            if len(hits) == limit:
                break
        return hits

    def _any_relevant(self, query: str, hits: Sequence[Hit]) -> bool:
        if any("dense" in hit.sides and hit.sides["dense"].score >= self._min_similarity for hit in hits):
            return True
        wanted = set(tokenize(query))
        return bool(wanted) and any(
            len(wanted & set(tokenize(_everything(hit.chunk)))) >= self._min_coverage * len(wanted)
            for hit in hits
        )

    def _describe_fusion(self, sides: Mapping[str, list[ScoredId]]) -> str:
        if len(sides) == 1:
            return f"none: {next(iter(sides))} only"
        if not sides["dense"]:
            return "none: no embeddings yet, terms only"
        if self._fusion == "rrf":
            return "reciprocal ranks, k = 60"
        origin = "fitted or given" if self._weight is not None else "default, not fitted"
        return f"weighted sum, dense {self.weight:.2f} ({origin})"


def metadata_of(chunk: Chunk) -> dict[str, Any]:
    """What a search result says of where its passage stands."""
    return {
        **chunk.metadata,
        "source": chunk.source,
        "collection": chunk.collection,
        "document_id": chunk.document_id,
        "version": chunk.version,
        "chunk_id": chunk.id,
        "start": chunk.start,
        "end": chunk.end,
        "page": chunk.page,
        "headings": list(chunk.headings),
    }


def _everything(chunk: Chunk) -> str:
    return f"{chunk.source} {' '.join(chunk.headings)} {chunk.text}"


def _reranked(reranker: Reranker, query: str, hits: Sequence[Hit]) -> list[Hit]:
    scores = reranker.score(query, [hit.chunk.text for hit in hits])
    order = sorted(range(len(hits)), key=lambda at: (-scores[at], at))
    return [
        replace(
            hits[at],
            score=scores[at],
            sides={**hits[at].sides, "rerank": SideScore(rank, scores[at])},
        )
        for rank, at in enumerate(order, start=1)
    ]


class _Clock:
    """Milliseconds between laps."""

    def __init__(self) -> None:
        self.times_ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.times_ms[stage] = 1000 * (now - self._last)
        self._last = now
