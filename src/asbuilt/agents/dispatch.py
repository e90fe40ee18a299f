"""The slots of models, shared among agents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import cast

from asbuilt.errors import BugError
from asbuilt.roles import Generator
from asbuilt.types import Event, Finished, GenerationOptions, Message

__all__ = ["ModelSlots"]


class ModelSlots:
    """At most as many requests as a model has slots."""

    def __init__(self) -> None:
        self._free: dict[int, asyncio.Semaphore] = {}

    async def generate(
        self,
        generator: Generator,
        messages: Sequence[Message],
        *,
        options: GenerationOptions,
        priority: int = 0,
    ) -> Finished:
        slots = self._free.setdefault(id(generator), asyncio.Semaphore(getattr(generator, "slots", 1)))
        stream = cast("AsyncGenerator[Event, None]", generator.stream(messages, options=options))
        async with slots, aclosing(stream) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event
        raise BugError("a generator ended a stream without Finished.")
