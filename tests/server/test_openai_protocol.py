"""OpenAI's own client, unchanged, against the service."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from tests.server.parts import WORDS, TellingGenerator

from asbuilt.system import System

MESSAGES: Any = [{"role": "user", "content": "How do I delete all messages in a queue?"}]
LARGE: Any = {"enum": ["x" * 100] * 200}
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "price",
            "description": "Price",
            "parameters": {"type": "object", "properties": {}},
        },
    }
]


@pytest.fixture
def client(live_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live_url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    models = client.models.list().data
    assert [model.id for model in models] == ["queue-assistant", "llm", "embedder"]
    assert client.models.retrieve("llm").owned_by == "asbuilt"
    with pytest.raises(openai.NotFoundError, match="'llm'"):
        client.models.retrieve("gpt-4o")


def test_the_assistant_completes_with_citations(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(model="queue-assistant", messages=MESSAGES)
    assert completion.object == "chat.completion"
    [choice] = completion.choices
    assert choice.message.content == WORDS
    assert choice.finish_reason == "stop"
    assert completion.usage is not None
    assert (
        completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    )
    assert completion.model_extra is not None
    assert completion.model_extra["citations"][0]["source"].endswith("purge-queue.md")


def test_the_generator_completes_bare(client: openai.OpenAI, generator: TellingGenerator) -> None:
    completion = client.chat.completions.create(model="llm", messages=MESSAGES)
    assert completion.choices[0].message.content == WORDS
    assert not (completion.model_extra or {}).get("citations")
    assert [message.content for message in generator.streams[-1].messages] == [MESSAGES[0]["content"]]


def test_a_stream_is_the_same_in_pieces(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="queue-assistant", messages=MESSAGES, stream=True))
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert deltas[0].role == "assistant"
    assert [delta.role for delta in deltas[1:]] == [None] * len(deltas[1:])
    assert "".join(delta.content or "" for delta in deltas) == WORDS
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert (chunks[-1].model_extra or {})["citations"][0]["number"] == 1


def test_usage_comes_last_when_asked_for(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="llm", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(WORDS.split())
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_the_helper_that_gathers_a_stream_works(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="queue-assistant", messages=MESSAGES) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content == WORDS


def test_the_async_client_works_too(live_url: str) -> None:
    async def scenario() -> str:
        async with openai.AsyncOpenAI(base_url=f"{live_url}/v1", api_key="unused") as client:
            text = ""
            stream = await client.chat.completions.create(model="llm", messages=MESSAGES, stream=True)
            async for chunk in stream:
                text += chunk.choices[0].delta.content or ""
            return text

    assert asyncio.run(scenario()) == WORDS


def test_tools_of_the_client_are_called_by_name(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "call it"}]
    choice = client.chat.completions.create(model="llm", messages=messages, tools=TOOLS).choices[0]
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("price", '{"service":"sqs"}')
    chunks = list(client.chat.completions.create(model="llm", messages=messages, tools=TOOLS, stream=True))
    [streamed] = [delta for chunk in chunks for delta in chunk.choices[0].delta.tool_calls or []]
    assert streamed.function is not None
    assert (streamed.id, streamed.index, streamed.function.name) == ("call-1", 0, "price")
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    none = client.chat.completions.create(model="llm", messages=messages, tools=TOOLS, tool_choice="none")
    assert none.choices[0].finish_reason == "stop"


def test_the_whole_round_of_a_tool_call_is_understood(
    client: openai.OpenAI, generator: TellingGenerator
) -> None:
    messages: Any = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "it?"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c",
                    "type": "function",
                    "function": {"name": "price", "arguments": '{"service": "sqs"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "1 dollar"},
    ]
    client.chat.completions.create(model="llm", messages=messages)
    seen = generator.streams[-1].messages
    assert [message.role for message in seen] == ["system", "user", "assistant", "tool"]
    assert seen[1].content == "What is it?"
    assert seen[2].tool_calls[0].arguments == {"service": "sqs"}
    assert seen[3].tool_call_id == "c"


def test_options_reach_the_generator(client: openai.OpenAI, generator: TellingGenerator) -> None:
    client.chat.completions.create(
        model="llm",
        messages=MESSAGES,
        temperature=0.1,
        max_completion_tokens=7,
        stop=["END"],
        seed=3,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {"type": "object"}, "strict": True},
        },
    )
    options = generator.streams[-1].options
    assert (options.temperature, options.max_tokens, options.stop, options.seed) == (0.1, 7, ("END",), 3)
    assert options.json_schema == {"type": "object"}
    client.chat.completions.create(model="llm", messages=MESSAGES, response_format={"type": "json_object"})
    assert generator.streams[-1].options.json_schema == {"type": "object"}
    client.chat.completions.create(
        model="llm", messages=MESSAGES, top_p=1, n=1, presence_penalty=0, user="me", logprobs=False
    )
    options = generator.streams[-1].options
    assert (options.temperature, options.max_tokens, options.json_schema) == (0.7, 2048, None)


@pytest.mark.parametrize(
    "change",
    [
        {"n": 2},
        {"top_p": 0.5},
        {"logprobs": True},
        {"frequency_penalty": 1.0},
        {"logit_bias": {"5": 1}},
        {"temperature": 3},
        {"max_tokens": -1},
        {"tool_choice": "required"},
        {"messages": []},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        {
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [
                        {"id": "1", "type": "function", "function": {"name": "t", "arguments": "{"}}
                    ],
                }
            ]
        },
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": LARGE}}},
        {"tools": [{"type": "function", "function": {"name": "t", "parameters": LARGE}}]},
        {"stop": ["a", "b", "c", "d", "e"]},
    ],
)
def test_what_cannot_be_honoured_is_a_bad_request(client: openai.OpenAI, change: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": "llm", "messages": MESSAGES, **change})
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param in (next(iter(change)), None)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["message"]


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="queue-assistant"):
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    with pytest.raises(openai.NotFoundError, match="embedder"):
        client.embeddings.create(model="llm", input="text")


def test_failures_of_the_world_are_server_errors(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "fail at once"}]
    with pytest.raises(openai.InternalServerError, match="the endpoint is away"):
        client.chat.completions.create(model="llm", messages=messages)


def test_a_failure_in_a_stream_is_raised_by_the_client(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "fail later"}]
    stream = client.chat.completions.create(model="llm", messages=messages, stream=True)
    with pytest.raises(openai.APIError, match="the endpoint went away"):
        list(stream)


# ---------------------------------------------------------------- embeddings


def test_embeddings_are_the_embedders(client: openai.OpenAI, system: System) -> None:
    texts = ["delete all messages", "create a bucket", "日本語"]
    response = client.embeddings.create(model="embedder", input=texts)  # base64, as the client asks
    given = np.array([each.embedding for each in response.data], np.float32)
    assert [each.index for each in response.data] == [0, 1, 2]
    np.testing.assert_array_equal(given, system.embedder.embed(texts))


def test_both_encodings_hold_the_same_numbers(client: openai.OpenAI, live_url: str) -> None:
    floats = client.embeddings.create(model="embedder", input="text", encoding_format="float")
    raw = httpx.post(
        f"{live_url}/v1/embeddings",
        json={"model": "embedder", "input": "text", "encoding_format": "base64"},
    ).json()
    decoded = np.frombuffer(base64.b64decode(raw["data"][0]["embedding"]), "<f4")
    np.testing.assert_array_equal(np.array(floats.data[0].embedding, np.float32), decoded)


@pytest.mark.parametrize(
    "bad",
    [
        {"input": [1, 2, 3]},
        {"input": [[1, 2], [3]]},
        {"input": ""},
        {"input": ["ok", ""]},
        {"input": []},
        {"input": ["x"] * 2049},
        {"input": "x" * 200_001},
        {"input": "x", "dimensions": 63},
    ],
)
def test_embeddings_refuse_clearly(client: openai.OpenAI, bad: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(**{"model": "embedder", **bad})


def test_tokens_are_refused_by_name(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="tokens are not supported"):
        client.embeddings.create(model="embedder", input=[1, 2, 3])
    assert client.embeddings.create(model="embedder", input="x", dimensions=64).data
