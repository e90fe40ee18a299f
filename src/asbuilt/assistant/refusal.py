"""What an assistant says when nothing was found: the same for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from asbuilt.types import Answer, CitationsReady, Event, Finished, Message, TextDelta, Usage

__all__ = ["NOTHING_FOUND", "refusal"]

NOTHING_FOUND = "Nothing relevant was found in the documents, so there is no answer to give."


def refusal() -> Sequence[Event]:
    """The events of an answer that is refused."""
    message = Message("assistant", NOTHING_FOUND)
    answer = Answer(NOTHING_FOUND, transcript=(message,), refused=True)
    return TextDelta(NOTHING_FOUND), CitationsReady(()), Finished(message, Usage(), "stop", answer)
