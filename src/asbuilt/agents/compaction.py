"""Fitting a transcript into a model's context: what tools gave long ago goes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from asbuilt.errors import LimitError
from asbuilt.types import Message

__all__ = ["compacted"]

_KEPT = 4
"""The last messages stay whole: the model is in the middle of what they say."""


def compacted(
    messages: Sequence[Message],
    *,
    limit: int,
    count: Callable[[Sequence[Message]], int],
) -> Sequence[Message]:
    """The messages, or, where they have more than `limit` tokens, as many of them as fit.

    The first two (system, task) and the last four stay. Results of tools are left out before whole
    rounds are, the oldest first; a call and its results stay or go together. The same messages give
    the same. Raises LimitError when even that is too long.
    """
    # A character is at most one token, in any tokenizer of bytes: most transcripts need no count.
    if sum(len(each.content) + 64 for each in messages) <= limit or count(messages) <= limit:
        return messages
    kept = list(messages)
    for place in range(2, max(2, len(kept) - _KEPT)):
        if kept[place].role == "tool" and len(kept[place].content) > len(_left_out(kept[place])):
            kept[place] = replace(kept[place], content=_left_out(kept[place]))
            if count(kept) <= limit:
                return kept
    while (end := _round_end(kept)) is not None:
        del kept[2:end]
        if count(kept) <= limit:
            return kept
    raise LimitError(
        f"the transcript has {count(kept)} tokens at its shortest; {limit} fit into the context.",
        hint="Give the model a longer context, or make the subtask smaller.",
    )


def _left_out(message: Message) -> str:
    return f"[result of {message.name} left out: {len(message.content):,} characters; call again to see it]"


def _round_end(messages: Sequence[Message]) -> int | None:
    """Where the oldest round after the task ends; None when nothing but the last messages is left."""
    end = 3
    while end < len(messages) and messages[end].role == "tool":
        end += 1
    return end if end <= len(messages) - _KEPT else None
