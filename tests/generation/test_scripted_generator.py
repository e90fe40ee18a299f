from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import UserError
from asbuilt.testing.generator_contract import GeneratorContract, events_of, finished
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.types import Finished, GenerationOptions, Message, ToolCall

LONG = " ".join(f"word{number}" for number in range(3000))


class TestScriptedGenerator(GeneratorContract):
    @pytest.fixture
    def make(self) -> Callable[[], Any]:
        return lambda: ScriptedGenerator(replies=[LONG])


def test_replies_come_in_order_and_start_over() -> None:
    call = ToolCall("1", "clock", {"zone": "UTC"})
    generator = ScriptedGenerator(replies=[call, "It is noon."])
    assert events_of(generator) == [call, finished_with(call)]
    assert finished(generator).message.content == "It is noon."
    assert events_of(generator)[0] == call


def finished_with(call: ToolCall) -> Finished:
    end = finished(ScriptedGenerator(replies=[call]))
    assert end.message.tool_calls == (call,)
    assert end.reason == "tool_calls"
    return end


def test_it_remembers_what_it_was_asked() -> None:
    generator = ScriptedGenerator()
    events_of(generator, messages=(Message("user", "hello"),), max_tokens=7)
    [(messages, options)] = generator.requests
    assert messages == (Message("user", "hello"),)
    assert options.max_tokens == 7


@given(st.text())
def test_tokens_put_together_are_the_reply(text: str) -> None:
    assert finished(ScriptedGenerator(replies=[text]), max_tokens=10_000).message.content == text


def test_an_empty_script_is_refused() -> None:
    with pytest.raises(UserError, match="at least one"):
        ScriptedGenerator(replies=[])


def test_other_tasks_run_between_two_tokens() -> None:
    async def count() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        generator = ScriptedGenerator(replies=["one two three four"])
        async for _ in generator.stream([Message("user", "go")], options=GenerationOptions()):
            pass
        ticking.cancel()
        return ticks

    assert asyncio.run(count()) >= 4
