from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.assistant.fitting import fit, longest_start
from asbuilt.assistant.prompt import Prompt
from asbuilt.errors import LimitError
from asbuilt.types import Chunk, Message


def count(messages: Sequence[Message]) -> int:
    """One token a word, four a message."""
    return sum(4 + len(message.content.split()) for message in messages)


def chunk(number: int, lines: int) -> Chunk:
    text = "\n".join(f"line {line} of passage {number} says something more" for line in range(lines))
    return Chunk(number, number, 1, f"d/{number}.md", "default", text, 0, len(text))


def history(turns: int) -> tuple[Message, ...]:
    return tuple(
        Message(role, f"turn {turn} " + "word " * 20)
        for turn in range(turns)
        for role in ("user", "assistant")
    )


def prompt(turns: int = 0, question: str = "what is it?", tail: tuple[Message, ...] = ()) -> Prompt:
    return Prompt("Be brief.", history(turns), (), question, tail)


def test_what_fits_is_left_alone_and_counted_once() -> None:
    calls = []

    def counted(messages: Sequence[Message]) -> int:
        calls.append(1)
        return count(messages)

    chunks = [chunk(1, 5), chunk(2, 5)]
    fitted = fit(prompt(3), chunks, marker="m", count=counted, budget_tokens=10_000)
    assert (fitted.passages, fitted.turns, fitted.cut, len(calls)) == (2, 3, False, 1)
    assert [message.role for message in fitted.messages] == ["system", *["user", "assistant"] * 3, "user"]
    assert fitted.tokens == count(fitted.messages)
    last = fitted.messages[-1].content
    assert last.index("[1] d/1.md") < last.index("[2] d/2.md") < last.index("Question: what is it?")


def test_the_least_relevant_passages_go_first_and_the_next_is_cut_at_a_line() -> None:
    chunks = [chunk(1, 20), chunk(2, 40), chunk(3, 20)]
    fitted = fit(prompt(), chunks, marker="m", count=count, budget_tokens=300)
    assert (fitted.passages, fitted.cut) == (2, True)
    text = fitted.messages[-1].content
    assert "line 19 of passage 1" in text
    assert "something more\n[...]\n</passage m>" in text
    assert "passage 3" not in text
    assert fitted.tokens <= 300


def test_old_turns_give_way_before_the_best_passage_does() -> None:
    fitted = fit(prompt(50), [chunk(1, 20)], marker="m", count=count, budget_tokens=400)
    assert fitted.passages == 1
    assert 0 < fitted.turns < 50
    kept = fitted.messages[1 : 1 + 2 * fitted.turns]
    assert kept[-1].content.startswith("turn 49")
    assert kept[0].role == "user"
    assert fitted.tokens <= 400


def test_the_tail_is_never_dropped() -> None:
    tail = (Message("assistant", ""), Message("tool", "result " * 50, tool_call_id="c1"))
    fitted = fit(prompt(5, tail=tail), [chunk(1, 30)], marker="m", count=count, budget_tokens=300)
    assert tuple(fitted.messages[-2:]) == tail


def test_a_question_that_leaves_no_room_is_a_limit_error_with_both_numbers() -> None:
    with pytest.raises(LimitError, match=r"takes 511 tokens, but .* leaves 300"):
        fit(prompt(question="word " * 500), [chunk(1, 5)], marker="m", count=count, budget_tokens=300)


@given(
    st.integers(0, 12),
    st.lists(st.integers(1, 60), min_size=1, max_size=6),
    st.integers(1, 60),
    st.integers(60, 900),
)
def test_a_fitted_prompt_fits_and_is_a_prefix(turns: int, lines: list[int], words: int, budget: int) -> None:
    chunks = [chunk(number, size) for number, size in enumerate(lines, 1)]
    question = "word " * words
    try:
        fitted = fit(prompt(turns, question), chunks, marker="m", count=count, budget_tokens=budget)
    except LimitError:
        assert count(prompt(0, question).messages()) + 60 > budget
        return
    assert fitted.tokens == count(fitted.messages) <= budget
    assert 1 <= fitted.passages <= len(chunks)
    text = fitted.messages[-1].content
    for number in range(1, len(chunks) + 1):
        assert (f"[{number}] d/{number}.md" in text) == (number <= fitted.passages)
    assert text.endswith(f"Question: {question}")


@given(st.text(alphabet="ab \n", max_size=80), st.integers(0, 90))
def test_the_longest_start_is_longest(text: str, room: int) -> None:
    start = longest_start(text, lambda each: len(each) <= room)
    if len(text) <= room:
        assert start == text
    else:
        assert len(start) <= room
        assert text.startswith(start.removesuffix("\n[...]"))
