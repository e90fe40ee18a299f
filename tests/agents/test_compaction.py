"""Transcripts that fit."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.agents.compaction import compacted
from asbuilt.errors import LimitError
from asbuilt.types import Message, ToolCall

SYSTEM, TASK = Message("system", "Be brief."), Message("user", "Find it.")


def count(messages: Sequence[Message]) -> int:
    """A token a character, and four a message."""
    return sum(
        4 + len(each.content) + sum(len(str(call.arguments)) for call in each.tool_calls) for each in messages
    )


def round_of(number: int, *results: str) -> list[Message]:
    calls = tuple(ToolCall(f"{number}-{each}", "search", {"query": "x"}) for each in range(len(results)))
    asked = Message("assistant", f"thought {number}", tool_calls=calls)
    given = [
        Message("tool", text, name="search", tool_call_id=call.id)
        for text, call in zip(results, calls, strict=True)
    ]
    return [asked, *given]


def line(length: str) -> str:
    return f"[result of search left out: {length} characters; call again to see it]"


def contents(messages: Sequence[Message]) -> list[str]:
    return [each.content for each in messages]


FOUR = [SYSTEM, TASK, *(each for number in range(4) for each in round_of(number, "r" * 1000))]


def test_what_fits_is_not_touched() -> None:
    assert compacted(FOUR, limit=count(FOUR), count=count) is FOUR


def test_short_transcripts_are_not_even_counted() -> None:
    def refuse(messages: Sequence[Message]) -> int:
        raise AssertionError

    assert compacted(FOUR, limit=6000, count=refuse) is FOUR


def test_what_else_the_model_is_told_counts_and_stays() -> None:
    tools = "t" * 1500
    limit = count(FOUR) + len(tools)
    assert compacted(FOUR, limit=limit + 1, count=count, besides=tools) is FOUR
    shorter = compacted(FOUR, limit=limit, count=count, besides=tools)
    assert contents(shorter)[3] == line("1,000")
    assert shorter[0] == SYSTEM
    with pytest.raises(LimitError, match="at its shortest"):
        compacted(FOUR, limit=len(tools), count=count, besides=tools)


@pytest.mark.parametrize(
    "messages",
    [
        [SYSTEM, Message("user", "😀" * 100)],
        [SYSTEM, Message("user", "\ud800" * 120)],
        [SYSTEM, TASK, Message("assistant", "", tool_calls=(ToolCall("1", "search", {"query": "x" * 500}),))],
    ],
)
def test_bytes_and_arguments_are_tokens_too(messages: list[Message]) -> None:
    with pytest.raises(LimitError):
        compacted(messages, limit=350, count=lambda _: 351)


def test_the_oldest_results_go_first_and_no_more_than_it_takes() -> None:
    fitted = compacted(FOUR, limit=count(FOUR) - 900, count=count)
    assert contents(fitted)[3] == line("1,000")
    assert contents(fitted)[4:] == contents(FOUR)[4:]
    fitted = compacted(FOUR, limit=count(FOUR) - 1800, count=count)
    assert [text == line("1,000") for text in contents(fitted)[3::2]] == [True, True, False, False]


def test_rounds_go_when_results_are_not_enough() -> None:
    fitted = compacted(FOUR, limit=count(FOUR) - 1950, count=count)
    assert contents(fitted) == [SYSTEM.content, TASK.content, "thought 1", line("1,000"), *contents(FOUR)[6:]]
    fitted = compacted(FOUR, limit=count(FOUR) - 2000, count=count)
    assert contents(fitted) == [SYSTEM.content, TASK.content, *contents(FOUR)[6:]]


def test_a_short_result_stays_rather_than_a_longer_line() -> None:
    messages = [SYSTEM, TASK, *round_of(0, "short", "r" * 500), *round_of(1, "a", "b", "c")]
    fitted = compacted(messages, limit=count(messages) - 100, count=count)
    assert contents(fitted)[3:5] == ["short", line("500")]


def test_the_last_results_keep_their_call() -> None:
    messages = [SYSTEM, TASK, *round_of(0, "r" * 500), *round_of(1, *"abcdef")]
    fitted = compacted(messages, limit=count(messages) - 500, count=count)
    assert list(fitted) == [SYSTEM, TASK, *messages[4:]]


@pytest.mark.parametrize(
    "messages",
    [[], [TASK], [SYSTEM], [SYSTEM, TASK], [SYSTEM, TASK, *round_of(0, "r" * 100)], round_of(0, "x")],
)
def test_what_can_not_be_shortened_is_refused(messages: list[Message]) -> None:
    with pytest.raises(LimitError, match=r"tokens at its shortest; -1 fit"):
        compacted(messages, limit=-1, count=count)


ROUNDS = st.lists(st.lists(st.text("ab", max_size=300), max_size=6), max_size=8)


@given(ROUNDS, st.integers(0, 4000), st.booleans(), st.text("ab", max_size=200))
def test_whatever_is_fitted(rounds: list[list[str]], limit: int, system: bool, last: str) -> None:
    messages = [*([SYSTEM] if system else []), TASK]
    for number, results in enumerate(rounds):
        messages += round_of(number, *results)
    messages.append(Message("user", last))
    head = 1 + system
    try:
        fitted = list(compacted(messages, limit=limit, count=count))
    except LimitError:
        end = max(head, len(messages) - 4)
        while messages[end].role == "tool":
            end -= 1
        assert count([*messages[:head], *messages[end:]]) > limit
        return
    assert count(fitted) <= limit
    assert fitted == list(compacted(messages, limit=limit, count=count))
    assert fitted[:head] == messages[:head]
    assert fitted[-4:] == messages[-4:] if len(messages) - head >= 4 else fitted == messages
    assert list(compacted(fitted, limit=limit, count=count)) == fitted
    if count(messages) <= limit:
        assert fitted == messages
    # What is kept is an end of the transcript, whole or with lines in the place of results.
    kept = messages[len(messages) - len(fitted) + head :]
    assert all(
        one == other or (one.role == "tool" and one.content == line(str(len(other.content))))
        for one, other in zip(fitted[head:], kept, strict=True)
    )
    # No result is without its call, no call without its results.
    calls = [call.id for each in fitted for call in each.tool_calls]
    assert calls == [each.tool_call_id for each in fitted if each.role == "tool"]


@given(ROUNDS)
def test_a_tighter_limit_never_keeps_more(rounds: list[list[str]]) -> None:
    messages = [
        SYSTEM,
        TASK,
        *(each for number, some in enumerate(rounds) for each in round_of(number, *some)),
    ]
    sizes = []
    for limit in range(count(messages), 0, -97):
        try:
            sizes.append(count(compacted(messages, limit=limit, count=count)))
        except LimitError:
            break
    assert sizes == sorted(sizes, reverse=True)


def test_counts_are_few() -> None:
    asked: list[int] = []
    many = [SYSTEM, TASK, *(each for number in range(500) for each in round_of(number, "r" * 200))]

    def counted(messages: Sequence[Message]) -> int:
        asked.append(len(messages))
        return count(messages)

    compacted(many, limit=count(many) // 3, count=counted)
    assert len(asked) <= 12
