"""A small system at work: calls are seen under the names of the drawing, those around it too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

from anyio.to_thread import run_sync
from starlette.testclient import TestClient

from asbuilt.assistant import CitedAssistant
from asbuilt.blueprint import Blueprint, ComponentSpec
from asbuilt.blueprint.spec import SystemSpec
from asbuilt.blueprint.wiring import wiring
from asbuilt.registry import component
from asbuilt.server import create_app
from asbuilt.system import System
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.tracing import read_calls
from asbuilt.types import Event, GenerationOptions, Message, TextDelta, ToolCall

PAGE = "# purge-queue\n\nTo delete all messages in a queue, call purge-queue.\n"
QUESTION = "How do I delete all messages in a queue?"


@component("generator/searching")
class SearchingGenerator(ScriptedGenerator):
    """Searches again, then answers."""

    def __init__(self) -> None:
        search = ToolCall("1", "search", {"query": "delete messages"})
        super().__init__(replies=[search, "Call purge-queue and wait [1]."])
        self.closed = 0

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        try:
            async for event in super().stream(messages, options=options):
                yield event
        finally:
            self.closed += 1


@component("assistant/meddling")
class MeddlingAssistant(CitedAssistant):
    """Asks the embedder of its retriever, which nothing declares."""

    async def answer(self, messages: Sequence[Message], **keywords: Any) -> AsyncIterator[Event]:
        await run_sync(cast(Any, self._retriever)._embedder.embed, ["around"])
        async for event in super().answer(messages, **keywords):
            yield event


def blueprint(assistant: str = "assistant/cited") -> Blueprint:
    return Blueprint(
        system=SystemSpec(name="queues", purpose="Answers questions about queues"),
        components=(
            ComponentSpec("cut", "Cut", use="chunker/structural"),
            ComponentSpec("vectors", "Embed", use="embedder/fake"),
            ComponentSpec("store", "Find", use="index/exact"),
            ComponentSpec("find", "Retrieve", use="retriever/hybrid"),
            ComponentSpec("look-up", "Retrieve again", use="tool/search"),
            ComponentSpec("llm", "Write", use="generator/searching"),
            ComponentSpec("answerer", "Answer", use=assistant, needs={"tools": ("look-up",)}),
        ),
    )


def ready(folder: Path, assistant: str = "assistant/cited") -> System:
    (folder / "page.md").write_text(PAGE)
    system = System(blueprint(assistant), folder=folder)
    system.ingest([str(folder / "page.md")])
    return system


def declared(blueprint: Blueprint) -> set[tuple[str, str]]:
    return {
        (name, target)
        for name, parts in wiring(blueprint).items()
        for given in parts["needs"].values()
        for target in ([given] if isinstance(given, str) else given)
    }


def seen(folder: Path) -> set[tuple[str, str]]:
    found = read_calls(folder / ".asbuilt")
    assert found is not None
    return {(call.caller, call.callee) for call in found[1]}


def test_an_answer_with_a_tool_uses_every_need_and_nothing_else(tmp_path: Path) -> None:
    with ready(tmp_path) as system:
        assert "purge-queue" in system.ask(QUESTION).text
    assert seen(tmp_path) == declared(system.blueprint)


def test_a_call_around_the_needs_is_seen(tmp_path: Path) -> None:
    with ready(tmp_path, "assistant/meddling") as system:
        system.ask(QUESTION)
    assert seen(tmp_path) - declared(system.blueprint) == {("answerer", "vectors")}


def test_a_search_by_hand_is_a_call_of_nobody(tmp_path: Path) -> None:
    with ready(tmp_path) as system:
        assert system.explain(QUESTION).hits
    assert seen(tmp_path) == {("find", "store"), ("find", "vectors")}


def test_leaving_an_answer_early_reaches_the_generator(tmp_path: Path) -> None:
    async def leave(system: System) -> None:
        events = system.assistant.answer([Message("user", QUESTION)])
        async with aclosing(cast(Any, events)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    break

    with ready(tmp_path) as system:
        generator = system.generator
        assert isinstance(generator, SearchingGenerator)
        asyncio.run(leave(system))
        assert generator.closed == len(generator.requests) == 2


def test_a_served_answer_leaves_one_tree_of_spans(tmp_path: Path) -> None:
    with ready(tmp_path) as system:
        with TestClient(create_app(system, grace_s=0.3), base_url="http://127.0.0.1:8321") as client:
            body = {"messages": [{"role": "user", "content": QUESTION}]}
            assert client.post("/api/v1/chat", json=body).status_code == 200
            with client.stream("POST", "/api/v1/chat", json={**body, "stream": True}) as streamed:
                assert "event: done" in "".join(streamed.iter_text())
            client.get("/api/v1/health")
        system.recorder.close()
        lines = (tmp_path / ".asbuilt" / "spans.jsonl").read_text().splitlines()
    traces = [json.loads(line) for line in lines]
    assert [trace["name"] for trace in traces] == ["POST /api/v1/chat"] * 2
    for trace in traces:
        spans = trace["spans"]
        assert [span["component"] for span in spans if span["parent"] is None] == ["answerer"]
        path = {
            (spans[span["parent"]]["component"], span["component"])
            for span in spans
            if span["parent"] is not None
        }
        assert path <= declared(system.blueprint)
        assert {("answerer", "llm"), ("answerer", "look-up"), ("look-up", "find"), ("find", "store")} <= path
        assert [span["output_tokens"] for span in spans if span["method"] == "stream"] == [1, 5]
