"""Three agents that research together on a model of any size: what is found is quoted, what is written
about it is one sentence at a time, and what the sources do not support is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import PurePosixPath

from asbuilt.errors import UserError
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.retrieval.terms import tokenize
from asbuilt.roles import Desk, Generator, Tool
from asbuilt.runs import AgentCard, ToolCard, WorkResult
from asbuilt.types import GenerationOptions, Message, ToolCall

__all__ = ["CheckerAgent", "FinderAgent", "ReporterAgent"]

_SENTENCE_END = re.compile(r"(?<=[.!?])\s")
_STATEMENT = re.compile(r"^- (?P<sentence>.+) \[(?P<source>[^\[\]]+)\]$", re.MULTILINE)
_PASSAGE_CHARS = 1_500


@dataclass(frozen=True, slots=True)
class _Passage:
    source: str
    text: str


@component("agent/finder")
class FinderAgent:
    """Searches for the words of its subtask, and gives what its one tool found as it is: a JSON list of
    objects with source and text, as ``tool/search`` gives with ``form: json``. No model is behind it."""

    def __init__(self, *, tool: Tool, component_name: str, component_purpose: str) -> None:
        self._tool = tool
        spec = tool.spec
        card = ToolCard(spec.name, spec.description, tool.effect)
        self._card = AgentCard(component_name, component_purpose, (card,))

    demand = staticmethod(holds_nothing)

    @property
    def card(self) -> AgentCard:
        return self._card

    @property
    def tools(self) -> Sequence[Tool]:
        return (self._tool,)

    async def work(self, desk: Desk) -> str:
        """See the role."""
        call = ToolCall("find", self._tool.spec.name, {"query": desk.subtask.instruction})
        result = await desk.call(self._tool, call)
        if result.failed:
            raise UserError(f"nothing could be searched: {result.content}")
        return result.content


@component("agent/reporter")
class ReporterAgent:
    """Has its model say in one sentence what each passage of its inputs says, and puts the source behind
    it: a list of statements, each ``- sentence [source]``.

    The passages are taken from the inputs in turn, each source once, `statements` at most. A model that
    can hold one passage in mind is enough, and no citation is left to it. Where fewer than `least` (0 to
    1) of the sentence's terms stand in the passage, the passage itself is quoted instead: the sentence
    of it that has most of the task's terms.
    """

    def __init__(
        self,
        *,
        generator: Generator,
        component_name: str,
        component_purpose: str,
        statements: int = 5,
        least: float = 0.6,
        max_tokens: int = 80,
    ) -> None:
        if statements < 1:
            raise UserError(f"statements is {statements}; it must be at least 1.")
        self._least = _checked_share(least)
        self._generator = generator
        self._card = AgentCard(component_name, component_purpose)
        self._statements = statements
        self._options = GenerationOptions(temperature=0.0, max_tokens=max_tokens)

    demand = staticmethod(holds_nothing)

    @property
    def card(self) -> AgentCard:
        return self._card

    @property
    def tools(self) -> Sequence[Tool]:
        return ()

    async def work(self, desk: Desk) -> str:
        """See the role."""
        passages = list(_in_turn(desk.inputs))[: self._statements]
        if not passages:
            raise UserError("the inputs have no passage to report on.")
        names = _short([passage.source for passage in passages])
        lines = []
        for passage in passages:
            finished = await desk.generate(
                self._generator, _asked(desk.task, passage.text), options=self._options
            )
            sentence = _first_sentence(finished.message.content)
            if _support(sentence, passage) < self._least:
                sentence = f'"{_best_sentence(passage.text, desk.task)}"'
            lines.append(f"- {sentence} [{names[passage.source]}]")
        return "\n".join(lines)


@component("agent/checker")
class CheckerAgent:
    """Keeps the statements of a report that the passages support, and says how many it left out.

    A statement is supported when `least` (0 to 1) of its terms stand in the passage that it cites. Of its
    inputs those that are JSON lists are passages, the others reports. No model is behind it.
    """

    def __init__(self, *, component_name: str, component_purpose: str, least: float = 0.6) -> None:
        self._card = AgentCard(component_name, component_purpose)
        self._least = _checked_share(least)

    demand = staticmethod(holds_nothing)

    @property
    def card(self) -> AgentCard:
        return self._card

    @property
    def tools(self) -> Sequence[Tool]:
        return ()

    async def work(self, desk: Desk) -> str:
        """See the role."""
        passages = list(_in_turn(desk.inputs))
        reports = [each.text for each in desk.inputs.values() if not _passages(each)]
        statements = [found for report in reports for found in _STATEMENT.finditer(report)]
        kept = [each for each in statements if self._supported(each["sentence"], each["source"], passages)]
        if not kept:
            raise UserError(f"none of {len(statements)} statements is supported by what was found.")
        lines = [f"{desk.task}\n", *(each[0] for each in kept)]
        if left := len(statements) - len(kept):
            lines.append(f"\n{left} of {len(statements)} statements left out: their sources do not say so.")
        return "\n".join(lines)

    def _supported(self, sentence: str, source: str, passages: Sequence[_Passage]) -> bool:
        cited = [passage for passage in passages if passage.source.endswith(source)]
        return any(_support(sentence, passage) >= self._least for passage in cited)


def _checked_share(least: float) -> float:
    if not 0 < least <= 1:
        raise UserError(f"least is {least}; it must be above 0 and at most 1.")
    return least


def _support(sentence: str, passage: _Passage) -> float:
    """The share of a sentence's terms that stand in the passage or its source's name."""
    said = set(tokenize(sentence))
    known = set(tokenize(f"{passage.source} {passage.text}"))
    return len(said & known) / len(said) if said else 0.0


def _best_sentence(text: str, task: str) -> str:
    """The sentence of a text with most of the task's terms, the first of equals, on one line."""
    asked = set(tokenize(task))
    sentences = [" ".join(each.split()) for line in text.split("\n\n") for each in _SENTENCE_END.split(line)]
    sentences = [each.replace("[", "(").replace("]", ")").replace('"', "'") for each in sentences if each]
    return max(sentences, key=lambda each: len(asked & set(tokenize(each))), default="")


