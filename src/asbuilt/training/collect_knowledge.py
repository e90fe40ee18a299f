"""Rows that teach to answer from retrieved passages, rendered with the assistant's own prompt."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Literal

from asbuilt.blueprint.cases import Case, read_cases
from asbuilt.errors import LimitError, UserError
from asbuilt.lineage import TrainingRow
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.retrieval.known_answers import answers
from asbuilt.roles import Assistant, PromptRenderer
from asbuilt.training.rows import FaultyRow, make_room
from asbuilt.types import Hit, Message

__all__ = ["KnowledgeCollector"]


@component("collector/knowledge")
class KnowledgeCollector:
    """A row for each case of `file`: what `assistant` would give its model, and the case's reference.

    `file` has the form of an evaluation data set, and must not be one that is evaluated on. Rows of
    one `cluster` (else of the same first document) are of one source. Where the passages are of none
    of the case's documents, the reference cannot be read off them: such a row would teach to make
    things up. `unread` says what becomes of it: "reject" leaves it to the preprocessor to count,
    "refusal" makes it one that teaches to reply `refusal`, "keep" keeps it. `refusal` is the
    reply to unanswerable cases, too; without it those are rejected. `reply` is what is learnt: in it
    ``{reference}`` stands for the case's reference, and ``{passage}`` for the number of the first passage
    of the case's documents. The marker of the fences is drawn from `seed` and the question.
    """

    def __init__(
        self,
        *,
        assistant: Assistant,
        file: Path,
        split: str | None = None,
        unread: Literal["reject", "refusal", "keep"] = "reject",
        refusal: str = "",
        reply: str = "{reference}",
        seed: int = 0,
    ) -> None:
        if "{reference}" not in reply:
            raise UserError(
                f"collector/knowledge has reply: {reply!r}, in which {{reference}} does not stand.",
                hint='Write it as "{reference}" or "`{reference}` [{passage}]".',
            )
        if unread == "refusal" and not refusal:
            raise UserError(
                "collector/knowledge has unread: refusal, but no refusal to learn.",
                hint="Set `refusal` to the reply that the assistant's instructions ask for.",
            )
        self._assistant = assistant
        self._file = file
        self._split = split
        self._unread = unread
        self._refusal = refusal
        self._reply = reply
        self._seed = seed

    demand = staticmethod(holds_nothing)

    def collect(self) -> Iterator[TrainingRow]:
        """Rows in the order of the file, with `split` those of that split only."""
        if not isinstance(self._assistant, PromptRenderer):
            raise UserError(
                f"{type(self._assistant).__name__} cannot say what it would give its model.",
                hint="collector/knowledge needs an assistant with the method prompt_for, as assistant/cited.",
            )
        cases = [case for case in read_cases(self._file) if self._split in (None, case.split)]
        if not cases:
            raise UserError(f"no case of {self._file} has the split {self._split!r}.")
        try:
            for case in cases:
                yield self._row(self._assistant, case)
        finally:
            make_room(self._assistant)

    def _row(self, renderer: PromptRenderer, case: Case) -> TrainingRow:
        origin = f"knowledge:{self._file.name}:{case.id}"
        source = case.cluster or (case.documents[0] if case.documents else origin)
        asked = [Message("user", case.question)]
        marker = sha256(f"{self._seed}\n{case.question}".encode()).hexdigest()[:8]
        try:
            prompt, hits = renderer.prompt_for(asked, marker=marker)
        except LimitError as error:
            return FaultyRow(tuple(asked), source, origin, fault=str(error))
        if not prompt:
            return FaultyRow(tuple(asked), source, origin, fault="nothing is retrieved for it")
        passage = _passage_of(hits, case.documents)
        read = not case.documents or passage is not None
        if not read and self._unread == "reject":
            fault = f"no passage is of {', '.join(case.documents)}"
            return FaultyRow(tuple(prompt), source, origin, fault=fault)
        refused = case.unanswerable or (not read and self._unread == "refusal")
        if not (self._refusal if refused else case.reference).strip():
            return FaultyRow(tuple(prompt), source, origin, fault="it has no reference")
        learnt = self._reply.replace("{passage}", str(passage or 1)).replace("{reference}", case.reference)
        reply = self._refusal if refused else learnt
        return TrainingRow((*prompt, Message("assistant", reply)), source, origin)


def _passage_of(hits: list[Hit], documents: tuple[str, ...]) -> int | None:
    """The number of the first passage that is of one of `documents`."""
    numbers = (n for n, hit in enumerate(hits, 1) if answers(hit.chunk.source, documents))
    return next(numbers, None)
