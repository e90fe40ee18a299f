"""Measures of one answer. Definitions stand in `asbuilt.blueprint.measures`.

Each returns its score from 0 to 1, or None where the case cannot be scored.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from asbuilt.blueprint.cases import Case
from asbuilt.evaluation.outcome import Outcome

__all__ = ["ANSWER_MEASURES", "Command", "find_command"]

# Answers may be anything: every pattern here takes time in proportion to the text.
_CITATION = re.compile(r"(?<!\s)\s*\[\d{1,4}\]")
_CORE = re.compile(r"(?:-(?=\d))?\w(?:.*\w)?")  # a sign is no punctuation
_MINUS = "\u2212"  # the typographic one
_NUMBER = re.compile(
    r"(?<![\w.])[-+\u2212]?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
)
_UNIT = re.compile(r"[*`]{0,2}\s?(%|[A-Za-zµμ°]+(?:/[A-Za-z]+)?)")
_TOLERANCE = 1e-6  # relative
_LONGEST = 10_000  # characters of a command: shlex takes time in proportion to the square
_MOST_LINES = 40  # of a command
_CONTINUED = re.compile(r"\\[ \t\r]*\n[ \t]*")
_WORD = re.compile(r"[A-Za-z][\w-]*")
_CLOSING = ".,:;!?)]}*\"'"  # of the sentence around a command, not of the command
_SEPARATORS = ("|", "||", "&", "&&", ";", "#")


# Every measure takes the same, so that the table below can call each; not each needs all of it.
# ruff: noqa: ARG001


def exact(outcome: Outcome, case: Case) -> float | None:
    return float(_folded(outcome.text) == _folded(case.reference)) if case.reference.strip() else None


def _folded(text: str) -> str:
    words = _CITATION.sub("", text).lower().replace(_MINUS, "-").split()
    cores = [core[0] for word in words if (core := _CORE.search(word))]
    return " ".join(cores or words)  # of "*" there would be nothing left


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
        number = float(found[0].replace(",", "").replace(_MINUS, "-"))
        yield number, unit[1].lower().replace("μ", "µ") if unit else ""


def _same(wanted: tuple[float, str], given: tuple[float, str]) -> bool:
    return math.isclose(wanted[0], given[0], rel_tol=_TOLERANCE) and wanted[1] in ("", given[1])


@dataclass(frozen=True, slots=True)
class Command:
    """`words` are the program and its subcommands, up to the first option or what is plainly a value;
    `options` are all words that begin with a hyphen. `closed` says that no value may stand behind the
    words: an option follows at once."""

    words: tuple[str, ...]
    options: frozenset[str]
    closed: bool


def find_command(text: str, program: str) -> Command | None:
    """The first command of `program` that is set off: on a line of its own, after a prompt sign, or in
    backquotes; where none is, the first one within a sentence. Lines that end in a backslash go on, and
    so does one of its own with an open quotation."""
    joined = _CONTINUED.sub(" ", _CITATION.sub("", text))
    call = rf"{re.escape(program)}[ \t]+[^\s`]"
    line = rf"^[ \t]*(?:[^\s`]{{0,80}}[$#>%][ \t]+)?(?:[-*+][ \t]+|\d{{1,3}}[.)][ \t]+)?({call}[^\n]*)"
    quoted = rf"`[ \t]*(?:[$#>%][ \t]+)?({call}[^`\n]*)"
    found = re.search(f"{line}|{quoted}", joined, re.MULTILINE)
    if found and found[1]:
        return _parsed(_closed(joined[found.start(1) : found.start(1) + _LONGEST]))
    found = found or re.search(rf"(?<![\w./-])()({call}[^`\n]*)", joined)
    return _parsed(found[2]) if found else None


def _closed(text: str) -> str:
    """The first line, with those up to the end of its open quotation, such as JSON on several lines."""
    lines = text.split("\n")
    for end in range(1, min(len(lines), _MOST_LINES) + 1):
        command = "\n".join(lines[:end])
        try:
            shlex.split(command)
        except ValueError:
            continue
        return command
    return lines[0]


def _parsed(line: str) -> Command:
    line = line[:_LONGEST]
    try:
        words = shlex.split(line)
    except ValueError:  # an open quotation: prose, or an answer that was cut off
        words = line.split()
    end = next((at for at, word in enumerate(words) if word in _SEPARATORS), len(words))
    end = next((at + 1 for at, word in enumerate(words[:end]) if word.endswith(";")), end)
    words = [word.rstrip(_CLOSING) or word for word in words[:end]]
    start = next((at for at, word in enumerate(words) if at and not _WORD.fullmatch(word)), len(words))
    options = frozenset(word.partition("=")[0] for word in words if _is_option(word))
    return Command(tuple(words[:start]), options, start < len(words) and _is_option(words[start]))


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-" and not _NUMBER.fullmatch(word)


def command(outcome: Outcome, case: Case) -> float | None:
    """Where no option follows the reference's subcommands, as many words as it has count, so that
    values, or prose after a bare command, do no harm."""
    wanted = _parsed(_CONTINUED.sub(" ", case.reference))
    if not wanted.words or not wanted.words[0]:
        return None
    given = find_command(outcome.text, wanted.words[0])
    if given is None:
        return 0.0
    words = given.words if wanted.closed else given.words[: len(wanted.words)]
    return float(words == wanted.words and wanted.options <= given.options)


def citation_precision(outcome: Outcome, case: Case) -> float | None:
    """None for an answer that cites nothing, as when it refuses; one that failed is no such answer."""
    if outcome.error:
        return 0.0
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
