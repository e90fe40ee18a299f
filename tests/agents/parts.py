"""Agents that call tools by a script, and a policy by a table, for tests of runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from asbuilt.agents.orchestrator import SwarmOrchestrator
from asbuilt.catalog import Catalog
from asbuilt.roles import Agent, Desk, Memory, Tool
from asbuilt.runs import (
    TRUSTED,
    AgentCard,
    Decision,
    Label,
    Plan,
    ProposedCall,
    RunEvent,
    Subtask,
    ToolCard,
    Verdict,
)

Work = Callable[[Desk, Mapping[str, Tool]], Awaitable[str]]


class WorkAgent:
    """Does what a function says, with its tools by name."""

    def __init__(self, name: str, work: Work, *tools: Tool) -> None:
        self._work = work
        self.tools = tools
        cards = tuple(ToolCard(tool.spec.name, tool.spec.description, tool.effect) for tool in tools)
        self.card = AgentCard(name, "Works", cards)

    async def work(self, desk: Desk) -> str:
        return await self._work(desk, {tool.spec.name: tool for tool in self.tools})


class TablePolicy:
    """Verdicts by tool; what is not in the table is allowed. `plans` is for plans."""

    def __init__(
        self, plans: Verdict = "allow", *, labels: Mapping[str, Label] | None = None, **verdicts: Verdict
    ) -> None:
        self._plans: Verdict = plans
        self._verdicts = verdicts
        self._labels = labels or {}
        self.seen: list[ProposedCall] = []

    def decide(self, call: ProposedCall) -> Decision:
        self.seen.append(call)
        verdict = self._verdicts.get(call.tool, "allow")
        return Decision(verdict, "the table", "it says so", self._labels.get(call.tool, TRUSTED))

    def decide_plan(self, plan: Plan, *, agents: Sequence[AgentCard]) -> Decision:
        return Decision(self._plans, "the table", "it says so")


class OnePlan:
    """Plans what it was given."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    async def plan(self, task: str, *, agents: Sequence[AgentCard]) -> Plan:
        return self._plan


def single(agent: str = "a", *, tools: Sequence[str] = (), **more: object) -> Plan:
    """A plan of one subtask."""
    return Plan("the task", (Subtask("only", agent, "Do it", tools=tuple(tools), **more),), "only")  # type: ignore[arg-type]


@contextmanager
def swarm(
    folder: Path,
    *agents: Agent,
    policy: TablePolicy | None = None,
    memory: Memory | None = None,
    **config: object,
) -> Iterator[tuple[SwarmOrchestrator, Catalog]]:
    """An orchestrator of these agents over the catalogue in `folder`, open."""
    catalog = Catalog(file=folder / "catalog.sqlite")
    catalog.open()
    orchestrator = SwarmOrchestrator(
        agents=agents,
        planner=OnePlan(single()),
        safety=policy or TablePolicy(),
        memory=memory,
        catalog=catalog,
        blueprint_digest="b",
        **config,  # type: ignore[arg-type]
    )
    orchestrator.open()
    try:
        yield orchestrator, catalog
    finally:
        orchestrator.close()
        catalog.close()


def events_of(stream: AsyncIterator[RunEvent]) -> list[RunEvent]:
    """All events of a session."""

    async def collect() -> list[RunEvent]:
        return [event async for event in stream]

    return asyncio.run(collect())