def _asked(task: str, passage: str) -> list[Message]:
    return [
        Message("system", "You say in one short sentence what a text says, in its own words."),
        Message(
            "user", f"Text:\n{passage[:_PASSAGE_CHARS]}\n\nIn one sentence, what does it say about: {task}"
        ),
    ]


def _first_sentence(text: str) -> str:
    """The first sentence on one line, without marks that would end a citation or begin a list."""
    line = " ".join(text.split())
    sentence = _SENTENCE_END.split(line, maxsplit=1)[0]
    return sentence.replace("[", "(").replace("]", ")").lstrip("-*# ").strip()


def _passages(result: WorkResult) -> list[_Passage]:
    try:
        found = json.loads(result.text)
    except ValueError:
        return []
    if not isinstance(found, list):
        return []
    return [
        _Passage(each["source"], each["text"])
        for each in found
        if isinstance(each, dict) and {"source", "text"} <= each.keys()
    ]


def _in_turn(inputs: Mapping[str, WorkResult]) -> Iterator[_Passage]:
    """The best of each input, then the second of each, and so on; each source once."""
    seen: set[str] = set()
    for row in zip_longest(*(_passages(result) for result in inputs.values())):
        for passage in row:
            if passage is not None and passage.source not in seen:
                seen.add(passage.source)
                yield passage


def _short(sources: Sequence[str]) -> dict[str, str]:
    """Each source by as much of the end of its path as tells it apart from the others."""
    names = {}
    for source in sources:
        parts = PurePosixPath(source).parts
        for count in range(min(2, len(parts)), len(parts) + 1):
            name = "/".join(parts[-count:]).removeprefix("//")
            if sum(other.endswith(name) for other in set(sources)) == 1:
                break
        names[source] = name
    return names
