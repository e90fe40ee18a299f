"""The head that ranks pages."""

from __future__ import annotations

from asbuilt.errors import BugError, UserError
from asbuilt.modalities import (
    Fused,
    FusedScores,
    Modality,
    Place,
    RankedPage,
    RoutedPage,
    Task,
    TaskKind,
    TaskOutput,
    modality_of,
)
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing

__all__ = ["RetrieveHead", "ranked_pages"]


@component("head/retrieve")
class RetrieveHead:
    """One list over text, tables and pictures, with the share that each of them has in a page's score.

    Pages whose score is 0 are left out: nothing speaks for them.
    """

    def __init__(self) -> None: ...

    demand = staticmethod(holds_nothing)

    @property
    def task(self) -> TaskKind:
        return "retrieve"

    @property
    def pictures(self) -> int:
        return 0

    def run(self, task: Task, fused: Fused) -> TaskOutput:
        """See the role."""
        if not task.query.strip():
            raise UserError("there is no query to rank pages for.")
        if fused.scores is None:
            raise BugError("the pages have no scores.")
        return TaskOutput("retrieve", task.query, ranked=ranked_pages(fused, top_k=task.top_k))


def ranked_pages(fused: Fused, *, top_k: int) -> tuple[RankedPage, ...]:
    """The best pages of `fused`, which has scores; equals in the order of the input."""
    scores = fused.scores
    assert scores is not None
    order = sorted(range(len(fused.pages)), key=lambda number: -scores.scores[number])
    best = [number for number in order if scores.scores[number] > 0][:top_k]
    return tuple(_ranked(rank, number, fused, scores) for rank, number in enumerate(best, start=1))


def _ranked(rank: int, number: int, fused: Fused, scores: FusedScores) -> RankedPage:
    page = fused.pages[number]
    shares: dict[Modality, float] = {}
    for channel, share in scores.shares.items():
        modality = modality_of(channel)
        shares[modality] = shares.get(modality, 0.0) + float(share[number])
    shares = {modality: round(share, 4) for modality, share in shares.items() if share > 0}
    shares = dict(sorted(shares.items(), key=lambda each: (-each[1], each[0])))
    places = _places(page, number, fused, shares)
    score = round(float(scores.scores[number]), 6)
    return RankedPage(rank, page.source, page.layout.number, score, shares, places)


def _places(page: RoutedPage, number: int, fused: Fused, shares: dict[Modality, float]) -> tuple[Place, ...]:
    parts = {part.modality: part for part, _ in fused.matches[number]}
    found = [parts[modality] for modality in shares if modality in parts]
    return tuple(Place(page.source, page.layout.number, part.box, part.modality, part.text) for part in found)
