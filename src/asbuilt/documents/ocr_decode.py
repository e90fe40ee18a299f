"""Time steps of a recogniser -> characters with their steps, and other readings of a word.

CTC (Graves et al. 2006): a text's probability is the sum over all ways to spread it over the steps,
with blanks between, repeats merged. The best path gives the characters; a prefix beam search over a
word's own steps gives its rivals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asbuilt.pages import Alternative

__all__ = ["Glyph", "Steps", "glyphs", "readings"]

_BEAM = 8
_NEGLIGIBLE = 0.002
_MIN_PROBABILITY = 0.01
_MOST = 4


@dataclass(frozen=True, slots=True)
class Steps:
    """The recogniser's output for a line: probabilities and classes of the best, each (steps, best)."""

    probabilities: NDArray[np.float32]
    classes: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Glyph:
    """A character read on steps [first, end), its probability, and its middle in steps."""

    text: str
    first: int
    end: int
    middle: float
    probability: float


def glyphs(steps: Steps, characters: Sequence[str]) -> list[Glyph]:
    """The best path, repeats merged and blanks dropped."""
    best = steps.classes[:, 0]
    found: list[Glyph] = []
    edges = np.flatnonzero(np.diff(best)) + 1
    for first, end in zip([0, *edges.tolist()], [*edges.tolist(), len(best)], strict=True):
        if len(best) == 0 or best[first] == 0:
            continue
        weights = steps.probabilities[first:end, 0]
        middle = float((weights * (np.arange(first, end) + 0.5)).sum() / weights.sum())
        found.append(Glyph(characters[int(best[first])], first, end, middle, float(weights.max())))
    return found


def readings(steps: Steps, characters: Sequence[str]) -> tuple[Alternative, ...]:
    """The word on these steps and its rivals, the most probable first, none with a blank inside.

    The first is always there; the others, at most 4, have a probability of 0.01 or more.
    """
    if (steps.probabilities[:, 1] < _NEGLIGIBLE).all():
        text = "".join(glyph.text for glyph in glyphs(steps, characters))
        return (Alternative("".join(text.split()), float(steps.probabilities[:, 0].prod())),)
    found = [
        Alternative(text, min(1.0, probability)) for text, probability in _beam(steps, characters) if text
    ]
    return (found[0], *(each for each in found[1 : 1 + _MOST] if each.probability >= _MIN_PROBABILITY))


def _beam(steps: Steps, characters: Sequence[str]) -> list[tuple[str, float]]:
    """Texts and probabilities, best first. A beam holds, for each text, the probability of the paths
    that end in a blank and of those that end in its last character."""
    beams: dict[str, tuple[float, float]] = {"": (1.0, 0.0)}
    for probabilities, classes in zip(steps.probabilities.tolist(), steps.classes.tolist(), strict=True):
        after: dict[str, list[float]] = {}
        for text, (blank, solid) in beams.items():
            for probability, number in zip(probabilities, classes, strict=True):
                if probability < _NEGLIGIBLE:
                    break
                character = characters[number]
                if character.isspace():
                    continue
                if number == 0:
                    after.setdefault(text, [0.0, 0.0])[0] += (blank + solid) * probability
                elif text.endswith(character):
                    after.setdefault(text, [0.0, 0.0])[1] += solid * probability
                    after.setdefault(text + character, [0.0, 0.0])[1] += blank * probability
                else:
                    after.setdefault(text + character, [0.0, 0.0])[1] += (blank + solid) * probability
        ranked = sorted(after.items(), key=lambda each: (-sum(each[1]), each[0]))
        beams = {text: (blank, solid) for text, (blank, solid) in ranked[:_BEAM]}
    return sorted(((text, sum(pair)) for text, pair in beams.items()), key=lambda each: (-each[1], each[0]))
