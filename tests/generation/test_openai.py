from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.generation.loopback_endpoint import (
    Endpoint,
    Exchange,
    Reply,
    delta,
    endpoint,
    model_of_words,
    usage,
)

from asbuilt.errors import BugError, EndpointError, LimitError, MissingError, UserError
from asbuilt.generation import openai
from asbuilt.generation.openai import OpenAIGenerator
from asbuilt.testing.generator_contract import GeneratorContract, events_of, finished
from asbuilt.types import Finished, GenerationOptions, Message, TextDelta, ToolCall, ToolSpec, Usage

CONTEXT = 200
CLOCK = ToolSpec("clock", "The time.", {"type": "object", "properties": {}})


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with endpoint(model_of_words(CONTEXT)) as running:
        yield running


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "_FIRST_WAIT_S", 0.01)


@pytest.fixture
def generator(server: Endpoint) -> Iterator[OpenAIGenerator]:
    generator = OpenAIGenerator(base_url=server.url, model="words", context_tokens=CONTEXT, timeout_s=2.0)
    generator.open()
    yield generator
    generator.close()


def events(*chunks: Any, done: bool = True) -> Reply:
    def reply(exchange: Exchange) -> None:
        exchange.begin()
        for chunk in chunks:
            exchange.send_raw(chunk) if isinstance(chunk, bytes) else exchange.send(chunk)
        if done:
            exchange.send_raw(b"data: [DONE]\n\n")

    return reply


def refusal(status: int, body: str = "{}", **headers: str) -> Reply:
    return lambda exchange: exchange.refuse(
        status, body, {key.replace("_", "-"): value for key, value in headers.items()}
    )


def hang_up(exchange: Exchange) -> None:
    exchange.connection.close()


GOOD = events(delta("fine"), delta(reason="stop"), usage(3, 1))


class TestOpenAIGenerator(GeneratorContract):
    counts_exactly = False

    @pytest.fixture
    def make(self, server: Endpoint) -> Callable[[], Any]:
        return lambda: OpenAIGenerator(base_url=server.url, model="words", context_tokens=CONTEXT)


def test_the_request_is_what_openai_expects(server: Endpoint, generator: OpenAIGenerator) -> None:
    call = ToolCall("c1", "clock", {"zone": "UTC"})
    history = (
        Message("system", "Be short."),
        Message("user", "Time?"),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", "noon", name="clock", tool_call_id="c1"),
    )
    schema = {"type": "object"}
    events_of(
        generator, messages=history, max_tokens=9, seed=7, stop=("X",), tools=(CLOCK,), json_schema=schema
    )
    [(path, _, body)] = server.requests
    assert path == "/v1/chat/completions"
    function = {"name": "clock", "description": "The time.", "parameters": CLOCK.parameters}
    assert body == {
        "model": "words",
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "Time?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "clock", "arguments": '{"zone":"UTC"}'},
                    }
                ],
            },
            {"role": "tool", "content": "noon", "name": "clock", "tool_call_id": "c1"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.0,
        "max_tokens": 9,
        "stop": ["X"],
        "seed": 7,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
        "tools": [{"type": "function", "function": function}],
    }


