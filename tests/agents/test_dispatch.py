"""ModelSlots, in virtual time: who goes when, what is held, and that no slot is ever lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.agents.dispatch import _MOST_PASSES, ModelSlots
from asbuilt.errors import BugError, EndpointError
from asbuilt.testing.virtual_clock import run_in_virtual_time
from asbuilt.types import Event, Finished, GenerationOptions, Message, TextDelta, ToolCall, ToolSpec, Usage

OPTIONS = GenerationOptions(max_tokens=8)
LONG, OTHER = "queues " * 200, "buckets " * 200


class Engine:
    """Takes `read_s` for a prompt, whatever it is, or breaks. A prompt that ends with "call" gets a call."""

    context_tokens = 4096

    def __init__(self, slots: int = 1, *, read_s: float = 1.0, breaks: bool = False) -> None:
        self.slots = slots
        self.breaks = breaks
        self.begun: list[str] = []
        self.began_at: list[float] = []
        self.running = self.most = 0
        self._read_s = read_s

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(messages)

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        asked = messages[-1].content
        self.running += 1
        self.most = max(self.most, self.running)
        self.begun.append(asked)
        self.began_at.append(asyncio.get_running_loop().time())
        try:
            await asyncio.sleep(self._read_s)
            if self.breaks:
                raise EndpointError("the engine broke.")
            calls = (ToolCall("c", "look", {}),) if asked.endswith("call") else ()
            if not calls:
                yield TextDelta("yes")
            yield Finished(Message("assistant", "yes", tool_calls=calls), Usage(1, 1), "stop")
        finally:
            self.running -= 1


def told(*contents: str) -> list[Message]:
    roles = ("system", "user")
    return [Message(role, content) for role, content in zip(roles, contents, strict=False)]  # type: ignore[arg-type]


async def asked(slots: ModelSlots, engine: Engine, *contents: str, priority: int = 0) -> Finished:
    return await slots.generate(engine, told(*contents), options=OPTIONS, priority=priority)


# ---------------------------------------------------------------- how many, and in which order


@pytest.mark.parametrize("count", [1, 2, 4])
def test_as_many_as_there_are_slots_run_at_once(count: int) -> None:
    async def main() -> tuple[int, float]:
        engine, slots = Engine(count), ModelSlots()
        await asyncio.gather(*(asked(slots, engine, f"prompt {number}") for number in range(8)))
        return engine.most, asyncio.get_running_loop().time()

    assert run_in_virtual_time(main()) == (count, 8 / count)


def test_one_slot_where_a_generator_does_not_say() -> None:
    async def main() -> int:
        engine, slots = Engine(), ModelSlots()
        del engine.slots
        await asyncio.gather(*(asked(slots, engine, f"prompt {number}") for number in range(3)))
        return engine.most

    assert run_in_virtual_time(main()) == 1


def order(*prompts: tuple[str, ...], priorities: Sequence[int] = ()) -> list[str]:
    """What one slot was asked, in order, when all come at once."""

    async def main() -> list[str]:
        engine, slots = Engine(), ModelSlots()
        given = priorities or [0] * len(prompts)
        await asyncio.gather(
            *(
                asked(slots, engine, *prompt, priority=each)
                for prompt, each in zip(prompts, given, strict=True)
            )
        )
        return engine.begun

    return run_in_virtual_time(main())


def test_siblings_with_one_system_prompt_go_back_to_back() -> None:
    assert order((LONG, "1"), (OTHER, "2"), (LONG, "3"), (OTHER, "4"), (LONG, "5")) == list("13524")


def test_siblings_that_share_a_part_of_one_message_go_back_to_back() -> None:
    asks = [f"{each}{number}" for number in range(3) for each in (LONG, OTHER)]
    assert order(*((ask,) for ask in asks)) == asks[::2] + asks[1::2]


def test_the_tools_are_a_part_of_the_beginning() -> None:
    tool = ToolSpec("look", LONG, {"type": "object"})

    async def main() -> list[str]:
        engine, slots = Engine(), ModelSlots()
        both = [OPTIONS, GenerationOptions(max_tokens=8, tools=(tool,))]
        await asyncio.gather(
            *(slots.generate(engine, told(str(at)), options=both[at % 2]) for at in range(6))
        )
        return engine.begun

    assert run_in_virtual_time(main()) == list("024135")


def test_the_older_goes_first_and_before_it_the_one_with_priority() -> None:
    assert order(("a",), ("b",), ("c",), ("d",)) == list("abcd")
    assert order(("a",), ("b",), ("c",), ("d",), priorities=[0, 1, 3, 2]) == list("acdb")


def test_what_is_in_a_slot_goes_before_priority() -> None:
    assert order((LONG, "1"), (OTHER, "2"), (LONG, "3"), priorities=[0, 9, 0]) == list("132")


def test_a_request_that_is_passed_over_again_and_again_goes_next() -> None:
    prompts = [(LONG, "first"), (OTHER, "patient"), *((LONG, f"{number}") for number in range(100))]
    assert order(*prompts).index("patient") == 1 + _MOST_PASSES


def test_of_two_that_waited_too_long_the_older_goes_first() -> None:
    nearer = (LONG[: len(LONG) // 2], "younger")
    prompts = [(LONG, "x"), (OTHER, "old"), nearer, *((LONG, f"{number}") for number in range(100))]
    begun = order(*prompts)
    assert begun[1 + _MOST_PASSES : 3 + _MOST_PASSES] == ["old", "younger"]


# ---------------------------------------------------------------- a slot is held for its agent's next step


def next_step(tool_s: float, *, read_s: float = 1.0, sibling: str = OTHER) -> tuple[list[str], list[float]]:
    """One slot. An agent calls a tool while another waits: who was asked, and when."""

    async def main() -> tuple[list[str], list[float]]:
        engine, slots = Engine(read_s=read_s), ModelSlots()

        async def agent() -> None:
            messages = told(LONG, "call")
            finished = await slots.generate(engine, messages, options=OPTIONS)
            await asyncio.sleep(tool_s)
            messages += [finished.message, Message("tool", "next", name="look", tool_call_id="c")]
            await slots.generate(engine, messages, options=OPTIONS)

        await asyncio.gather(agent(), asked(slots, engine, sibling, "other"))
        return engine.begun, engine.began_at

    return run_in_virtual_time(main())


def test_a_slot_is_held_for_the_next_step() -> None:
    assert next_step(tool_s=0.9) == (["call", "next", "other"], [0.0, 1.9, 2.9])


def test_a_slot_is_held_no_longer_than_computing_it_again_takes() -> None:
    begun, at = next_step(tool_s=30.0)
    assert begun == ["call", "other", "next"]
    assert at[1] == pytest.approx(2.0, abs=0.02)  # the prompt took 1 s, and it is held for another


def test_what_who_waits_has_in_common_is_not_lost() -> None:
    _, at = next_step(tool_s=30.0, sibling=LONG)
    assert at[1] == pytest.approx(1.0, abs=0.1)  # all but the last words would be kept


def test_no_slot_is_held_for_longer_than_five_seconds() -> None:
    _, at = next_step(tool_s=300.0, read_s=60.0)
    assert at[1] == pytest.approx(65.0)


def test_nothing_is_held_after_a_result() -> None:
    async def main() -> list[float]:
        engine, slots = Engine(), ModelSlots()
        await asyncio.gather(asked(slots, engine, LONG, "done"), asked(slots, engine, OTHER, "other"))
        return engine.began_at

    assert run_in_virtual_time(main()) == [0.0, 1.0]


def test_who_waited_too_long_takes_a_held_slot() -> None:
    async def main() -> tuple[list[str], list[float]]:
        engine, slots = Engine(), ModelSlots()
        first = asyncio.create_task(asked(slots, engine, LONG, "x"))
        await asyncio.sleep(0)
        patient = asyncio.create_task(asked(slots, engine, OTHER, "patient"))
        await asyncio.sleep(0)
        many = [asyncio.create_task(asked(slots, engine, LONG, f"{at} call")) for at in range(_MOST_PASSES)]
        await asyncio.gather(first, patient, *many)
        return engine.begun, engine.began_at

    begun, at = run_in_virtual_time(main())
    assert begun[-1] == "patient"
    assert at[-1] == at[-2] + 1.0  # although the slot was held


# ---------------------------------------------------------------- places and slots come back


def test_an_engine_that_breaks_gives_its_slot_back() -> None:
    async def main() -> None:
        engine, slots = Engine(breaks=True), ModelSlots()
        found = await asyncio.gather(
            *(asked(slots, engine, str(at)) for at in range(3)), return_exceptions=True
        )
        assert [type(each) for each in found] == [EndpointError] * 3
        engine.breaks = False
        await asked(slots, engine, "again")

    run_in_virtual_time(main())


def test_a_stream_without_an_end_is_a_bug_and_gives_its_slot_back() -> None:
    class Endless(Engine):
        async def stream(
            self, messages: Sequence[Message], *, options: GenerationOptions
        ) -> AsyncIterator[Event]:
            yield TextDelta("...")

    async def main() -> None:
        engine, slots = Endless(), ModelSlots()
        for _ in range(2):
            with pytest.raises(BugError, match="Endless ended a stream without Finished"):
                await asked(slots, engine, "x")

    run_in_virtual_time(main())


def test_cancelled_while_it_waits_a_request_gives_its_place_back() -> None:
    async def main() -> list[str]:
        engine, slots = Engine(), ModelSlots()
        tasks = [asyncio.create_task(asked(slots, engine, name)) for name in "abc"]
        await asyncio.sleep(0.5)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return engine.begun

    assert run_in_virtual_time(main()) == ["a", "c"]


def test_cancelled_while_it_runs_a_request_stops_the_engine_and_gives_its_slot_back() -> None:
    async def main() -> list[float]:
        engine, slots = Engine(), ModelSlots()
        tasks = [asyncio.create_task(asked(slots, engine, name)) for name in "ab"]
        await asyncio.sleep(0.5)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert engine.running == 0
        return engine.began_at

    assert run_in_virtual_time(main()) == [0.0, 0.5]


def test_cancelled_when_it_was_just_let_in_a_request_gives_its_slot_back() -> None:
    async def main() -> list[str]:
        engine, slots = Engine(), ModelSlots()

        async def first() -> None:
            await asked(slots, engine, "a")
            second.cancel()  # let in, and not yet resumed

        begun = asyncio.create_task(first())
        await asyncio.sleep(0)
        second = asyncio.create_task(asked(slots, engine, "b"))
        await asyncio.gather(begun, second, return_exceptions=True)
        await asked(slots, engine, "c")
        return engine.begun

    assert run_in_virtual_time(main()) == ["a", "c"]


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from((LONG, OTHER, LONG + OTHER, "")),
        st.sampled_from(("call", "done")),
        st.integers(0, 6),  # arrives at
        st.integers(0, 2),  # priority
        st.none() | st.integers(0, 12),  # cancelled after
        st.booleans(),  # comes back with another step
    ),
    max_size=12,
)


@given(requests=REQUESTS, count=st.integers(1, 3), breaks_at=st.none() | st.integers(0, 10))
def test_no_slot_is_lost_whatever_happens(
    requests: list[tuple[str, str, int, int, int | None, bool]], count: int, breaks_at: int | None
) -> None:
    async def main() -> None:
        engine, slots = Engine(count), ModelSlots()

        async def agent(system: str, last: str, at: int, priority: int, again: bool) -> None:
            await asyncio.sleep(at)
            messages = told(system, last)
            finished = await slots.generate(engine, messages, options=OPTIONS, priority=priority)
            if again:
                await asyncio.sleep(at / 2)
                await slots.generate(engine, [*messages, finished.message], options=OPTIONS)

        async def stopped(task: asyncio.Task[None], after: int) -> None:
            await asyncio.sleep(after)
            task.cancel()

        async def broken(after: int) -> None:
            await asyncio.sleep(after)
            engine.breaks = True
            await asyncio.sleep(2)
            engine.breaks = False

        tasks: list[asyncio.Task[None]] = []
        others = [asyncio.create_task(broken(breaks_at))] if breaks_at is not None else []
        for system, last, at, priority, after, again in requests:
            tasks.append(asyncio.create_task(agent(system, last, at, priority, again)))
            if after is not None:
                others.append(asyncio.create_task(stopped(tasks[-1], after)))
        await asyncio.gather(*tasks, *others, return_exceptions=True)
        assert engine.running == 0
        assert engine.most <= count
        await asyncio.sleep(10)  # whatever was held is let go
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(asked(slots, engine, "after", str(at)) for at in range(count)))
        assert asyncio.get_running_loop().time() == began + 1.0  # all at once: every slot is there

    run_in_virtual_time(main())


def test_another_event_loop_gets_a_queue_of_its_own() -> None:
    engine, slots = Engine(), ModelSlots()

    async def two() -> None:
        await asyncio.gather(asked(slots, engine, "a"), asked(slots, engine, "b"))

    async def left_in_the_middle() -> None:
        asyncio.get_running_loop().create_task(two())
        await asyncio.sleep(0.5)

    run_in_virtual_time(left_in_the_middle())
    run_in_virtual_time(two())
    assert engine.begun == ["a", "a", "b"]
