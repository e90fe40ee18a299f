"""The slots of models, shared among agents so that what an engine has computed is not computed again.

An engine keeps, for each of its slots, what it computed of the last prompt there; a prompt that begins
alike needs only the rest. So of all that wait, the request goes next that has most in common with what
a free slot holds: siblings with a shared beginning run back to back. And a slot that an agent has just
used is held for its next step, while its tool works, for as long as computing the prompt again would
take, at most: whoever waits loses no more than would be lost otherwise (the ski-rental bound).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import WeakKeyDictionary

from asbuilt.errors import BugError
from asbuilt.roles import Generator
from asbuilt.types import Event, Finished, GenerationOptions, Message

__all__ = ["ModelSlots"]

_MOST_PASSES = 32
"""As often as this a request may be passed over by younger ones."""
_LONGEST_HOLD_S = 5.0
_LEARNT = 0.3
"""Weight of the newest observation in the rate at which an engine reads prompts."""


class ModelSlots:
    """At most as many requests at once as a generator has slots (one where it does not say).

    For one event loop at a time. The same requests in the same order are served in the same order, but
    for how long tools and models take.
    """

    def __init__(self) -> None:
        self._queues: WeakKeyDictionary[Generator, _Queue] = WeakKeyDictionary()

    async def generate(
        self,
        generator: Generator,
        messages: Sequence[Message],
        *,
        options: GenerationOptions,
        priority: int = 0,
    ) -> Finished:
        """One reply, when a slot is free. Of requests with as much in common with a slot the one with the
        higher `priority` goes first, then the older one. Cancelled, it gives its place or slot back."""
        queue = self._queues.get(generator)
        if queue is None or queue.loop is not asyncio.get_running_loop():
            queue = self._queues[generator] = _Queue(getattr(generator, "slots", 1))
        begun = _Beginning.of(messages, options)
        slot = await queue.enter(begun, priority)
        finished: Finished | None = None
        try:
            asked_at, first_at = queue.loop.time(), 0.0
            stream = cast("AsyncGenerator[Event, None]", generator.stream(messages, options=options))
            async with aclosing(stream) as events:
                async for event in events:
                    first_at = first_at or queue.loop.time()
                    if isinstance(event, Finished):
                        finished = event
            if finished is None:
                raise BugError(f"{type(generator).__name__} ended a stream without Finished.")
            queue.learn(slot, begun, first_at - asked_at)
            return finished
        finally:
            reply = [finished.message] if finished is not None else []
            queue.leave(slot, begun.followed_by(reply), holds=bool(finished and finished.message.tool_calls))


@dataclass(frozen=True, slots=True)
class _Beginning:
    """A prompt as a chain: a hash and the characters up to the end of each message."""

    hashes: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()

    @classmethod
    def of(cls, messages: Iterable[Message], options: GenerationOptions) -> _Beginning:
        tools = json.dumps([[each.name, each.description, each.parameters] for each in options.tools])
        return cls((hash(tools),), (len(tools),)).followed_by(messages)

    def followed_by(self, messages: Iterable[Message]) -> _Beginning:
        hashes, ends = list(self.hashes), list(self.ends)
        for message in messages:
            calls = "".join(f"{each.name}{each.arguments}" for each in message.tool_calls)
            hashes.append(hash((hashes[-1], message.role, message.content, calls)))
            ends.append(ends[-1] + len(message.content) + len(calls))
        return _Beginning(tuple(hashes), tuple(ends))

    @property
    def size(self) -> int:
        return self.ends[-1] if self.ends else 0

    def shared(self, other: _Beginning) -> int:
        """Characters up to the end of the last message that both have. A hash stands for all before it, so
        the place where they part is found by halving."""
        low, high = 0, min(len(self.hashes), len(other.hashes))
        while low < high:
            middle = (low + high + 1) // 2
            if self.hashes[middle - 1] == other.hashes[middle - 1]:
                low = middle
            else:
                high = middle - 1
        return self.ends[low - 1] if low else 0


@dataclass(slots=True, eq=False)
class _Slot:
    held: _Beginning = field(default_factory=_Beginning)
    free: bool = True
    held_until: float = 0.0
    used_at: int = 0


@dataclass(slots=True, eq=False)
class _Waiter:
    begun: _Beginning
    priority: int
    arrival: int
    entered: asyncio.Future[_Slot]
    passes: int = 0


class _Queue:
    """The slots of one generator, and who waits for them."""

    def __init__(self, slots: int) -> None:
        self.loop = asyncio.get_running_loop()
        self._slots = [_Slot() for _ in range(max(1, slots))]
        self._waiting: list[_Waiter] = []
        self._count = 0
        self._seconds_a_character = 0.0

    async def enter(self, begun: _Beginning, priority: int) -> _Slot:
        self._count += 1
        waiter = _Waiter(begun, priority, self._count, self.loop.create_future())
        self._waiting.append(waiter)
        self._serve()
        try:
            return await waiter.entered
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            elif not waiter.entered.cancelled():
                self.leave(waiter.entered.result(), waiter.entered.result().held, holds=False)
            raise

    def leave(self, slot: _Slot, held: _Beginning, *, holds: bool) -> None:
        """Give a slot back; what it `holds` on to is its agent's next step."""
        slot.free, slot.held = True, held
        if holds and self._seconds_a_character:
            hold_s = min(_LONGEST_HOLD_S, self._seconds_a_character * held.size)
            slot.held_until = self.loop.time() + hold_s
            self.loop.call_later(hold_s, self._serve)
        self._serve()

    def learn(self, slot: _Slot, begun: _Beginning, first_s: float) -> None:
        """How long the first token took tells how fast prompts are read."""
        new = begun.size - begun.shared(slot.held)
        if new > 0:
            seen = first_s / new
            known = self._seconds_a_character
            self._seconds_a_character = known + _LEARNT * (seen - known) if known else seen

    def _serve(self) -> None:
        while (pair := self._best_pair()) is not None:
            waiter, slot = pair
            self._waiting.remove(waiter)
            for other in self._waiting:
                other.passes += other.arrival < waiter.arrival
            self._count += 1
            slot.free, slot.used_at, slot.held_until = False, self._count, 0.0
            waiter.entered.set_result(slot)

    def _best_pair(self) -> tuple[_Waiter, _Slot] | None:
        """Who goes next, and where: most in common first; the least recently used slot for who has nothing
        in common with any."""
        free = [slot for slot in self._slots if slot.free]
        waiting = [waiter for waiter in self._waiting if not waiter.entered.done()]
        patient = [waiter for waiter in waiting if waiter.passes >= _MOST_PASSES] or waiting
        best: tuple[tuple[Any, ...], _Waiter, _Slot] | None = None
        now = self.loop.time()
        for slot in free:
            for waiter in patient:
                shared = waiter.begun.shared(slot.held)
                if slot.held_until > now and shared < slot.held.size and waiter.passes < _MOST_PASSES:
                    continue
                rank = (shared, waiter.priority, -waiter.arrival, -slot.used_at)
                if best is None or rank > best[0]:
                    best = rank, waiter, slot
        return (best[1], best[2]) if best is not None else None
