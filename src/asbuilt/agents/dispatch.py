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
import math
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
_TIMER_S = 0.001
"""Less than this is no time: a timer may come that much too early."""
_FORGOTTEN = 0.1
"""By as much the known rate at which an engine reads prompts may grow with each observation."""
_BLOCK_CHARS = 128
"""Siblings are told what they share and what is their own in one message: a part of one is common too."""


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
            asked_at, first_s = queue.loop.time(), -1.0
            stream = cast("AsyncGenerator[Event, None]", generator.stream(messages, options=options))
            async with aclosing(stream) as events:
                async for event in events:
                    if first_s < 0:
                        first_s = queue.loop.time() - asked_at
                    if isinstance(event, Finished):
                        finished = event
            if finished is None:
                raise BugError(f"{type(generator).__name__} ended a stream without Finished.")
            queue.learn(slot, begun, first_s)
            return finished
        finally:
            reply = [finished.message] if finished is not None else []
            queue.leave(slot, begun.followed_by(reply), holds=bool(finished and finished.message.tool_calls))


@dataclass(frozen=True, slots=True)
class _Beginning:
    """A prompt as a chain of blocks: a hash of all up to the end of each, and how many characters that is.
    A message begins a block, so that a prompt and what follows on it have all of its blocks in common."""

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
            text = f"{message.role}:{message.content}{calls}"
            for at in range(0, len(text), _BLOCK_CHARS):
                block = text[at : at + _BLOCK_CHARS]
                hashes.append(hash((hashes[-1], block)))
                ends.append(ends[-1] + len(block))
        return _Beginning(tuple(hashes), tuple(ends))

    @property
    def size(self) -> int:
        return self.ends[-1] if self.ends else 0

    def shared(self, other: _Beginning) -> int:
        """Characters up to the end of the last block that both have. A hash stands for all before it, so
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
    freed_at: float = 0.0
    awaited: bool = False  # its agent's next step may come
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
        self._later: asyncio.TimerHandle | None = None

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
        slot.freed_at, slot.awaited = self.loop.time(), holds
        self._serve()

    def learn(self, slot: _Slot, begun: _Beginning, first_s: float) -> None:
        """How long the first event took tells how fast prompts are read. It has other time in it, such as
        that of writing a call, so that the shortest is nearest to the truth; it is forgotten slowly."""
        new = begun.size - begun.shared(slot.held)
        if new > 0:
            seen, known = first_s / new, self._seconds_a_character
            self._seconds_a_character = min(seen, known * (1 + _FORGOTTEN)) if known else seen

    def _serve(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        while (pair := self._best_pair()) is not None:
            waiter, slot = pair
            self._waiting.remove(waiter)
            for other in self._waiting:
                other.passes += other.arrival < waiter.arrival
            self._count += 1
            slot.free, slot.awaited, slot.used_at = False, False, self._count
            waiter.entered.set_result(slot)

    def _best_pair(self) -> tuple[_Waiter, _Slot] | None:
        """Who goes next, and where: most in common first; the least recently used slot for who has nothing
        in common with any. Who was passed over too often goes before all, into a held slot if need be.
        When only held slots are free, it is set for when the first of them will be let go."""
        waiting = [waiter for waiter in self._waiting if not waiter.entered.done()]
        if overdue := bool(waiting) and waiting[0].passes >= _MOST_PASSES:
            waiting = waiting[:1]  # the oldest was passed over by all that passed over another
        best: tuple[tuple[Any, ...], _Waiter, _Slot] | None = None
        soonest = math.inf
        for slot in self._slots:
            for waiter in waiting if slot.free else ():
                shared = waiter.begun.shared(slot.held)
                held_s = self._hold_s(slot, slot.held.size - shared)
                if held_s > 0 and not overdue:
                    soonest = min(soonest, held_s)
                    continue
                rank = (held_s <= 0, shared, waiter.priority, -waiter.arrival, -slot.used_at)
                if best is None or rank > best[0]:
                    best = rank, waiter, slot
        if best is None and soonest < math.inf:
            self._later = self.loop.call_later(soonest, self._serve)
        return (best[1], best[2]) if best is not None else None

    def _hold_s(self, slot: _Slot, lost: int) -> float:
        """Seconds that a slot is still held against a request that costs it so many characters."""
        if not slot.awaited:
            return 0.0
        most_s = min(_LONGEST_HOLD_S, self._seconds_a_character * lost)
        left_s = slot.freed_at + most_s - self.loop.time()
        return left_s if left_s > _TIMER_S else 0.0
