"""Who calls whom, seen while it happens; spans of requests; and what a disk that refuses costs."""

from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from anyio.to_thread import run_sync

from asbuilt.errors import StorageError
from asbuilt.testing.generator_contract import finished
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.tracing import Call, Recorder, Trace, files, observe, read_calls, unobserved
from asbuilt.tracing.files import add_calls, add_traces
from asbuilt.types import Event, Finished


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
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path, digest="d" * 64)
    yield recorder
    recorder.close()


@pytest.fixture
def middle(recorder: Recorder) -> Middle:
    leaf = Leaf()
    middle = Middle(leaf)
    observe(leaf, name="leaf", recorder=recorder)
    observe(middle, name="middle", recorder=recorder)
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
    for digest, seen in (("1", calls[:1]), ("1", calls)):
        recorder = Recorder(tmp_path, digest=digest)
        for call in seen:
            recorder.saw(call)
        recorder.close()
    assert read_calls(tmp_path) == ("1", frozenset(calls))
    written = json.loads((tmp_path / "calls.json").read_text())
    assert [each["count"] for each in written["calls"]] == [2, 1]
    recorder = Recorder(tmp_path, digest="2")
    recorder.saw(calls[1])
    recorder.close()
    recorder.close()
    assert read_calls(tmp_path) == ("2", frozenset(calls[1:]))


def test_calls_from_before_a_time_can_be_left_out(tmp_path: Path) -> None:
    add_calls(tmp_path, digest="d", counts={Call("a", "b", "work"): 1})
    now = datetime.now(UTC)
    assert read_calls(tmp_path, since=(now - timedelta(minutes=1)).isoformat(timespec="seconds")) == (
        "d",
        frozenset({Call("a", "b", "work")}),
    )
    later = (now + timedelta(minutes=1)).isoformat(timespec="seconds")
    assert read_calls(tmp_path, since=later) == ("d", frozenset())


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    def write(number: int) -> None:
        add_calls(tmp_path, digest="d", counts={Call(str(number), "b", "work"): 1, Call("a", "b", "work"): 1})
        add_traces(tmp_path, [Trace("x" * 20_000)] * 2)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))
    written = json.loads((tmp_path / "calls.json").read_text())
    assert len(written["calls"]) == 25
    assert {each["count"] for each in written["calls"] if each["caller"] == "a"} == {24}
    assert len([json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]) == 48


