"""A run with effects of every class, in a process that is killed at any line, and what must be true after.

The world is a folder outside of the catalogue: a file a key for what is idempotent, a log of lines for
what is external. The parent kills, resumes, answers doubts by looking at the world, and counts.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import sqlalchemy as sa

from asbuilt.agents.orchestrator import SwarmOrchestrator
from asbuilt.catalog import Catalog
from asbuilt.errors import BugError
from asbuilt.roles import Desk, Generator, Tool
from asbuilt.runs import AgentCard, Decision, Label, Plan, ProposedCall, Subtask, ToolCard
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.tools.function import FunctionTool
from asbuilt.types import GenerationOptions, Message, ToolCall

__all__ = ["KillReport", "World", "count_lines", "run_with_kills"]

_TRACED = ("asbuilt/agents/", "asbuilt/catalog/", "asbuilt/tools/function.py", "run_workload.py")
_ENDED, _WAITS = 0, 3


@dataclass(frozen=True, slots=True)
class World:
    """What effects leave behind, outside of the catalogue."""

    folder: Path

    def put(self, item: str, idempotency_key: str) -> str:
        """Put an item into the store, once for a key."""
        file = self.folder / "puts" / f"{item}={idempotency_key.replace('/', '_')}"
        file.parent.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL))
        return f"{item} was put"

    def puts(self) -> list[str]:
        """The items that were put, once for each key."""
        folder = self.folder / "puts"
        return [file.name.partition("=")[0] for file in folder.iterdir()] if folder.exists() else []

    def send(self, item: str) -> str:
        """Send an item. Nobody can tell afterwards whether it was sent."""
        self._line("sent.log", item)
        return f"{item} was sent"

    def post(self, item: str, idempotency_key: str) -> str:
        """Post an item. The post office can be asked about a key."""
        self._line("posted.log", f"{item} {idempotency_key}")
        return f"{item} was posted"

    def was_posted(self, item: str, idempotency_key: str) -> str | None:
        """The result of a post that was made under this key."""
        return f"{item} was posted" if f"{item} {idempotency_key}" in self.lines("posted.log") else None

    def lines(self, name: str) -> list[str]:
        """What was written, in order."""
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    def _line(self, name: str, text: str) -> None:
        handle = os.open(self.folder / name, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(handle, f"{text}\n".encode())
        os.close(handle)


@dataclass(slots=True)
class KillReport:
    """What happened until the run ended. `faults` are sentences: lost and doubled effects."""

    kills: int = 0
    sessions: int = 0
    doubts: int = 0
    faults: list[str] = field(default_factory=list)


def run_with_kills(folder: Path, rng: Random, *, lines: int, most_kills: int = 3) -> KillReport:
    """Do the run in processes of its own that are killed at a random line of `lines`, until it ends.

    The caller must have one thread: processes are forked. Raises BugError for a child that fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    world, report = World(folder), KillReport()
    while True:
        kill_at = rng.randint(1, lines) if report.kills < most_kills else 0
        status = _forked(lambda: _session(folder, kill_at))  # noqa: B023 - it runs before the next round
        report.sessions += 1
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            report.kills += 1
        elif os.waitstatus_to_exitcode(status) == _WAITS:
            report.doubts += _answered(folder, world)
        elif os.waitstatus_to_exitcode(status) == _ENDED:
            report.faults = list(_faults(folder, world))
            return report
        else:
            raise BugError(f"a session on {folder} ended with status {status}.")


def count_lines(folder: Path) -> int:
    """Lines of the traced files that one run without kills goes through."""
    folder.mkdir(parents=True, exist_ok=True)
    status = _forked(lambda: _session(folder, -1))
    if os.waitstatus_to_exitcode(status) != _ENDED:
        raise BugError(f"the run without kills ended with status {status}.")
    return int((folder / "lines").read_text())


# ---------------------------------------------------------------- the child


def _forked(work: Callable[[], int]) -> int:
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def _session(folder: Path, kill_at: int) -> int:
    counter = _LineCounter(kill_at)
    catalog = Catalog(file=folder / "state" / "catalog.sqlite")
    catalog.open()
    with catalog.runs.write() as writer:
        writer.connection.execute(sa.text("CREATE TABLE IF NOT EXISTS world_notes (item TEXT)"))
    orchestrator = _orchestrator(catalog, World(folder))
    orchestrator.open()
    if kill_at:
        threading.settrace(counter.trace)
        sys.settrace(counter.trace)
    try:
        return asyncio.run(_driven(orchestrator, catalog))
    finally:
        sys.settrace(None)
        threading.settrace(None)
        if kill_at < 0:
            (folder / "lines").write_text(str(counter.count))


async def _driven(orchestrator: SwarmOrchestrator, catalog: Catalog) -> int:
    known = catalog.runs.recent()
    events = orchestrator.resume(known[0].id) if known else orchestrator.run(_PLAN.task, plan=_PLAN)
    last = ""
    async for event in events:
        last = event.kind
    return _ENDED if last == "ended" else _WAITS


