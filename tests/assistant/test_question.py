from __future__ import annotations

import pytest

from asbuilt.assistant.question import retrieval_query
from asbuilt.errors import UserError
from asbuilt.types import Message


def query(*turns: str) -> str:
    messages = [Message("system", "You are terse.")]
    for turn in turns:
        messages += [Message("user", turn), Message("assistant", "An answer about it.")]
    return retrieval_query(messages[:-1])


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (("How do I purge a queue?",), "How do I purge a queue?"),
        (("How do I purge a queue?", "How do I list buckets?"), "How do I list buckets?"),
        (
            ("How do I purge a queue?", "And how do I delete it?"),
            "How do I purge a queue?\nAnd how do I delete it?",
        ),
        (("How do I purge a queue?", "Why?"), "How do I purge a queue?\nWhy?"),
        (("How do I purge a queue?", "What about buckets?"), "How do I purge a queue?\nWhat about buckets?"),
        (("How do I purge a queue?", "yes please"), "How do I purge a queue?\nyes please"),
        (
            ("Purge a queue", "And a topic?", "Show the same for buckets"),
            "Purge a queue\nAnd a topic?\nShow the same for buckets",
        ),
        (("One topic", "it", "it", "it", "it"), "it\nit\nit"),
        (
            ("How do I list objects that are public?", "List buckets that are private"),
            "List buckets that are private",
        ),
        (("it",), "it"),
        (("  How?  ", "", " "), "How?"),
    ],
)
def test_a_follow_up_brings_what_it_leans_on(turns: tuple[str, ...], expected: str) -> None:
    assert query(*turns) == expected


@pytest.mark.parametrize("messages", [[], [Message("system", "x")], [Message("user", "  ")]])
def test_no_question_is_the_users_mistake(messages: list[Message]) -> None:
    with pytest.raises(UserError, match="no question"):
        retrieval_query(messages)
