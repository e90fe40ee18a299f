"""Measures of one answer. Definitions stand in `asbuilt.blueprint.measures`.

Each returns its score from 0 to 1, or None where the case cannot be scored.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from asbuilt.blueprint.cases import Case
from asbuilt.evaluation.outcome import Outcome

__all__ = ["ANSWER_MEASURES", "Command", "find_command"]

_CITATION = re.compile(r"\s*\[\d+\]")
_EDGE = re.compile(r"^\W+|\W+$")
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_UNIT = re.compile(r"\s?(%|[A-Za-zµ°]+(?:/[A-Za-z]+)?)")
_TOLERANCE = 1e-6  # relative


# Every measure takes the same, so that the table below can call each; not each needs all of it.
# ruff: noqa: ARG001


def exact(outcome: Outcome, case: Case) -> float | None:
    return float(_folded(outcome.text) == _folded(case.reference)) if case.reference else None


def _folded(text: str) -> str:
    words = (_EDGE.sub("", word) for word in _CITATION.sub("", text).lower().split())
    return " ".join(word for word in words if word)


def numeric(outcome: Outcome, case: Case) -> float | None:
    wanted = list(_numbers(case.reference))
    if not wanted:
        return None
    given = list(_numbers(_CITATION.sub("", outcome.text)))
    return float(all(any(_same(want, have) for have in given) for want in wanted))


def _numbers(text: str) -> Iterator[tuple[float, str]]:
    """Numbers with the word or sign that follows."""
    for found in _NUMBER.finditer(text):
        unit = _UNIT.match(text, found.end())
        yield float(found[0].replace(",", "")), unit[1].lower() if unit else ""


def _same(wanted: tuple[float, str], given: tuple[float, str]) -> bool:
    close = abs(wanted[0] - given[0]) <= _TOLERANCE * max(abs(wanted[0]), abs(given[0]))
    return close and wanted[1] in ("", given[1])


@dataclass(frozen=True, slots=True)
class Command:
    """`words` are the program and its subcommands, `options` what begins with a hyphen."""

    words: tuple[str, ...]
    options: frozenset[str]


def find_command(text: str, program: str) -> Command | None:
    """The first command of `program` in a text: on a line of its own, after a prompt sign, or in
    backquotes. Lines that end in a backslash go on."""
    joined = re.sub(r"\\\s*\n\s*", " ", text)
    place = re.search(rf"(?<![\w./-]){re.escape(program)}(?=\s+\S)[^`\n]*", joined)
    return _parsed(place[0]) if place else None


def _parsed(line: str) -> Command:
    try:
        words = shlex.split(line)
    except ValueError:  # an open quotation: prose, or an answer that was cut off
        words = line.split()
    start = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    options = frozenset(word.partition("=")[0] for word in words if word.startswith("-") and word != "-")
    return Command(tuple(words[:start]), options)


def command(outcome: Outcome, case: Case) -> float | None:
    """Subcommands are the words before the first option; where the reference has none, as many words
    as the reference has count, so that prose after a bare command does no harm."""
    if not case.reference.strip():
        return None
    wanted = _parsed(case.reference)
    given = find_command(outcome.text, wanted.words[0])
    if given is None:
        return 0.0
    words = given.words if wanted.options else given.words[: len(wanted.words)]
    return float(words == wanted.words and wanted.options <= given.options)


def citation_precision(outcome: Outcome, case: Case) -> float | None:
    """None for an answer that cites nothing, as when it refuses."""
    return sum(outcome.citations) / len(outcome.citations) if outcome.citations else None


def refusal(outcome: Outcome, case: Case) -> float | None:
    return float(outcome.refused == case.unanswerable)


ANSWER_MEASURES: dict[str, Callable[[Outcome, Case], float | None]] = {
    "accuracy.exact": exact,
    "accuracy.numeric": numeric,
    "accuracy.command": command,
    "citation.precision": citation_precision,
    "refusal.accuracy": refusal,
}