class _LineCounter:
    """Kills the process at the n-th line of the traced files, in whatever thread."""

    def __init__(self, kill_at: int) -> None:
        self.count = 0
        self._kill_at = kill_at

    def trace(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "call":
            name = frame.f_code.co_filename
            return self.trace if any(part in name for part in _TRACED) else None
        if event == "line":
            self.count += 1
            if self.count == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.trace


# ---------------------------------------------------------------- the run


class _Script:
    """An agent that calls each of its tools once, after one reply of its model."""

    def __init__(self, name: str, tools: Sequence[Tool], generator: Generator) -> None:
        self.tools = tuple(tools)
        self._generator = generator
        cards = tuple(ToolCard(tool.spec.name, tool.spec.description, tool.effect) for tool in tools)
        self.card = AgentCard(name, "Calls its tools", cards)

    async def work(self, desk: Desk) -> str:
        messages = [Message("user", desk.subtask.instruction)]
        reply = await desk.generate(self._generator, messages, options=GenerationOptions(max_tokens=8))
        texts = [reply.message.content]
        for tool in self.tools:
            item = f"{desk.subtask.id}-{tool.spec.name}"
            result = await desk.call(tool, ToolCall(item, tool.spec.name, {"item": item}))
            texts.append(result.content)
        return "; ".join(texts)


class _AllowAll:
    """Whatever is planned may be done."""

    def decide(self, call: ProposedCall) -> Decision:
        return Decision("allow" if call.planned else "refuse", "planned", label=Label())

    def decide_plan(self, plan: Plan, *, agents: Sequence[AgentCard]) -> Decision:
        return Decision("allow", "always")


def _orchestrator(catalog: Catalog, world: World) -> SwarmOrchestrator:
    def look(item: str) -> str:
        """Look at an item."""
        return f"{item} was seen"

    def note(item: str, connection: sa.Connection) -> str:
        """Note an item in the catalogue's own database."""
        connection.execute(sa.text("INSERT INTO world_notes VALUES (:item)"), {"item": item})
        return f"{item} was noted"

    tools = (
        FunctionTool(look, effect="read"),
        FunctionTool(world.put, effect="idempotent"),
        FunctionTool(note, effect="transactional"),
        FunctionTool(world.send),
        FunctionTool(world.post, reconcile=world.was_posted),
    )
    agent = _Script("script", tools, ScriptedGenerator(replies=("ready",)))
    return SwarmOrchestrator(
        agents=(agent,), planner=_NoPlanner(), safety=_AllowAll(), catalog=catalog, blueprint_digest="test"
    )


class _NoPlanner:
    async def plan(self, task: str, *, agents: Sequence[AgentCard]) -> Plan:
        return _PLAN


_TOOLS = ("look", "put", "note", "send", "post")
_PLAN = Plan(
    "Call every tool",
    (
        Subtask("left", "script", "Go", tools=_TOOLS),
        Subtask("right", "script", "Go", tools=_TOOLS),
        Subtask("join", "script", "Go", inputs=("left", "right"), tools=_TOOLS),
    ),
    "join",
)


# ---------------------------------------------------------------- what must be true


def _answered(folder: Path, world: World) -> int:
    """Answer every doubt by looking at the world; returns how many there were."""
    catalog = Catalog(file=folder / "state" / "catalog.sqlite")
    catalog.open()
    try:
        items = catalog.runs.inbox()
        for item in items:
            sent = item.about["arguments"]["item"] in world.lines("sent.log")
            catalog.runs.decide(item.id, approve=sent, by="the world")
    finally:
        catalog.close()
    return len(items)


def _faults(folder: Path, world: World) -> Sequence[str]:
    catalog = Catalog(file=folder / "state" / "catalog.sqlite")
    catalog.open()
    try:
        with catalog.runs.write() as writer:
            noted = writer.connection.execute(sa.text("SELECT item FROM world_notes")).scalars().all()
        [record] = catalog.runs.recent()
        events = catalog.runs.events(record.id)
    finally:
        catalog.close()
    faults = []
    done = {
        "put": world.puts(),
        "note": list(noted),
        "send": world.lines("sent.log"),
        "post": [line.split()[0] for line in world.lines("posted.log")],
    }
    for tool, items in done.items():
        for subtask in ("left", "right", "join"):
            times = Counter(items)[f"{subtask}-{tool}"]
            if times != 1:
                faults.append(f"{tool} of {subtask} took effect {times} times")
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        faults.append("the log has gaps")
    if events[-1].kind != "ended" or events[-1].data["state"] != "finished":
        faults.append(f"the run did not finish: {events[-1]}")
    twice = Counter((each.subtask, each.step) for each in events if each.kind == "called")
    faults += [f"step {step} was recorded {times} times" for step, times in twice.items() if times > 1]
    return faults
