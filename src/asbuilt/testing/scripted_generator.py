"""A generator that answers from a script."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence

from asbuilt.errors import LimitError, UserError
from asbuilt.generation.chat_wire import check
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.types import Event, Finished, GenerationOptions, Message, TextDelta, ToolCall, Usage

__all__ = ["ScriptedGenerator"]

_TOKEN = re.compile(r"\s*\S+|\s+$")
_TOKENS_A_MESSAGE = 4


@component("generator/scripted")
class ScriptedGenerator:
    """Gives `replies` one after another, each a text or a tool call, and then from the start again.

    A token is a word with the space before it. Texts come token by token, `token_delay_s` apart.
    `requests` holds what it was asked, in order, for tests to look at.
    """

    def __init__(
        self,
        *,
        replies: Sequence[str | ToolCall] = ("This is a scripted answer.",),
        context_tokens: int = 4096,
        token_delay_s: float = 0.0,
    ) -> None:
        if not replies:
            raise UserError("a script needs at least one reply.")
        self._replies = tuple(replies)
        self._context_tokens = context_tokens
        self._token_delay_s = token_delay_s
        self.requests: list[tuple[tuple[Message, ...], GenerationOptions]] = []

    demand = staticmethod(holds_nothing)

    @property
    def context_tokens(self) -> int:
        return self._context_tokens

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(_TOKENS_A_MESSAGE + len(_TOKEN.findall(message.content)) for message in messages)

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        check(messages, options)
        prompt_tokens = self.count_tokens(messages)
        if prompt_tokens > self._context_tokens:
            raise LimitError(
                f"the prompt has {prompt_tokens} tokens, the context holds {self._context_tokens}."
            )
        reply = self._replies[len(self.requests) % len(self._replies)]
        self.requests.append((tuple(messages), options))
        if isinstance(reply, ToolCall):
            yield reply
            message = Message("assistant", "", tool_calls=(reply,))
            yield Finished(message, Usage(prompt_tokens, 1), "tool_calls")
            return
        tokens = _TOKEN.findall(_before(reply, options.stop))
        for token in tokens[: options.max_tokens]:
            await asyncio.sleep(self._token_delay_s)
            yield TextDelta(token)
        kept = tokens[: options.max_tokens]
        message = Message("assistant", "".join(kept))
        yield Finished(
            message, Usage(prompt_tokens, len(kept)), "length" if len(kept) < len(tokens) else "stop"
        )


def _before(text: str, stop: Sequence[str]) -> str:
    """`text` up to the first of the stop sequences."""
    return text[: min((at for each in stop if each and (at := text.find(each)) >= 0), default=len(text))]