def test_the_key_comes_from_the_environment(server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = OpenAIGenerator(base_url=server.url + "/", model="words", api_key_env="ASBUILT_TEST_KEY")
    with pytest.raises(MissingError, match="ASBUILT_TEST_KEY"):
        generator.open()
    monkeypatch.setenv("ASBUILT_TEST_KEY", "s3cret")
    generator.open()
    events_of(generator, max_tokens=1)
    assert server.requests[0][0] == "/v1/chat/completions"
    assert server.requests[0][1]["Authorization"] == "Bearer s3cret"


def test_tool_calls_arrive_in_pieces(server: Endpoint, generator: OpenAIGenerator) -> None:
    def part(index: int, **fields: Any) -> dict[str, Any]:
        return delta(tool_calls=[{"index": index, **fields}])

    server.replies = [
        events(
            delta("Let me look."),
            part(0, id="a", type="function", function={"name": "clock", "arguments": ""}),
            part(0, function={"arguments": '{"zo'}),
            part(1, id="b", type="function", function={"name": "search", "arguments": '{"query": "x"}'}),
            part(0, function={"arguments": 'ne": "UTC"}'}),
            delta(reason="tool_calls"),
            usage(30, 12, 20),
        )
    ]
    first, second = ToolCall("a", "clock", {"zone": "UTC"}), ToolCall("b", "search", {"query": "x"})
    message = Message("assistant", "Let me look.", tool_calls=(first, second))
    end = Finished(message, Usage(30, 12, 20), "tool_calls", model="words")
    assert events_of(generator) == [TextDelta("Let me look."), first, second, end]


def test_a_tool_call_cut_off_by_max_tokens_is_dropped(server: Endpoint, generator: OpenAIGenerator) -> None:
    cut = [{"index": 0, "id": "a", "function": {"name": "clock", "arguments": '{"zo'}}]
    server.replies = [events(delta(tool_calls=cut), delta(reason="length"), usage(3, 4))]
    assert events_of(generator) == [Finished(Message("assistant", ""), Usage(3, 4), "length", model="words")]


@pytest.mark.parametrize(
    "function",
    [{"name": "clock", "arguments": "{'"}, {"name": "clock", "arguments": "[]"}, {"arguments": "{}"}],
)
def test_a_broken_tool_call_breaks_the_contract(
    server: Endpoint, generator: OpenAIGenerator, function: dict[str, str]
) -> None:
    server.replies = [events(delta(tool_calls=[{"index": 0, "function": function}]), delta(reason="stop"))]
    with pytest.raises(EndpointError, match="tool call"):
        events_of(generator)


def test_any_cut_and_any_line_end_is_read(server: Endpoint, generator: OpenAIGenerator) -> None:
    text = "é\u2028\x85\N{ROCKET}"
    lines = [
        json.dumps(chunk, ensure_ascii=False) for chunk in (delta(text), delta(reason="stop"), usage(1, 1))
    ]
    stream = ": a comment\r\n\r\n" + "".join(f"event: x\r\ndata:{line}\r\n\r\n" for line in lines)
    server.replies = [events(*(bytes([byte]) for byte in stream.encode()))]
    assert finished(generator).message.content == text


def test_an_endpoint_without_usage_or_done_is_good_enough(
    server: Endpoint, generator: OpenAIGenerator
) -> None:
    server.replies = [events(delta("fine"), delta(reason="stop"), done=False)]
    assert finished(generator) == Finished(Message("assistant", "fine"), Usage(), "stop", model="words")


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize("failure", [refusal(500), refusal(503), refusal(429, Retry_After="0"), hang_up])
def test_a_failure_before_the_first_token_is_tried_again(
    server: Endpoint, generator: OpenAIGenerator, failure: Reply
) -> None:
    server.replies = [failure, failure, GOOD]
    assert finished(generator).message.content == "fine"
    assert len(server.requests) == 3


def test_after_three_attempts_it_gives_up(server: Endpoint, generator: OpenAIGenerator) -> None:
    server.replies = [refusal(500, '{"error": {"message": "out of memory"}}')] * 4
    with pytest.raises(EndpointError, match="500: out of memory"):
        events_of(generator)
    assert len(server.requests) == 3


def test_it_waits_as_long_as_it_is_told(server: Endpoint, generator: OpenAIGenerator) -> None:
    server.replies = [refusal(429, Retry_After="1"), GOOD]
    begun = time.monotonic()
    finished(generator)
    assert time.monotonic() - begun >= 1.0


def test_it_does_not_wait_for_minutes(server: Endpoint, generator: OpenAIGenerator) -> None:
    server.replies = [refusal(429, Retry_After="3600"), GOOD]
    with pytest.raises(EndpointError, match="429"):
        events_of(generator)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None), ("", None)]
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert openai._retry_after_s(header) == seconds


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, '{"error": {"message": "no such field"}}', UserError),
        (400, '{"error": {"message": "maximum context length is 10"}}', LimitError),
        (413, "<html>", LimitError),
        (422, '{"detail": "bad"}', UserError),
        (401, '{"error": "who are you?"}', EndpointError),
        (404, "[]", EndpointError),
        (302, "", EndpointError),
    ],
)
def test_a_refusal_is_not_tried_again(
    server: Endpoint, generator: OpenAIGenerator, status: int, body: str, error: type[Exception]
) -> None:
    server.replies = [refusal(status, body)]
    with pytest.raises(error, match=str(status)):
        events_of(generator)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ((b"data: {broken\n\n",), "not JSON"),
        ((b"data: 7\n\n",), "unexpected form"),
        ((b'data: {"choices": [7]}\n\n',), "unexpected form"),
        ((b'data: {"choices": [{"delta": {"tool_calls": "x"}}]}\n\n',), "unexpected form"),
        ((b'data: {"usage": {"prompt_tokens": null}}\n\n',), "unexpected form"),
        ((b'data: {"error": {"message": "CUDA is gone"}}\n\n',), "CUDA is gone"),
        ((), "ended before"),
    ],
)
def test_a_stream_that_breaks_off_is_an_error_and_not_tried_again(
    server: Endpoint, generator: OpenAIGenerator, rest: tuple[bytes, ...], said: str
) -> None:
    server.replies = [events(delta("Once upon"), *rest), GOOD]
    seen: list[Any] = []

    async def consume() -> None:
        async for event in generator.stream([Message("user", "Hi")], options=GenerationOptions()):
            seen.append(event)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(EndpointError, match=said):
        asyncio.run(consume())
    assert seen == [TextDelta("Once upon")]
    assert len(server.requests) == 1


def test_silence_is_an_error(server: Endpoint) -> None:
    def silent(exchange: Exchange) -> None:
        exchange.begin()
        exchange.send(delta("Once"))
        time.sleep(0.5)

    generator = OpenAIGenerator(base_url=server.url, model="words", timeout_s=0.1)
    generator.open()
    server.replies = [silent]
    with pytest.raises(EndpointError, match=r"silent for 0\.1 s"):
        events_of(generator)


def test_leaving_early_closes_the_connection(server: Endpoint, generator: OpenAIGenerator) -> None:
    async def leave() -> None:
        stream = generator.stream([Message("user", "Hi")], options=GenerationOptions(max_tokens=100_000))
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(leave())
    assert server.disconnected.wait(5)


def test_nobody_there() -> None:
    nobody = OpenAIGenerator(base_url="http://127.0.0.1:9/v1", model="words")
    nobody.open()
    with pytest.raises(EndpointError, match="127"):
        events_of(nobody)


@pytest.mark.parametrize(
    "url", ["", "localhost:8000/v1", "ftp://host/v1", "http://", "http://host:x/v1", "file:///etc"]
)
def test_a_base_url_must_be_one(url: str) -> None:
    with pytest.raises(UserError, match="base_url"):
        OpenAIGenerator(base_url=url, model="words")


def test_before_open_it_is_our_bug() -> None:
    with pytest.raises(BugError):
        events_of(OpenAIGenerator(base_url="http://127.0.0.1:9/v1", model="words"))
