"""A text's words, numbers, identifiers, code and sentences, with their places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from asbuilt.assistant.claims import CODE
from asbuilt.assistant.words import FUNCTION_WORDS, GENERIC, NUMBER_WORDS, UNITS, negation, stem

__all__ = [
    "Lexed",
    "Number",
    "Token",
    "bounds",
    "code_tokens",
    "lex",
    "negated_stems",
    "sentences",
    "unit_of",
    "words",
]


class Token(NamedTuple):
    """``text[start:end]``, or what counts of it."""

    text: str
    start: int
    end: int


class Number(NamedTuple):
    """A number without thousands separators. `unit` is the word that follows it as what is counted,
    `near` are the words that stand close to it; both as `unit_of` gives them."""

    value: str
    unit: str
    near: frozenset[str]
    start: int
    end: int


class Lexed(NamedTuple):
    """The pieces of a text by kind; identifiers include flags, paths, compounds and code of one word,
    and a number's unit is no word."""

    words: list[Token]
    numbers: list[Number]
    identifiers: list[Token]


_PIECE = re.compile(r"[^\s\"“”‘`()\[\]{}<>=|*]+")
_EDGES = ".,;:!?'’"
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_FIGURE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?"
_NUMBER = re.compile(rf"[+$€£]?({_FIGURE})(?:[-–]({_FIGURE}))?-?([^\W\d_]{{1,12}}|%)?")
_INNER_MARK = re.compile(r"[\w)][_\\@#$:.+&~-]+\w|[a-z][A-Z]|\d|^[-$@~/\\.]+\w|/\S*[^\w/]|\d/|/\d")
# A number's unit, or what it counts, stands within so many pieces of it.
_NEAR = 3
_CLAUSE_END = re.compile(
    r"[,;:.!?](?=\s|$)|[，；。！？]|\b(?:and|but|because|so|unless|if|when|while|which|who|until)\b",
    re.IGNORECASE,
)
_CODE = re.compile(r"\S+")
_CODE_EDGES = "\"'`(),;"
_A_NUMBER = rf"\s+(?=\S*\d|(?:{'|'.join(NUMBER_WORDS)})\b)"
_UPPER = re.compile(
    r"\b(?:up to|at most|(?:no|not) (?:more|longer|later) than|(?:less|fewer|shorter|smaller|lower) than"
    rf"|below|under|(?:a )?maximum of){_A_NUMBER}",
    re.IGNORECASE,
)
_LOWER = re.compile(
    r"\b(?:at least|(?:no|not) (?:less|fewer|shorter|earlier) than|(?:more|longer|larger|higher) than"
    rf"|above|over|(?:a )?minimum of){_A_NUMBER}",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(
    r"""(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\bNo) [.!?] ["')\]*`_”»]* (?=\s)
    | ;(?=\s) | [。！？；] | :+[ \t]*(?=\n) | \n[ \t]*(?=\n) | \n(?=[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t])""",
    re.VERBOSE,
)
_LONG_WORDS = 40


def lex(text: str) -> Lexed:
    """Sort the pieces of `text` into plain words, numbers and identifiers."""
    found = Lexed([], [], [])
    pieces = list(_pieces(text))
    unit_at = -1
    for index, piece in enumerate(pieces):
        number = _NUMBER.fullmatch(NUMBER_WORDS.get(piece.text.casefold(), piece.text))
        attached = (number[3] or "").casefold() if number else ""
        if number and (not attached or attached in UNITS):
            around = pieces[max(index - _NEAR, 0) : index] + pieces[index + 1 : index + 1 + _NEAR]
            near = frozenset(unit_of(word) for word in (attached, *(each.text for each in around)) if word)
            following = pieces[index + 1].text if index + 1 < len(pieces) else ""
            counts = not attached and following.casefold() not in GENERIC and _WORD.fullmatch(following)
            unit = unit_of(attached or following) if attached or counts else ""
            unit_at = index + 1 if counts else -1
            for value in filter(None, (number[1], number[2])):
                found.numbers.append(Number(value.replace(",", ""), unit, near, piece.start, piece.end))
        elif piece.text.startswith(CODE) or _INNER_MARK.search(piece.text):
            found.identifiers.append(piece)
        elif index != unit_at:
            found.words.extend(words(piece.text, piece.start))
    return found


def unit_of(word: str) -> str:
    """A unit of measure by its one name, any other word by its stem."""
    return UNITS.get(word.casefold()) or stem(word)


def words(text: str, offset: int = 0) -> Iterator[Token]:
    """Runs of letters with their apostrophes; scripts without spaces as pairs of characters."""
    for found in _WORD.finditer(text):
        run = found[0]
        if _CJK.search(run) and len(run) > 1:
            for at in range(len(run) - 1):
                start = offset + found.start() + at
                yield Token(run[at : at + 2], start, start + 2)
        else:
            yield Token(run, offset + found.start(), offset + found.end())


def code_tokens(text: str) -> list[Token]:
    """What a shell would see as words, without quotes, continuation marks and punctuation."""
    tokens = []
    for found in _CODE.finditer(text):
        bare = found[0].lstrip(_CODE_EDGES)
        start = found.end() - len(bare)
        bare = bare.rstrip(_CODE_EDGES + ".:")
        if bare and bare != "\\":
            tokens.append(Token(bare, start, start + len(bare)))
    return tokens


def negated_stems(text: str) -> frozenset[str]:
    """The stems of the words that a negation covers: those from it to the end of its clause.

    >>> sorted(negated_stems("Keys are never sent, but they can be read."))
    ['sent']
    """
    covered: set[str] = set()
    for clause in _CLAUSE_END.split(text):
        ahead = False
        for piece in _pieces(clause):
            scope = negation(piece.text)
            if scope == "around":
                covered.update(_stems(clause))
            elif ahead:
                covered.update(_stems(piece.text))
            ahead = ahead or scope == "ahead"
    return frozenset(covered)


def _stems(text: str) -> Iterator[str]:
    return (stem(word.text) for word in words(text) if word.text.casefold() not in FUNCTION_WORDS)


def bounds(text: str) -> frozenset[str]:
    """Which bounds `text` sets on its numbers: "upper" ("up to 5"), "lower" ("at least 5")."""
    found = (("upper", _UPPER.search(text)), ("lower", _LOWER.search(text)))
    return frozenset(name for name, match in found if match)


def sentences(text: str) -> list[tuple[int, int]]:
    """Where the sentences, list items and blocks of `text` are; long blocks fall apart into lines."""
    spans: list[tuple[int, int]] = []
    position = 0
    for found in (*_SENTENCE_END.finditer(text), None):
        end = found.end() if found else len(text)
        spans.extend(_lines_of_long(text, position, end))
        position = end
    return spans


def _pieces(text: str) -> Iterator[Token]:
    """Runs without spaces, brackets and quotes, and without the punctuation around them."""
    for found in _PIECE.finditer(text):
        for start, end in _split_at_commas(text, found.start(), found.end()):
            bare = text[start:end].lstrip(",;:!?'’")
            start = end - len(bare)
            bare = bare.rstrip(_EDGES).removesuffix("'s").removesuffix("’s")
            if bare:
                yield Token(bare, start, start + len(bare))


def _split_at_commas(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for at in range(start, end):
        thousands = text[at - 1 : at].isdigit() and text[at + 1 : at + 2].isdigit()
        if text[at] in ",;" and not thousands:
            yield start, at
            start = at + 1
    yield start, end


def _lines_of_long(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    position = start
    while position < end:
        stop = end
        long = list(islice(_CODE.finditer(text, position, end), _LONG_WORDS))
        if len(long) == _LONG_WORDS:
            stop = text.find("\n", long[-1].end(), end) + 1 or end
        bare = text[position:stop].strip()
        if bare:
            first = position + text[position:stop].index(bare)
            yield first, first + len(bare)
        position = stop
