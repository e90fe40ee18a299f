"""CTC by hand: a small alphabet, and every alignment counted the slow way."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asbuilt.documents.ocr_decode import Steps, glyphs, readings
from asbuilt.documents.ocr_words import line_ink, line_words

CHARACTERS = ("", "B", "8", " ")


def steps(*rows: Any) -> Any:
    """Steps from one mapping of classes to probabilities a time step."""
    ordered = [sorted(row.items(), key=lambda each: -each[1]) for row in rows]
    return Steps(
        np.array([[p for _, p in row] for row in ordered], np.float32),
        np.array([[c for c, _ in row] for row in ordered], np.int64),
    )


def certain(*classes: Any) -> Any:
    return steps(*({c: 0.997, **{o: 0.001 for o in range(4) if o != c}} for c in classes))


def test_repeats_are_merged_and_blanks_dropped() -> None:
    found = glyphs(certain(0, 1, 1, 0, 1, 2, 0), CHARACTERS)
    assert [(each.text, each.first, each.end) for each in found] == [("B", 1, 3), ("B", 4, 5), ("8", 5, 6)]
    assert found[0].middle == pytest.approx(2.0)


def test_no_steps_no_glyphs() -> None:
    empty = Steps(np.zeros((0, 4), np.float32), np.zeros((0, 4), np.int64))
    assert glyphs(empty, CHARACTERS) == []


def test_a_rival_has_its_probability() -> None:
    doubtful = {0: 0.0, 1: 0.7, 2: 0.3, 3: 0.0}
    best, *others = readings(steps(doubtful, {0: 1.0, 1: 0.0, 2: 0.0, 3: 0.0}), CHARACTERS)
    assert best.text == "B"
    assert best.probability == pytest.approx(0.7)
    assert [each.text for each in others] == ["8"]
    assert others[0].probability == pytest.approx(0.3)


def test_a_word_without_doubt_has_no_rivals() -> None:
    assert [each.text for each in readings(certain(1, 0, 2), CHARACTERS)] == ["B8"]


def exact(rows: Any) -> Any:
    """Probability of each text: the sum over all paths without a space."""
    total: dict[str, float] = {}
    for path in product((0, 1, 2), repeat=len(rows)):
        text, last = "", 0
        for number in path:
            if number and number != last:
                text += CHARACTERS[number]
            last = number
        total[text] = total.get(text, 0.0) + float(
            np.prod([row[c] for row, c in zip(rows, path, strict=True)])
        )
    return total


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(0.05, 1.0), min_size=3, max_size=3), min_size=1, max_size=4))
def test_probabilities_are_the_sums_over_all_alignments(raw: Any) -> None:
    rows = [{c: p / sum(row) for c, p in enumerate(row)} for row in raw]
    truth = exact(rows)
    found = readings(steps(*({**row, 3: 0.0} for row in rows)), CHARACTERS)
    likely = max((text for text in truth if text), key=lambda text: truth[text])
    assert found[0].probability == pytest.approx(truth[likely], rel=0.15)
    for each in found:
        # A beam forgets improbable beginnings: never more than the truth.
        assert each.probability <= truth[each.text] + 1e-5


def strokes(*columns: Any, width: int, height: int = 20) -> Any:
    """Dark bars at the given columns on white."""
    picture = np.full((height, width), 255, np.uint8)
    for start, end in columns:
        picture[4:16, start:end] = 0
    return picture


def test_boxes_are_those_of_the_ink_between_the_blanks() -> None:
    grey = strokes((10, 16), (20, 26), (50, 56), (60, 66), width=80)
    read = glyphs(certain(0, 1, 0, 2, 0, 3, 1, 0, 2, 0), CHARACTERS)
    words = line_words(read, line_ink(grey), step=8)
    assert [word.box for word in words] == [(10, 4, 26, 16), (50, 4, 66, 16)]


def test_a_clear_gap_divides_what_was_read_as_one() -> None:
    grey = strokes((4, 10), (12, 18), (60, 66), (68, 74), width=80)
    read = glyphs(certain(1, 0, 2, 0, 0, 0, 0, 0, 1, 0, 2, 0), CHARACTERS)
    words = line_words(read, line_ink(grey), step=80 / 11)
    assert [word.box[::2] for word in words] == [(4, 18), (60, 74)]


def test_rulings_and_neighbouring_lines_are_not_ink() -> None:
    grey = strokes((10, 16), (20, 26), width=120)
    grey[18, :] = 0  # underlined all along
    grey[0:3, 40:44] = 0  # a descender of the line above
    assert np.nonzero(line_ink(grey).any(axis=0))[0].max() == 25
    assert np.nonzero(line_ink(grey).any(axis=1))[0].tolist() == list(range(4, 16))


def test_light_letters_on_a_dark_band_are_ink_too() -> None:
    grey = 255 - strokes((10, 16), (20, 26), width=60)
    assert np.nonzero(line_ink(grey).any(axis=0))[0][[0, -1]].tolist() == [10, 25]
