"""Text -> terms for full-text search: the one analysis that every index and query shares.

A compound gives itself, written together, and its parts, so that any way of writing it finds the
others:

>>> tokenize("The DescribeInstances call")
['describeinstances', 'describ', 'instanc', 'call']
>>> tokenize("--describe-instances")
['describeinstances', 'describ', 'instanc']
>>> tokenize("from 10.0.0.0/16")
['10.0.0.0/16', '10', '16']
"""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import lru_cache
from itertools import pairwise

import Stemmer

from asbuilt.errors import UserError

__all__ = ["TermAnalyzer", "tokenize"]

_RULES = 1
"""Raise when the same text gives other terms: indexes made by earlier rules are rebuilt."""

_LONGEST = 64
"""Characters of the longest term. Beyond it stand encoded data and keys, which nobody types."""

_CACHE = 1 << 16
"""Runs of characters whose terms an analyzer remembers: documentation repeats itself."""

_NO_CACHE = 0
"""For the stemmer, whose own cache would remember the same once more."""

_SEPARATORS = r"[-.:/@_]"
_RUN = re.compile(r"[^\W_]+(?:[-.:/@_]+[^\W_]+)*")
_SPLIT = re.compile(f"{_SEPARATORS}+")
# Inside a part: queueUrl, HTTPServer (but not URLs), s3api (but not ec2 or 5f3a).
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})|(?<=[0-9])(?=[A-Za-z]{3})")
# Separators go from the compound, except between digits: sha-256 is sha256, but 1.2 is not 12.
_GLUE = re.compile(rf"(?<!\d){_SEPARATORS}+|{_SEPARATORS}+(?!\d)")
# Scripts written without spaces, and Hangul: found by pairs of neighbouring characters.
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+")

_ENGLISH_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a about all am an and any are as at be been being but by can could did do does doing for from had
        has have having he her him his how i if in into is it its just me my no nor not of off on or our out
        over own s she should so some such t than that the their them then there these they this those to
        too up us was we were what when where which while who whom whose why will with would you your
        """,
    )
)


class TermAnalyzer:
    """Turns text into terms: compounds and their parts, lower case, stemmed, without stop words.

    `language` names a Snowball stemmer ("english", "german", ...) or "none" for no stemming. Stop
    words are dropped for English only; elsewhere their low BM25 weight does that work. English
    stems touch ASCII words alone, so that other scripts pass unharmed. Safe to call from any
    thread.

    Raises UserError for a language without a stemmer.
    """

    def __init__(self, *, language: str = "english") -> None:
        known = Stemmer.algorithms()
        if language != "none" and language not in known:
            raise UserError(
                f"no stemmer for language {language!r}.", hint=f"Known: none, {', '.join(sorted(known))}."
            )
        self.recipe = f"terms-{_RULES}-{language}"
        self._stop_words = _ENGLISH_STOP_WORDS if language == "english" else frozenset()
        self._ascii_only = language == "english"
        self._stemmer = None if language == "none" else Stemmer.Stemmer(language, _NO_CACHE)
        # A Snowball stemmer keeps its work in itself, so threads take turns.
        self._stemmer_lock = threading.Lock()
        self._terms_of_run = lru_cache(maxsize=_CACHE)(self._analyze_run)

    def terms(self, text: str) -> list[str]:
        """Terms of `text` in order, repeated as often as they occur. None holds white space."""
        if not text.isascii():
            text = unicodedata.normalize("NFKC", text)
        found: list[str] = []
        for run in _RUN.findall(text):
            found.extend(self._terms_of_run(run))
        return found

    def _analyze_run(self, run: str) -> tuple[str, ...]:
        words = [word for part in _SPLIT.split(run) for word in _HUMP.split(part)]
        if len(words) == 1:
            return self._terms_of_word(words[0])
        compound = _GLUE.sub("", run.casefold())
        found = [compound] if len(compound) <= _LONGEST else []
        for word in words:
            # A single character says nothing once its compound is a term of its own.
            if len(word) > 1:
                found.extend(self._terms_of_word(word))
        return tuple(found)

    def _terms_of_word(self, word: str) -> tuple[str, ...]:
        if _CJK.search(word):
            return tuple(term for piece in _pieces(word) for term in self._terms_of_piece(piece))
        return self._terms_of_piece(word)

    def _terms_of_piece(self, piece: str) -> tuple[str, ...]:
        if _CJK.match(piece):
            return tuple(piece[i : i + 2] for i in range(max(1, len(piece) - 1)))
        term = piece.casefold()[:_LONGEST]
        if term in self._stop_words:
            return ()
        return (self._stem(term),)

    def _stem(self, term: str) -> str:
        if self._stemmer is None or not term.isalpha() or (self._ascii_only and not term.isascii()):
            return term
        with self._stemmer_lock:
            return str(self._stemmer.stemWord(term))


def _pieces(word: str) -> list[str]:
    """`word` cut where it changes between CJK and other letters."""
    cuts = sorted({0, len(word), *(end for match in _CJK.finditer(word) for end in match.span())})
    return [word[start:end] for start, end in pairwise(cuts)]


@lru_cache(maxsize=8)
def _analyzer(language: str) -> TermAnalyzer:
    return TermAnalyzer(language=language)


def tokenize(text: str, *, language: str = "english") -> list[str]:
    """Terms of `text` by the shared analyzer of `language`; see `TermAnalyzer`."""
    return _analyzer(language).terms(text)
