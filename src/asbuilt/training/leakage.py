"""Rows that hold what an evaluation set asks."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from asbuilt.lineage import HeldOut, TrainingRow
from asbuilt.training.near import jaccard, normalised, shingles

__all__ = ["Leak", "Leakage", "References", "asked"]

References = Literal["similar-question", "any", "ignore"]
"""When a reply that holds a reference leaks it: with a similar question, always, or never."""

_SIMILAR = 0.5
_CONTAINED = 0.9
_MIN_CONTAINED_WORDS = 6  # shorter questions stand in other texts by chance
_MIN_REFERENCE_WORDS = 3
# Passages in a prompt of the assistant stand between fences with a marker of 8 hex digits. They are
# what the model is to read, not what it is asked.
_PASSAGE = re.compile(r"<(?P<fence>\S+ [0-9a-f]{8})>\n.*?\n</(?P=fence)>", re.DOTALL)
_ASKS = re.compile(r"^\s*Question:\s*")


@dataclass(frozen=True, slots=True)
class Leak:
    """A held-out case that a row holds, and how that shows."""

    case: HeldOut
    how: Literal["same question", "similar question", "question contained", "reference"]


def asked(content: str) -> str:
    """A user's message without the passages that an assistant put before the question."""
    return _ASKS.sub("", _PASSAGE.sub("", content))


class Leakage:
    """`near` is the Jaccard index, of pairs of words, from which two questions are the same."""

    def __init__(self, held_out: Sequence[HeldOut], *, near: float, references: References) -> None:
        self._near = near
        self._references = references
        self._cases = held_out
        self._questions = [normalised(case.question) for case in held_out]
        self._answers = [normalised(case.reference) for case in held_out]
        self._pairs = [shingles(question, 2) for question in self._questions]
        self._by_pair = _by_rarest(self._pairs, share=min(near, _SIMILAR))
        self._by_answer: dict[str, list[int]] = defaultdict(list)
        for number, answer in enumerate(self._answers):
            if len(words := answer.split()) >= _MIN_REFERENCE_WORDS:
                self._by_answer[" ".join(words[:_MIN_REFERENCE_WORDS])].append(number)

    def find(self, row: TrainingRow) -> Leak | None:
        """The first held-out case, in their order, that `row` holds."""
        found: dict[int, Leak] = {}
        replies = [normalised(each.content) for each in row.messages if each.role == "assistant"]
        for message in row.messages:
            if message.role == "user":
                self._search_question(normalised(asked(message.content)), replies, found)
        if self._references == "any":
            self._search_references(replies, found)
        return found[min(found)] if found else None

    def _search_question(self, question: str, replies: Sequence[str], found: dict[int, Leak]) -> None:
        pairs = shingles(question, 2)
        for number in sorted({number for pair in pairs for number in self._by_pair.get(pair, ())}):
            how: Literal["same question", "similar question", "question contained", "reference"]
            similarity = jaccard(pairs, self._pairs[number])
            words = self._questions[number].count(" ") + 1
            contained = len(pairs & self._pairs[number]) / len(self._pairs[number])
            if question == self._questions[number]:
                how = "same question"
            elif similarity >= self._near:
                how = "similar question"
            elif contained >= _CONTAINED and words >= _MIN_CONTAINED_WORDS:
                how = "question contained"
            elif (
                self._references == "similar-question"
                and similarity >= _SIMILAR
                and self._answers[number]
                and any(_holds(reply, self._answers[number]) for reply in replies)
            ):
                how = "reference"
            else:
                continue
            found.setdefault(number, Leak(self._cases[number], how))

    def _search_references(self, replies: Sequence[str], found: dict[int, Leak]) -> None:
        for reply in replies:
            for run in shingles(reply, _MIN_REFERENCE_WORDS):
                for number in self._by_answer.get(run, ()):
                    if _holds(reply, self._answers[number]):
                        found.setdefault(number, Leak(self._cases[number], "reference"))


def _holds(reply: str, answer: str) -> bool:
    return f" {answer} " in f" {reply} "


def _by_rarest(sets: Sequence[frozenset[str]], *, share: float) -> dict[str, list[int]]:
    """Numbers of the sets by their rarest members, enough of them that whatever has `share` of a set has
    one (prefix filtering: Chaudhuri, Ganti, Kaushik, ICDE 2006)."""
    frequency = Counter(member for each in sets for member in each)
    by_member: dict[str, list[int]] = defaultdict(list)
    for number, members in enumerate(sets):
        rarest_first = sorted(members, key=lambda member: (frequency[member], member))
        for member in rarest_first[: len(members) - ceil(share * len(members)) + 1]:
            by_member[member].append(number)
    return dict(by_member)
