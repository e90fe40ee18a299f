"""What every Generator must do: one well-formed stream, limits, cancelling, streams side by side."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from typing import Any, TypeVar

import pytest

from asbuilt.errors import LimitError, UserError
from asbuilt.roles import Generator
from asbuilt.types import Event, Finished, GenerationOptions, Message, TextDelta

__all__ = ["GeneratorContract", "events_of", "finished"]

T = TypeVar("T")

_QUESTION = (
    Message("system", "You answer questions."),
    Message("user", "Tell me a long story about a dragon and a lighthouse."),
)


class GeneratorContract:
    """Subclass it in a test module and override the fixture.

    >>> class TestMyGenerator(GeneratorContract):
    ...     @pytest.fixture
    ...     def make(self): return lambda: MyGenerator(...)

    Whatever it is asked, the generator must answer with at least twenty tokens. With
    `counts_exactly` False its `count_tokens` is an estimate, which must not fall short.
    """

    counts_exactly = True

    @pytest.fixture
    def make(self) -> Callable[[], Any]:
        """Builds a generator that is not yet open."""
        raise NotImplementedError

    @pytest.fixture
    def generator(self, make: Callable[[], Any]) -> Iterator[Generator]:
        """An open generator."""
        generator = make()
        _call(generator, "open")
        yield generator
        _call(generator, "close")

    def busy(self, generator: Generator) -> bool:
        """Whether the engine is still working on something. Override it where the engine can tell."""
        return False

    def test_plays_the_role(self, generator: Generator) -> None:
        assert isinstance(generator, Generator)
        assert generator.context_tokens > 0

    def test_a_stream_is_text_then_one_finished_with_the_same_text(self, generator: Generator) -> None:
        *deltas, end = events_of(generator, max_tokens=20)
        assert deltas
        assert all(isinstance(event, TextDelta) and event.text for event in deltas)
        assert isinstance(end, Finished)
        assert end.message.role == "assistant"
        assert end.message.content == "".join(event.text for event in deltas if isinstance(event, TextDelta))
        assert end.message.tool_calls == ()
        assert end.answer is None

    def test_text_comes_piece_by_piece(self, generator: Generator) -> None:
        *deltas, _ = events_of(generator, max_tokens=20)
        assert len(deltas) >= 5

    def test_max_tokens_cuts_the_answer_and_says_so(self, generator: Generator) -> None:
        end = finished(generator, max_tokens=3)
        assert end.reason == "length"
        assert end.usage.completion_tokens == 3

    def test_usage_counts_the_prompt_as_count_tokens_does(self, generator: Generator) -> None:
        counted, used = generator.count_tokens(_QUESTION), finished(generator, max_tokens=2).usage
        assert 0 < used.prompt_tokens <= counted
        assert not self.counts_exactly or used.prompt_tokens == counted
        assert 0 <= used.cached_tokens <= used.prompt_tokens

    def test_a_longer_prompt_has_more_tokens(self, generator: Generator) -> None:
        longer = [*_QUESTION, Message("assistant", "Once upon a time."), Message("user", "Go on.")]
        assert generator.count_tokens(longer) > generator.count_tokens(_QUESTION)

    def test_stop_sequences_end_the_answer_and_are_left_out(self, generator: Generator) -> None:
        text = finished(generator, max_tokens=20).message.content
        stop = text.split()[1]
        end = finished(generator, max_tokens=20, stop=(stop,))
        assert end.reason == "stop"
        assert end.message.content == text[: text.index(stop)]

    def test_a_prompt_over_the_context_is_refused_with_both_numbers(self, generator: Generator) -> None:
        words = " word" * (generator.context_tokens + 50)
        with pytest.raises(LimitError) as refused:
            events_of(generator, messages=(Message("user", words),), max_tokens=5)
        numbers = [int(number) for number in re.findall(r"\d+", refused.value.message)]
        assert generator.context_tokens in numbers
        assert max(numbers) > generator.context_tokens

    @pytest.mark.parametrize("wrong", [{"max_tokens": 0}, {"max_tokens": -1}, {"temperature": -0.1}])
    def test_senseless_options_are_the_callers_fault(
        self, generator: Generator, wrong: dict[str, Any]
    ) -> None:
        with pytest.raises(UserError):
            events_of(generator, **wrong)

    def test_no_messages_are_the_callers_fault(self, generator: Generator) -> None:
        with pytest.raises(UserError):
            events_of(generator, messages=(), max_tokens=3)

    @pytest.mark.parametrize("text", ["", " ", "\x00", "日本語 \N{ROCKET} é", "\u2028\u0085", '"}]\\'])
    def test_any_text_is_a_prompt(self, generator: Generator, text: str) -> None:
        assert finished(generator, messages=(Message("user", text),), max_tokens=1).usage.prompt_tokens > 0

    # ------------------------------------------------------------ ending early

    def test_closing_the_iterator_stops_the_work(self, generator: Generator) -> None:
        async def leave_early() -> None:
            options = GenerationOptions(max_tokens=2000, temperature=0.0)
            stream = generator.stream(_QUESTION, options=options)
            assert isinstance(await anext(stream), TextDelta)
            await stream.aclose()  # type: ignore[attr-defined]
            await self._until_idle(generator)

        _run(leave_early())
        assert finished(generator, max_tokens=3).usage.completion_tokens == 3

    def test_cancelling_the_task_stops_the_work(self, generator: Generator) -> None:
        async def cancel() -> None:
            begun = asyncio.Event()

            async def consume() -> None:
                async with aclosing(_stream(generator, max_tokens=2000)) as events:
                    async for _ in events:
                        begun.set()
                        await asyncio.sleep(0)

            task = asyncio.create_task(consume())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await self._until_idle(generator)

        _run(cancel())
        assert finished(generator, max_tokens=3).usage.completion_tokens == 3

    async def _until_idle(self, generator: Generator) -> None:
        give_up = time.monotonic() + 10.0
        while self.busy(generator):
            assert time.monotonic() < give_up, "the engine is still working on a request that nobody wants"
            await asyncio.sleep(0.01)

    # ------------------------------------------------------------ side by side

    def test_streams_run_side_by_side(self, generator: Generator) -> None:
        async def several() -> list[Finished]:
            async def one(number: int) -> Finished:
                messages = (Message("user", f"Tell me a story about the number {number}."),)
                async with aclosing(_stream(generator, messages=messages, max_tokens=8)) as stream:
                    events = [event async for event in stream]
                assert isinstance(events[-1], Finished)
                return events[-1]

            return await asyncio.gather(*(one(number) for number in range(5)))

        for end in _run(several()):
            assert end.usage.completion_tokens == 8
            assert end.message.content

    def test_one_cancelled_stream_leaves_another_alone(self, generator: Generator) -> None:
        async def both() -> Finished:
            async def whole() -> list[Event]:
                return [event async for event in _stream(generator, max_tokens=20)]

            task = asyncio.create_task(whole())
            async with aclosing(_stream(generator, max_tokens=2000)) as other:
                await anext(other)
            end = (await task)[-1]
            assert isinstance(end, Finished)
            return end

        assert _run(both()).usage.completion_tokens == 20

    # ------------------------------------------------------------ open and close

    def test_it_may_be_closed_twice_and_opened_again(self, make: Callable[[], Any]) -> None:
        generator = make()
        _call(generator, "close")
        for _ in range(2):
            _call(generator, "open")
            assert finished(generator, max_tokens=2).usage.completion_tokens == 2
            _call(generator, "close")
            _call(generator, "close")


def events_of(
    generator: Generator, *, messages: tuple[Message, ...] = _QUESTION, **options: Any
) -> list[Event]:
    """All events of one stream; temperature 0 unless `options` say otherwise."""

    async def collect() -> list[Event]:
        async with aclosing(_stream(generator, messages=messages, **options)) as stream:
            return [event async for event in stream]

    return _run(collect())


def finished(generator: Generator, **options: Any) -> Finished:
    """The last event of one stream; see `events_of`."""
    end = events_of(generator, **options)[-1]
    assert isinstance(end, Finished)
    return end


def _stream(generator: Generator, *, messages: tuple[Message, ...] = _QUESTION, **options: Any) -> Any:
    return generator.stream(messages, options=GenerationOptions(**{"temperature": 0.0, **options}))


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _call(generator: Any, method: str) -> None:
    if hasattr(generator, method):
        getattr(generator, method)()
