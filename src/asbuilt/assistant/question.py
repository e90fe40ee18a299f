"""The words to search with, from a conversation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from asbuilt.assistant.words import GENERIC
from asbuilt.errors import UserError
from asbuilt.types import Message

__all__ = ["last_question", "retrieval_query"]

_MAX_EARLIER = 2
_WORD = re.compile(r"\w[\w-]*")
_REFERS_BACK = re.compile(
    r"\b(?:it|its|them|they|their|those|these|he|she|him|her|this one|that one|the same|instead|the former"
    r"|the latter|the (?:first|second|third|last|other) (?:one|command|option|step|way))\b"
    r"|^(?:and|but|or|so|then|also|what about|how about|what if|why|why not|which one|for example)\b",
    re.IGNORECASE,
)


def last_question(messages: Sequence[Message]) -> int:
    """Position of the user's last message. Raises UserError when none says anything."""
    for at in range(len(messages) - 1, -1, -1):
        if messages[at].role == "user" and messages[at].content.strip():
            return at
    raise UserError("the conversation has no question.", hint="End it with a message of role 'user'.")


def retrieval_query(messages: Sequence[Message]) -> str:
    """The user's last message; a follow-up has the user's turns that it leans on before it.

    A message is a follow-up when it has fewer than two words of its own, refers back ("it",
    "the same", "instead") or begins as one ("and ...", "what about ..."). At most two earlier
    turns are added, back to the first that stands by itself.

    >>> talk = [Message("user", "How do I purge a queue?"), Message("user", "And delete it?")]
    >>> retrieval_query(talk)
    'How do I purge a queue?\\nAnd delete it?'
    """
    at = last_question(messages)
    asked = [each.content.strip() for each in messages[: at + 1] if each.role == "user"]
    asked = [each for each in asked if each]
    first = len(asked) - 1
    while first > 0 and len(asked) - first <= _MAX_EARLIER and _is_follow_up(asked[first]):
        first -= 1
    return "\n".join(asked[first:])


def _is_follow_up(text: str) -> bool:
    own = [word for word in _WORD.findall(text) if word.casefold() not in GENERIC]
    return len(own) < 2 or _REFERS_BACK.search(text) is not None
