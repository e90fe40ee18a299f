from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.multimodal.loops import without_loops


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        (" \n ", ""),
        ("A page. ", "A page."),
        ("A page.\n" + "- Item: none\n" * 4 + "on", "A page.\n" + "- Item: none\n" * 4 + "on"),
        ("A page.\n" + "- Item: none\n" * 8 + "and on", "A page.\n- Item: none"),
        ("A page.\n" + "- Its item is none\n" * 4 + "and on", "A page.\n- Its item is none"),
        ("A page.\n" + "- Item: none\n- Part: none\n" * 4, "A page.\n- Item: none\n- Part: none"),
        ("It is very " + "very " * 7 + "red.", "It is very"),
        ("It is very, very, very red.", "It is very, very, very red."),
        ("Sums: " + "0.00 " * 40, "Sums: " + "0.00 " * 39 + "0.00"),
        ("| --- " * 30 + "|", "| --- " * 30 + "|"),
    ],
)  # fmt: skip
def test_where_a_text_is_cut(text: str, kept: str) -> None:
    assert without_loops(text) == kept


def test_a_paragraph_that_comes_again_and_again_is_kept_once() -> None:
    paragraph = " ".join(f"word{number}" for number in range(110)) + "."
    assert without_loops("Once. " + f"{paragraph}\n\n" * 4) == "Once. " + paragraph
    assert without_loops("Once. " + f"{paragraph}\n\n" * 3).count("word5 ") == 3


WORDS = st.lists(st.sampled_from(["a", "b", "cc", "1", "-", "a\n"]), max_size=80).map(" ".join)


@given(WORDS, st.integers(1, 12))
def test_what_is_kept_is_the_beginning_and_is_not_cut_again(text: str, times: int) -> None:
    kept = without_loops(f"{text} " * times)
    assert (f"{text} " * times).startswith(kept)
    assert without_loops(kept) == kept


@given(st.lists(st.text("abcd", min_size=1), min_size=4, max_size=30, unique=True), st.integers(4, 9))
def test_a_run_of_words_is_kept_once(words: list[str], times: int) -> None:
    assert without_loops(" ".join(words * times)) == " ".join(words)
