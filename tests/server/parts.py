"""Components that the tests of the service can look into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from random import Random

from asbuilt.errors import EndpointError
from asbuilt.registry import component
from asbuilt.types import Event, Finished, GenerationOptions, Message, TextDelta, ToolCall, Usage

WORDS = "Call purge-queue and every message is deleted [1]."


@dataclass
class Stream:
    """One call of `TellingGenerator.stream`, and how it ended."""

    messages: tuple[Message, ...]
    options: GenerationOptions
    told: int = 0
    closed: bool = False
    finished: bool = False


@component("generator/telling")
class TellingGenerator:
    """Says `text` word by word, one each `pause_s`, unless the question asks for something else:

    - "slowly": without end and never twice the same, `slow_bytes` in hexadecimal each 5 ms;
    - "mute": nothing, without end;
    - "fail at once", "fail later": as an endpoint does; "crash later": as a bug does;
    - "call": ends with a call of the first tool that it is offered.
    """

    def __init__(self, *, text: str = WORDS, pause_s: float = 0.0) -> None:
        self._text = text
        self._pause_s = pause_s
        self.slow_bytes = 4
        self.streams: list[Stream] = []

    @property
    def context_tokens(self) -> int:
        return 4096

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) for message in messages)

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        stream = Stream(tuple(messages), options)
        self.streams.append(stream)
        question = next((each.content for each in reversed(messages) if each.role == "user"), "")
        try:
            if "fail at once" in question:
                raise EndpointError("the endpoint is away.")
            if "mute" in question:
                await asyncio.Event().wait()
            words = self._text.split(" ")
            slowly = "slowly" in question
            while slowly or stream.told < len(words):
                await asyncio.sleep(0.005 if slowly else self._pause_s)
                word = Random(stream.told).randbytes(self.slow_bytes).hex() if slowly else words[stream.told]
                yield TextDelta(word if stream.told == 0 else f" {word}")
                stream.told += 1
                if "fail later" in question:
                    raise EndpointError("the endpoint went away.")
                if "crash later" in question:
                    raise ZeroDivisionError("secret of the implementation")
            usage = Usage(self.count_tokens(messages), stream.told, 3)
            if "call" in question and options.tools:
                call = ToolCall("call-1", options.tools[0].name, {"service": "sqs"})
                yield call
                message = Message("assistant", self._text, tool_calls=(call,))
                yield Finished(message, usage, "tool_calls")
            else:
                yield Finished(Message("assistant", self._text), usage)
            stream.finished = True
        finally:
            # What a real engine awaits here must still run when the client has gone.
            await asyncio.sleep(0)
            stream.closed = True
