"""Fitting a transcript into a model's context: what tools gave long ago goes first."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace

from asbuilt.errors import LimitError
from asbuilt.types import Message

__all__ = ["compacted"]

_KEPT = 4
"""The last messages stay whole: the model is in the middle of what they say."""
_FRAME_TOKENS = 64
"""More than any chat template puts around a message or a call."""


def compacted(
    messages: Sequence[Message],
    *,
    limit: int,
    count: Callable[[Sequence[Message]], int],
    besides: str = "",
) -> Sequence[Message]:
    """The messages, or, where they have more than `limit` tokens, as many of them as fit. `besides` is what
    else the model is told, such as its tools: it counts, and stays.

    All up to the first of the user's, and the last four, stay as they are. Between them a line takes the
    place of each result of a tool, the oldest first, and no more than it takes; if that is not enough,
    whole rounds go, the oldest first. A call and its results stay or go together. The same messages
    give the same. Raises LimitError when even that is too long.
    """

    def size(kept: Sequence[Message]) -> int:
        if kept and besides:
            kept = [replace(kept[0], content=f"{kept[0].content}\n{besides}"), *kept[1:]]
        return count(kept)

    # Most transcripts need no count.
    if _most_tokens(messages) + len(besides.encode()) <= limit or size(messages) <= limit:
        return messages
    first, end = _head(messages), _tail(messages)
    results = [place for place in range(first, end) if _shorter(messages[place]) != messages[place]]
    rounds = [place for place in range(first + 1, end + 1) if messages[place].role != "tool"]

    def after(steps: int) -> list[Message]:
        """The messages when so many steps are taken, first all those of `results`, then of `rounds`."""
        left_out = set(results[:steps])
        kept = [_shorter(each) if place in left_out else each for place, each in enumerate(messages)]
        return kept[:first] + kept[rounds[steps - len(results) - 1] if steps > len(results) else first :]

    most = len(results) + len(rounds)
    # More steps are fewer tokens, so that the first of them that fit are found by halving.
    steps = bisect_left(range(1, most + 1), True, key=lambda each: size(after(each)) <= limit) + 1
    if steps > most:
        shortest = size(after(most))
        raise LimitError(
            f"the transcript has {shortest:,} tokens at its shortest; {limit:,} fit into the context.",
            hint="Give the model a longer context, or make the subtask smaller.",
        )
    return after(steps)


def _most_tokens(messages: Sequence[Message]) -> int:
    """No tokenizer makes more of the messages: a token has at least one byte."""
    texts = [each.content for each in messages]
    texts += [json.dumps(dict(call.arguments)) + call.name for each in messages for call in each.tool_calls]
    return sum(_FRAME_TOKENS + len(text.encode("utf-8", "surrogatepass")) for text in texts)


def _head(messages: Sequence[Message]) -> int:
    """How many messages there are up to the first of the user's, with it."""
    return next((place + 1 for place, each in enumerate(messages) if each.role == "user"), len(messages))


def _tail(messages: Sequence[Message]) -> int:
    """Where the last messages begin: never with a result whose call comes before them."""
    place = max(_head(messages), len(messages) - _KEPT)
    while place > 0 and place < len(messages) and messages[place].role == "tool":
        place -= 1
    return place


def _shorter(message: Message) -> Message:
    """A line in the place of a tool's result, where that is shorter."""
    line = f"[result of {message.name} left out: {len(message.content):,} characters; call again to see it]"
    return (
        replace(message, content=line)
        if message.role == "tool" and len(line) < len(message.content)
        else message
    )
