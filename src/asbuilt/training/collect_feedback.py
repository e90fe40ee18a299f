"""Rows from answers that users rated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from asbuilt.blueprint.state import catalog_file
from asbuilt.catalog import Catalog
from asbuilt.catalog.answers import PLEASED, RatedAnswer
from asbuilt.errors import LimitError, UserError
from asbuilt.lineage import TrainingRow
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import Assistant, PromptRenderer
from asbuilt.training.near import normalised
from asbuilt.training.rows import FaultyRow, make_room
from asbuilt.types import Message

__all__ = ["FeedbackCollector"]


@component("collector/feedback")
class FeedbackCollector:
    """A row for each answer in the catalogue that was rated `liked` or better; where another answer to the
    same conversation was rated `disliked` or worse, the worst of these is its `worse`.

    They are those of the service of `blueprint`; without it, of this blueprint's own. With `assistant`, a
    row's prompt is what that assistant would give its model today, passages included; without, it is
    the bare conversation. Conversations that begin alike are of one source.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        assistant: Assistant | None = None,
        blueprint: Path | None = None,
        liked: int = PLEASED,
        disliked: int = 2,
        seed: int = 0,
    ) -> None:
        if not 1 <= disliked < liked <= 5:
            raise UserError(
                f"collector/feedback has disliked: {disliked} and liked: {liked}; ratings go from 1 to 5, "
                "and what is liked must be above what is disliked."
            )
        self._catalog = catalog
        self._blueprint = blueprint
        self._assistant = assistant
        self._liked = liked
        self._disliked = disliked
        self._seed = seed

    demand = staticmethod(holds_nothing)

    def collect(self) -> Iterator[TrainingRow]:
        """Rows in the order in which the answers were given."""
        renderer = self._assistant
        if renderer is not None and not isinstance(renderer, PromptRenderer):
            raise UserError(
                f"{type(renderer).__name__} cannot say what it would give its model.",
                hint="collector/feedback takes an assistant with the method prompt_for, as assistant/cited.",
            )
        rated = self._rated()
        bad: dict[tuple[Message, ...], list[RatedAnswer]] = defaultdict(list)
        for answer in rated:
            if answer.rating <= self._disliked:
                bad[answer.messages].append(answer)
        try:
            for answer in rated:
                if answer.rating >= self._liked:
                    others = [each for each in bad[answer.messages] if each.text != answer.text]
                    worse = min(others, key=lambda each: each.rating).text if others else None
                    yield self._row(renderer, answer, worse)
        finally:
            make_room(self._assistant)

    def _rated(self) -> list[RatedAnswer]:
        if self._blueprint is None:
            return self._catalog.answers.rated()
        file = catalog_file(self._blueprint.parent)
        if not file.is_file():
            raise UserError(
                f"no answers of {self._blueprint} are kept: there is no {file}.",
                hint="Serve it first, and have its answers rated (POST /api/v1/feedback).",
            )
        served = Catalog(file=file)
        served.open()
        try:
            return served.answers.rated()
        finally:
            served.close()

    def _row(self, renderer: PromptRenderer | None, answer: RatedAnswer, worse: str | None) -> TrainingRow:
        origin, source = f"feedback:{answer.id}", _source(answer.messages)
        reply = Message("assistant", answer.text)
        if renderer is None:
            return TrainingRow((*answer.messages, reply), source, origin, worse)
        marker = sha256(f"{self._seed}\n{answer.messages}".encode()).hexdigest()[:8]
        try:
            prompt, _ = renderer.prompt_for(answer.messages, marker=marker)
        except LimitError as error:
            return FaultyRow(answer.messages, source, origin, fault=str(error))
        if not prompt:
            return FaultyRow(answer.messages, source, origin, fault="nothing is retrieved for it")
        return TrainingRow((*prompt, reply), source, origin, worse)


def _source(messages: Sequence[Message]) -> str:
    """By the first words of the user, in any spelling: later turns of a conversation hold them too."""
    first = next((each.content for each in messages if each.role == "user"), "")
    return f"feedback:{sha256(normalised(first).encode()).hexdigest()[:12]}"