def test_a_call_is_written_while_the_recorder_runs(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asbuilt.tracing.recorder._GATHER_S", 0.01)
    recorder.saw(Call("a", "b", "work"))
    give_up = time.monotonic() + 5.0
    while read_calls(tmp_path) is None:
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_nothing_runs_until_there_is_something_to_write(recorder: Recorder, middle: Middle) -> None:
    before = set(threading.enumerate())  # recorders of other tests' systems may be among them
    middle.leaf.work(1)
    with recorder.request("GET /health"):
        pass
    assert set(threading.enumerate()) <= before


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
    recorder.close()
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
    recorder.close()
    lines = (tmp_path / "spans.jsonl").read_text().splitlines()
    assert {trace["name"]: len(trace["spans"]) for trace in map(json.loads, lines)} == {
        str(number): 2 * number for number in range(1, 30)
    }


def test_the_file_of_spans_does_not_grow_without_end(
    middle: Middle, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_MOST_SPAN_BYTES", 2000)
    for _ in range(50):
        with recorder.request("r"):
            middle.work(1)
        recorder.close()
    assert (tmp_path / "spans.older.jsonl").exists()
    assert sum(file.stat().st_size for file in tmp_path.glob("spans*.jsonl")) < 2 * 2500


def test_a_folder_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "missing", digest="d")
    leaf = Leaf()
    middle = Middle(leaf)
    observe(leaf, name="leaf", recorder=recorder)
    observe(middle, name="middle", recorder=recorder)
    with recorder.request("r"):
        assert middle.work(4) == 9
    recorder.close()
    assert not (tmp_path / "missing").exists()
    assert recorder.calls() == {Call("middle", "leaf", "work"): 1}


def test_a_class_without_room_is_left_alone(recorder: Recorder) -> None:
    class Slotted:
        __slots__ = ()

        def work(self) -> int:
            return 1

    part = Slotted()
    observe(part, name="slotted", recorder=recorder)
    assert part.work() == 1


def test_a_frozen_component_is_observed_too(recorder: Recorder) -> None:
    @dataclass(frozen=True)
    class Frozen:
        leaf: Leaf

        def work(self) -> int:
            return self.leaf.work(2)

    leaf = Leaf()
    frozen = Frozen(leaf)
    observe(leaf, name="leaf", recorder=recorder)
    observe(frozen, name="frozen", recorder=recorder)
    assert frozen.work() == 4
    assert recorder.calls() == {Call("frozen", "leaf", "work"): 1}


def test_what_a_component_does_for_itself_is_neither_call_nor_span(
    recorder: Recorder, tmp_path: Path
) -> None:
    class Selfish(Leaf):
        def twice(self) -> int:
            return self.work(1) + self.work(1)

        async def later(self) -> int:
            return self.twice()

    part = Selfish()
    observe(part, name="selfish", recorder=recorder)
    with recorder.request("r") as trace:
        assert part.twice() == 4
        assert asyncio.run(part.later()) == 4
    assert recorder.calls() == {}
    assert [span and span.method for span in trace.spans] == ["twice", "later"]


def test_a_stream_from_a_plain_method_is_a_stream(recorder: Recorder) -> None:
    leaf = Leaf()
    inner = Middle(leaf)

    class Delegating:
        def stream(self, count: int) -> AsyncIterator[int]:
            return inner.stream(count)

    outer = Delegating()
    observe(leaf, name="leaf", recorder=recorder)
    observe(outer, name="outer", recorder=recorder)

    async def consume() -> Trace:
        with recorder.request("r") as trace:
            assert [item async for item in outer.stream(3)] == [0, 2, 4]
        return trace

    trace = asyncio.run(consume())
    assert recorder.calls() == {Call("outer", "leaf", "work"): 3}
    assert [(span.component, span.parent) for span in trace.spans if span] == [
        ("outer", None), ("leaf", 0), ("leaf", 0), ("leaf", 0),
    ]  # fmt: skip


def test_what_a_component_calls_while_it_cleans_up_is_its_own(recorder: Recorder) -> None:
    class Tidy(Middle):
        async def stream(self, count: int) -> AsyncIterator[int]:
            try:
                yield count
            finally:
                self.leaf.work(0)

    leaf = Leaf()
    tidy = Tidy(leaf)
    observe(leaf, name="leaf", recorder=recorder)
    observe(tidy, name="tidy", recorder=recorder)

    async def leave() -> None:
        async with aclosing(tidy.stream(3)) as items:  # type: ignore[type-var]
            await anext(items)

    asyncio.run(leave())
    assert recorder.calls() == {Call("tidy", "leaf", "work"): 1}


def test_an_answer_leaves_its_tokens_in_the_span(recorder: Recorder) -> None:
    generator = ScriptedGenerator(replies=("yes it is",))
    observe(generator, name="llm", recorder=recorder)
    with recorder.request("r") as trace:
        usage = finished(generator).usage
    [span] = trace.spans
    assert span is not None
    assert (span.input_tokens, span.output_tokens) == (usage.prompt_tokens, 3)


def test_an_answer_leaves_the_name_of_its_model_in_the_span(recorder: Recorder) -> None:
    class Named(ScriptedGenerator):
        async def stream(self, messages: Any, *, options: Any) -> AsyncIterator[Event]:
            async for event in super().stream(messages, options=options):
                yield replace(event, model="3b871b984312") if isinstance(event, Finished) else event

    generator = Named()
    observe(generator, name="llm", recorder=recorder)
    with recorder.request("r") as trace:
        finished(generator)
    assert [span and span.model for span in trace.spans] == ["3b871b984312"]


def test_an_exporter_that_fails_stops_neither_answers_nor_the_others(
    middle: Middle, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    exported = []

    def export(trace: Trace) -> None:
        exported.append(trace.name)
        raise RuntimeError("away")

    recorder.export = export
    for name in ("one", "two"):
        with recorder.request(name):
            middle.work(1)
    recorder.close()
    assert exported == ["one", "two"]
    assert "cannot be exported" in caplog.text


def test_a_full_disk_leaves_whole_lines_and_the_calls_that_were_there(tmp_path: Path) -> None:
    code = """
import resource, sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from asbuilt.tracing import Call, Trace
from asbuilt.tracing.files import add_calls, add_traces
from asbuilt.types import Event, Finished
folder = Path(sys.argv[1])
add_traces(folder, [Trace("fits")])
add_calls(folder, digest="d", counts={Call("a", "b", "fits"): 1})
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for _ in range(2):
    with suppress(OSError):
        add_traces(folder, [Trace("x" * 2000)])
    with suppress(OSError):
        add_calls(folder, digest="d", counts={Call("a", "b", "x" * 2000): 1})
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    [line] = (tmp_path / "spans.jsonl").read_text().splitlines()
    assert json.loads(line)["name"] == "fits"
    assert read_calls(tmp_path) == ("d", frozenset({Call("a", "b", "fits")}))
    assert not list(tmp_path.glob("*.new"))


def test_a_copy_that_nobody_observes_can_be_sent_away(tmp_path: Path) -> None:
    leaf = Leaf()
    observe(leaf, name="leaf", recorder=Recorder(tmp_path, digest="d"))
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(leaf)
    assert pickle.loads(pickle.dumps(unobserved(leaf))).work(2) == 4
    assert "work" in vars(leaf)
