"""What is asked: the system itself, and the baselines that it must beat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, cast

from asbuilt.blueprint.cases import Case
from asbuilt.blueprint.measures import BASELINES
from asbuilt.errors import AsbuiltError, BugError, MissingError, NotFoundError, StorageError, UserError
from asbuilt.evaluation.outcome import Outcome, Task, of_answer, shown
from asbuilt.system import System
from asbuilt.types import Finished, GenerationOptions, Hit, Message

__all__ = ["SYSTEM", "Subject", "subjects"]

SYSTEM = "system"
"""The name of the system itself among the subjects."""

_DEFAULT_ANSWER_TOKENS = 512
_SEED = 0


class Subject:
    """Does the cases of a data set, each on its own. `tasks` are those that it can do."""

    def __init__(self, name: str, tasks: Mapping[Task, Callable[[str, int], dict[str, Any]]]) -> None:
        self.name = name
        self._tasks = tasks

    @property
    def tasks(self) -> frozenset[Task]:
        return frozenset(self._tasks)

    def do(self, task: Task, case: Case, *, data: str, depth: int) -> Outcome:
        """The outcome of `case`. What went wrong with it is one too; what would go wrong with every case
        (something is missing, or cannot be written) is raised, and so is a bug.

        `depth` is the number of passages to retrieve.
        """
        work = self._tasks[task]
        started = time.perf_counter()
        try:
            filled, error = work(case.question, depth), ""
        except (BugError, MissingError, NotFoundError, StorageError):
            raise
        except AsbuiltError as failure:
            filled, error = {}, str(failure)
        ms = 1000 * (time.perf_counter() - started)
        return Outcome(self.name, data, task, case.id, round(ms, 3), error=error, **filled)


def subjects(system: System, names: tuple[str, ...]) -> list[Subject]:
    """The system, then the baselines called `names`. Raises UserError for one that cannot be run."""
    unknown = [name for name in names if name not in BASELINES]
    if unknown:
        raise UserError(
            f"there is no baseline {unknown[0]!r} that can be run.", hint=f"Known: {', '.join(BASELINES)}."
        )
    own = Subject(
        SYSTEM,
        {
            "retrieve": lambda question, depth: {"passages": shown(system.search(question, top_k=depth))},
            "answer": lambda question, _depth: of_answer(system.ask(question)),
        },
    )
    made = {
        "retrieval-alone": lambda: Subject(
            "retrieval-alone", {"answer": lambda question, _depth: _best_passage(system, question)}
        ),
        "model-alone": lambda: Subject(
            "model-alone", {"answer": lambda question, _depth: {"text": _model_alone(system, question)}}
        ),
        "terms-only": lambda: Subject(
            "terms-only",
            {"retrieve": lambda question, depth: {"passages": shown(_by_terms(system, question, depth))}},
        ),
    }
    return [own, *(made[name]() for name in names)]


def _best_passage(system: System, question: str) -> dict[str, Any]:
    hits = system.search(question, top_k=1)
    return {"text": hits[0].chunk.text if hits else "", "passages": shown(hits), "refused": not hits}


def _by_terms(system: System, question: str, depth: int) -> list[Hit]:
    system.knowledge.catch_up()
    scored = system.index.search(question, top_k=depth)
    chunks = system.catalog.chunks([each.id for each in scored])
    return [Hit(chunks[each.id], each.score) for each in scored if each.id in chunks]


def _model_alone(system: System, question: str) -> str:
    """The model's own answer, told what the system is for but shown no documents."""
    messages = [Message("system", system.blueprint.system.purpose), Message("user", question)]
    options = GenerationOptions(temperature=0.0, max_tokens=_answer_tokens(system), seed=_SEED)

    async def text() -> str:
        events = cast(Any, system.generator.stream(messages, options=options))
        async with aclosing(events) as stream:
            async for event in stream:
                if isinstance(event, Finished):
                    return event.message.content
        raise BugError("a stream of events ended without Finished.")

    return asyncio.run(text())


def _answer_tokens(system: System) -> int:
    """As many as the assistant may write: a comparison gives both sides the same room."""
    for name in system.names_of("assistant"):
        limit = system.blueprint.component(name).config.get("max_tokens")
        if isinstance(limit, int):
            return limit
    return _DEFAULT_ANSWER_TOKENS
