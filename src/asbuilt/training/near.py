"""Texts that say nearly the same: sets of word n-grams, and how much of them is shared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from asbuilt.errors import MissingError

__all__ = ["NearDuplicates", "jaccard", "normalised", "shingles"]

_WORD = re.compile(r"\w+")
_HASHES, _BANDS = 120, 20
"""20 bands of 6 hashes find a pair with a Jaccard index of 0.8 with probability 1 - (1 - 0.8^6)^20 =
0.998 (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, 3.4.2)."""


def normalised(text: str) -> str:
    """The words of `text` in one spelling, without case and punctuation, one space between them."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def shingles(text: str, size: int) -> frozenset[str]:
    """The runs of `size` words of a normalised text; the whole text where it has fewer."""
    words = text.split()
    if len(words) <= size:
        return frozenset((text,)) if text else frozenset()
    return frozenset(" ".join(run) for run in zip(*(words[at:] for at in range(size)), strict=False))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Share of their union that is in both; 0 for two empty sets."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0


class NearDuplicates:
    """The texts kept so far. MinHash finds candidates; their true Jaccard index, of runs of three words,
    decides. `text_of` gives a kept text again by its number, so that none is stored twice."""

    def __init__(self, *, threshold: float, text_of: Callable[[int], str]) -> None:
        try:
            import rensa  # type: ignore[import-untyped, unused-ignore]
        except ImportError as error:
            raise MissingError(
                "near duplicates are found with the package rensa.", hint='pip install "asbuilt[training]"'
            ) from error
        self._min_hash = rensa.RMinHash
        self._index = rensa.RMinHashLSH(threshold=threshold, num_perm=_HASHES, num_bands=_BANDS)
        self._threshold = threshold
        self._text_of = text_of

    def find_or_keep(self, number: int, text: str) -> int | None:
        """The number of the first kept text that `text` is nearly the same as; without one it is kept as
        `number`."""
        runs = shingles(text, 3)
        signature = self._min_hash(_HASHES, 1)
        signature.update(sorted(runs))
        for candidate in sorted(self._index.query(signature)):
            if jaccard(runs, shingles(self._text_of(candidate), 3)) >= self._threshold:
                return int(candidate)
        self._index.insert(number, signature)
        return None
