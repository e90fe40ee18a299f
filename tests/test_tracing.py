"""Who calls whom, seen while it happens; spans of requests; and what a disk that refuses costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from contextvars import copy_context
from pathlib import Path

import pytest
from anyio.to_thread import run_sync

from asbuilt import tracing
from asbuilt.errors import StorageError
from asbuilt.registry import methods_of
from asbuilt.roles import Generator, Retriever
from asbuilt.testing.fixed_retriever import FixedRetriever
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.tracing import Call, Recorder, observe, read_calls


class Leaf:
    """Called by others."""

    def work(self, times: int) -> int:
        return 2 * times

    def fail(self) -> None:
        raise ValueError("on purpose")


class Middle:
    """Calls a leaf from a thread, and from within a stream."""

    def __init__(self, leaf: Leaf) -> None:
        self.leaf = leaf
        self.closed = False

    def work(self, times: int) -> int:
        return self.leaf.work(times) + 1

    async def stream(self, count: int) -> AsyncIterator[int]:
        try:
            for number in range(count):
                yield await run_sync(self.leaf.work, number)
        finally:
            self.closed = True


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path, digest="d" * 64)


@pytest.fixture
def middle(recorder: Recorder) -> Middle:
    leaf = Leaf()
    middle = Middle(leaf)
    observe(leaf, name="leaf", methods=("work", "fail"), recorder=recorder)
    observe(middle, name="middle", methods=("work", "stream", "missing"), recorder=recorder)
    return middle


def test_calls_between_components_are_seen_and_others_are_not(middle: Middle, recorder: Recorder) -> None:
    assert middle.leaf.work(1) == 2  # by nobody
    assert (middle.work(2), middle.work(3)) == (5, 7)
    assert recorder.calls() == {Call("middle", "leaf", "work"): 2}


def test_a_stream_calls_in_its_own_name_and_its_consumer_does_not(middle: Middle, recorder: Recorder) -> None:
    async def consume() -> list[int]:
        found = []
        async for item in middle.stream(3):
            found.append(item)
            middle.leaf.work(1)  # by the consumer, who is no component
        return found

    assert asyncio.run(consume()) == [0, 2, 4]
    assert recorder.calls() == {Call("middle", "leaf", "work"): 3}


def test_leaving_a_stream_closes_the_component(middle: Middle) -> None:
    async def leave() -> None:
        async with aclosing(middle.stream(3)) as items:  # type: ignore[type-var]
            async for _ in items:
                break

    asyncio.run(leave())
    assert middle.closed


def test_what_is_seen_survives_the_process_and_is_not_mixed_with_another_design(tmp_path: Path) -> None:
    calls = [Call("a", "b", "work"), Call("b", "c", "work")]
    Recorder(tmp_path, digest="1").saw(calls[0])
    Recorder(tmp_path, digest="1").saw(calls[1])
    assert read_calls(tmp_path) == ("1", frozenset(calls))
    Recorder(tmp_path, digest="2").saw(calls[1])
    assert read_calls(tmp_path) == ("2", frozenset(calls[1:]))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert read_calls(tmp_path) is None
    (tmp_path / "calls.json").write_text("{")
    with pytest.raises(StorageError, match=r"calls\.json cannot be read"):
        read_calls(tmp_path)


def test_a_request_leaves_its_spans_with_their_parents(
    middle: Middle, recorder: Recorder, tmp_path: Path
) -> None:
    async def request() -> None:
        with recorder.request("POST /chat"):
            middle.work(1)
            async for _ in middle.stream(2):
                pass
            with pytest.raises(ValueError, match="on purpose"):
                middle.leaf.fail()

    asyncio.run(request())
    [line] = (tmp_path / "spans.jsonl").read_text().splitlines()
    trace = json.loads(line)
    shown = [(span["component"], span["method"], span["parent"], span["failed"]) for span in trace["spans"]]
    assert shown == [
        ("middle", "work", None, False),
        ("leaf", "work", 0, False),
        ("middle", "stream", None, False),
        ("leaf", "work", 2, False),
        ("leaf", "work", 2, False),
        ("leaf", "fail", None, True),
    ]
    assert trace["name"] == "POST /chat"
    assert all(
        0 <= span["start_ms"] <= span["start_ms"] + span["ms"] <= trace["ms"] for span in trace["spans"]
    )


def test_requests_at_once_do_not_share_spans(middle: Middle, recorder: Recorder, tmp_path: Path) -> None:
    def request(number: int) -> None:
        with recorder.request(str(number)):
            for _ in range(number):
                middle.work(number)

    with ThreadPoolExecutor(8) as pool:
        for number in range(1, 30):
            pool.submit(copy_context().run, request, number)
    lines = (tmp_path / "spans.jsonl").read_text().splitlines()
    assert {trace["name"]: len(trace["spans"]) for trace in map(json.loads, lines)} == {
        str(number): 2 * number for number in range(1, 30)
    }


def test_the_file_of_spans_does_not_grow_without_end(
    middle: Middle, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_MOST_SPAN_BYTES", 2000)
    for _ in range(50):
        with recorder.request("r"):
            middle.work(1)
    assert sum(file.stat().st_size for file in tmp_path.glob("spans*.jsonl")) < 2 * 2500


def test_a_folder_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "missing", digest="d")
    leaf = Leaf()
    middle = Middle(leaf)
    observe(leaf, name="leaf", methods=("work",), recorder=recorder)
    observe(middle, name="middle", methods=("work",), recorder=recorder)
    with recorder.request("r"):
        assert middle.work(4) == 9
    assert recorder.calls() == {Call("middle", "leaf", "work"): 1}


def test_a_class_without_room_is_left_alone(recorder: Recorder) -> None:
    class Slotted:
        __slots__ = ()

        def work(self) -> int:
            return 1

    part = Slotted()
    observe(part, name="slotted", methods=("work",), recorder=recorder)
    assert part.work() == 1


def test_a_component_plays_its_role_as_before(recorder: Recorder) -> None:
    generator = ScriptedGenerator(replies=("yes",))
    observe(generator, name="llm", methods=methods_of("generator/scripted"), recorder=recorder)
    assert isinstance(generator, Generator)
    assert methods_of("generator/scripted") == ("count_tokens", "stream")
    assert methods_of("retriever/hybrid") == ("retrieve",)
    assert issubclass(FixedRetriever, Retriever)
