from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server.parts import WORDS, TellingGenerator

from asbuilt.server.schemas import ChatResponse

CHAT = "/api/v1/chat"
QUESTION = {"role": "user", "content": "How do I delete all messages in a queue?"}


def ask(client: TestClient, question: str = "", **more: Any) -> Any:
    message = {"role": "user", "content": question} if question else QUESTION
    return client.post(CHAT, json={"messages": [message], **more})


def events_of(text: str) -> list[tuple[str, Any]]:
    """(name, data) of each event; comments are left out."""
    events = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            [name, data] = lines
            events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


def test_a_whole_answer_has_exactly_what_the_contract_names(client: TestClient) -> None:
    response = ask(client, stream=False)
    assert response.status_code == 200
    body = response.json()
    ChatResponse.model_validate(body)
    assert set(body) == {"id", "message", "usage", "latency_ms", "citations"}
    assert body["message"] == {"role": "assistant", "content": WORDS}
    assert (
        body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + body["usage"]["completion_tokens"]
    )
    assert body["usage"]["completion_tokens"] == len(WORDS.split())
    assert body["latency_ms"] > 0


def test_citations_resolve_to_documents(client: TestClient) -> None:
    [citation, *_] = ask(client, stream=False).json()["citations"]
    assert citation["number"] == 1
    assert citation["source"].endswith("docs/sqs/purge-queue.md")
    assert citation["document_id"] is not None
    assert citation["version"] == 1


def test_streaming_is_the_default_and_has_its_events_in_order(client: TestClient) -> None:
    response = ask(client)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    events = events_of(response.text)
    names = [name for name, _ in events]
    tokens = [data["text"] for name, data in events if name == "token"]
    assert names == ["token"] * len(tokens) + ["citations", "usage", "done"]
    assert len(tokens) > 1
    assert "".join(tokens) == WORDS
    done = events[-1][1]
    assert done["message"]["content"] == WORDS
    assert done["reason"] == "stop"
    assert done["refused"] is False


def test_both_forms_say_the_same(client: TestClient) -> None:
    whole = ask(client, stream=False).json()
    streamed = dict(events_of(ask(client).text))
    assert streamed["citations"] == {"citations": whole["citations"]}
    assert streamed["usage"] == whole["usage"]


def test_defaults_and_values_reach_the_generator(client: TestClient, generator: TellingGenerator) -> None:
    ask(client, stream=False)
    assert generator.streams[-1].options.temperature == 0.7
    assert generator.streams[-1].options.max_tokens == 2048
    ask(client, stream=False, temperature=0, max_tokens=5)
    assert generator.streams[-1].options.temperature == 0
    assert generator.streams[-1].options.max_tokens == 5


def test_nothing_relevant_is_said_without_asking_the_model(
    client: TestClient, generator: TellingGenerator
) -> None:
    before = len(generator.streams)
    events = events_of(ask(client, "zzzz qqqq xxxx").text)
    assert [name for name, _ in events][-3:] == ["citations", "usage", "done"]
    assert events[-3][1] == {"citations": []}
    assert events[-1][1]["refused"] is True
    assert len(generator.streams) == before


def test_a_tool_of_the_client_ends_the_answer_with_its_call(client: TestClient) -> None:
    tools = [{"name": "price", "description": "Price of a queue", "parameters": {"type": "object"}}]
    question = "call a tool about messages in a queue"
    events = events_of(ask(client, question, tools=tools).text)
    [call] = [data for name, data in events if name == "tool_call"]
    assert call == {"id": "call-1", "name": "price", "arguments": {"service": "sqs"}}
    assert events[-1][1]["reason"] == "tool_calls"
    whole = ask(client, question, tools=tools, stream=False).json()
    assert whole["message"]["tool_calls"] == [call]


def test_a_conversation_with_tool_calls_is_taken(client: TestClient, generator: TellingGenerator) -> None:
    call = {"id": "c1", "name": "price", "arguments": {"service": "sqs"}}
    messages = [
        {"role": "system", "content": "Be brief."},
        QUESTION,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "1 dollar", "name": "price", "tool_call_id": "c1"},
    ]
    response = client.post(CHAT, json={"messages": messages, "stream": False})
    assert response.status_code == 200
    seen = generator.streams[-1].messages
    assert any(message.tool_calls and message.tool_calls[0].name == "price" for message in seen)
    assert any(message.role == "tool" and message.tool_call_id == "c1" for message in seen)


def test_an_error_before_the_first_token_is_a_status(client: TestClient) -> None:
    for stream in (True, False):
        response = ask(client, "fail at once, queue messages delete", stream=stream)
        assert response.status_code == 502
        assert response.headers["content-type"] == "application/problem+json"
        assert "the endpoint is away" in response.json()["detail"]


def test_an_error_after_the_first_token_is_an_event(client: TestClient) -> None:
    response = ask(client, "fail later, queue messages delete")
    assert response.status_code == 200
    events = events_of(response.text)
    assert [name for name, _ in events] == ["token", "error"]
    assert events[-1][1]["status"] == 502
    assert "went away" in events[-1][1]["detail"]


def test_a_bug_after_the_first_token_tells_nothing_and_is_logged(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    response = ask(client, "crash later, queue messages delete")
    name, problem = events_of(response.text)[-1]
    assert name == "error"
    assert problem["status"] == 500
    assert "secret" not in response.text
    assert "secret of the implementation" in caplog.text


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"messages": []}, "#/messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "#/messages/0/role"),
        ({"messages": [{"role": "user"}]}, "#/messages/0/content"),
        ({"messages": [{"role": "user", "content": "x", "extra": 1}]}, "#/messages/0/extra"),
        ({"temperature": 2.1}, "#/temperature"),
        ({"temperature": "0.7"}, "#/temperature"),
        ({"max_tokens": 0}, "#/max_tokens"),
        ({"max_tokens": 10**30}, "#/max_tokens"),
        ({"max_tokens": 1.5}, "#/max_tokens"),
        ({"stream": "yes"}, "#/stream"),
        ({"tools": [{"name": "no spaces"}]}, "#/tools/0/name"),
        ({"tools": [{"name": "t", "parameters": {"x": "x" * 17_000}}]}, "#/tools/0/parameters"),
        ({"unknown": 1}, "#/unknown"),
    ],
)
def test_a_wrong_request_is_told_where(client: TestClient, change: dict[str, Any], place: str) -> None:
    response = client.post(CHAT, json={"messages": [QUESTION], **change})
    assert response.status_code == 422
    assert [fault["pointer"] for fault in response.json()["errors"]] == [place]


def test_a_conversation_without_a_question_is_refused(client: TestClient) -> None:
    response = client.post(CHAT, json={"messages": [{"role": "system", "content": "x"}]})
    assert response.status_code == 422


def test_messages_have_limits(client: TestClient) -> None:
    many = client.post(CHAT, json={"messages": [QUESTION] * 257})
    assert many.status_code == 422
    assert "256" in many.json()["detail"]
    long = ask(client, "x" * 200_001)
    assert long.status_code == 422
    assert "200,000" in long.json()["detail"]
