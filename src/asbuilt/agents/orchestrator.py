"""Task -> plan -> dispatch -> execute -> aggregate -> verify -> output."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import asdict
from typing import Any

from filelock import FileLock, Timeout

from asbuilt.agents.dispatch import ModelSlots
from asbuilt.agents.execution import Execution, Waiting
from asbuilt.agents.floor import Floor
from asbuilt.agents.journal import Journal, ReplayJournal
from asbuilt.agents.meter import Meter
from asbuilt.agents.people import People
from asbuilt.agents.plans import cards_to_plain, plan_from_plain, plan_to_plain, sound_plan
from asbuilt.catalog import Catalog
from asbuilt.errors import BugError, UserError
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import Agent, Memory, Planner, SafetyLayer
from asbuilt.runs import TRUSTED, AgentCard, Budget, Plan, RunEvent

__all__ = ["SwarmOrchestrator"]

_TOOL_THREADS = 32


@component("orchestrator/swarm")
class SwarmOrchestrator:
    """Plans a task, has agents do the plan's parallel parts within the slots of their models, checks what
    they bring, and keeps a log from which a run goes on after a crash at any instruction.

    A result that does not pass its checks is done again, up to `attempts` times in all, with the faults
    told; it never reaches another subtask or the output. Approvals run out after `approval_hours`.
    `tokens`, `seconds` and `calls` are limits of a run for plans that state none.
    """

    def __init__(
        self,
        *,
        agents: Sequence[Agent],
        planner: Planner,
        safety: SafetyLayer,
        memory: Memory | None = None,
        catalog: Catalog,
        blueprint_digest: str,
        attempts: int = 2,
        approval_hours: float = 24.0,
        tokens: int | None = None,
        seconds: float | None = None,
        calls: int | None = None,
    ) -> None:
        if attempts < 1:
            raise UserError(f"attempts is {attempts}; it must be at least 1.")
        if not approval_hours > 0:
            raise UserError(f"approval_hours is {approval_hours}; it must be above 0.")
        self._agents = {agent.card.name: agent for agent in agents}
        if len(self._agents) < len(agents):
            raise UserError("two agents have one name.", hint="Give each component a name of its own.")
        self._planner = planner
        self._safety = safety
        self._memory = memory
        self._catalog = catalog
        self._blueprint = blueprint_digest
        self._attempts = attempts
        self._approval_s = approval_hours * 3600
        self._budget = Budget(tokens, seconds, calls)
        self._slots: ModelSlots | None = None
        self._threads: ThreadPoolExecutor | None = None

    demand = staticmethod(holds_nothing)

    def open(self) -> None:
        """Make room for models and tools to work."""
        self._slots = ModelSlots()
        self._threads = ThreadPoolExecutor(_TOOL_THREADS, thread_name_prefix="tool")

    def close(self) -> None:
        """Let the threads go; a tool that still runs is not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        self._slots = self._threads = None

    @property
    def cards(self) -> tuple[AgentCard, ...]:
        """What a planner, and whoever approves a plan, is told of the agents."""
        return tuple(agent.card for agent in self._agents.values())

    async def plan(self, task: str) -> Plan:
        """See the role."""
        if not task.strip():
            raise UserError("there is no task.", hint="Say in a sentence what is to be done.")
        return sound_plan(await self._planner.plan(task, agents=self.cards), agents=self.cards)

    async def run(self, task: str, *, plan: Plan | None = None) -> AsyncIterator[RunEvent]:
        """See the role. Without a last event "ended" the run waits for a person."""
        plan = await self.plan(task) if plan is None else sound_plan(plan, agents=self.cards)
        run = f"{time.strftime('%y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
        self._catalog.runs.create(run, task, blueprint=self._blueprint)
        async with aclosing(self._session(run, plan)) as events:
            async for event in events:
                yield event

    async def resume(self, run: str) -> AsyncIterator[RunEvent]:
        """See the role."""
        record = self._catalog.runs.get(run)
        plan = None
        if not any(event.kind == "planned" for event in self._catalog.runs.events(run)):
            plan = await self.plan(record.task)  # the process ended before the plan was written
        async with aclosing(self._session(run, plan)) as events:
            async for event in events:
                yield event

    async def replay(self, run: str) -> list[RunEvent]:
        """Have agents do an ended run again, with the log in place of models, tools and people, and give
        its events. Raises UserError where they would do anything that the log does not have, or where
        they come to another result."""
        self._catalog.runs.get(run)
        events: list[RunEvent] = []
        journal = ReplayJournal(self._catalog.runs, run, listener=events.append)
        journal.announce()
        ended = journal.found("ended")
        if ended is None:
            raise UserError(f"run {run} has not ended.", hint=f"Go on with it: asbuilt resume {run}")
        await self._work(journal, None, replay=True)
        return events

    # ------------------------------------------------------------ one session

    async def _session(self, run: str, plan: Plan | None) -> AsyncGenerator[RunEvent, None]:
        lock = self._locked(run)
        events: asyncio.Queue[RunEvent | None] = asyncio.Queue()
        try:
            journal = Journal(self._catalog.runs, run, listener=events.put_nowait)
            journal.announce()
            work = asyncio.create_task(self._worked(journal, plan))
            work.add_done_callback(lambda _: events.put_nowait(None))
            try:
                while (event := await events.get()) is not None:
                    yield event
            finally:
                work.cancel()
                with suppress(asyncio.CancelledError):
                    await work
        finally:
            lock.release()

    async def _worked(self, journal: Journal, plan: Plan | None) -> None:
        try:
            await self._work(journal, plan)
        except Waiting:
            await journal.set_state("waiting")
        finally:
            await journal.close()

    async def _work(self, journal: Journal, plan: Plan | None, *, replay: bool = False) -> None:
        ended = journal.found("ended")
        if ended is not None and not replay:
            return
        floor = self._floor(journal, self._catalog.runs.get(journal.run).task)
        if journal.found("started") is None:
            journal.note("started", task=floor.task, agents=[each.name for each in self.cards])
        elif not replay:
            journal.note("resumed")
            await journal.set_state("running")
        planned = journal.once("planned", plan=plan_to_plain(plan) if plan is not None else {})
        plan = plan_from_plain(planned.data["plan"])
        execution = Execution(
            plan,
            self._agents,
            floor,
            Meter(_tighter(plan.budget, self._budget), name="the run", worked_s=journal.worked_s()),
            self._attempts,
            replay=replay,
        )
        refusal = await self._refused(plan, floor)
        if not refusal:
            await execution.work()
        output = execution.results.get(plan.output)
        faults = [refusal] if refusal else [f"{name}: {fault}" for name, fault in execution.failed.items()]
        state = "finished" if output is not None and not faults else "failed"
        data: dict[str, Any] = {
            "state": state,
            "output": output.text if output is not None and not faults else "",
            "label": asdict(output.label if output is not None else TRUSTED),
            "faults": faults,
        }
        if replay:
            assert ended is not None
            if any(ended.data[key] != value for key, value in data.items()):
                raise UserError(f"run {journal.run} came to another result when it was replayed: {data}.")
            return
        journal.note("ended", **data)
        await journal.set_state("finished" if state == "finished" else "failed")

    async def _refused(self, plan: Plan, floor: Floor) -> str:
        """Why the plan may not start; empty when it may."""
        decision = self._safety.decide_plan(plan, agents=self.cards)
        if decision.verdict == "allow":
            return ""
        if decision.verdict == "refuse":
            return f"the plan was refused by {decision.rule}: {decision.reason}"
        about = {"plan": plan_to_plain(plan), "agents": cards_to_plain(plan, self.cards)}
        asking = asyncio.ensure_future(
            floor.people.answer("plan", digest=plan.digest, about=about, reason=decision.reason)
        )
        changed = asyncio.ensure_future(floor.people.changed.wait())
        try:
            await asyncio.wait({asking, changed}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise Waiting
            answer = asking.result()
        finally:
            for task in (asking, changed):
                task.cancel()
            await asyncio.gather(asking, changed, return_exceptions=True)
        return "" if answer == "approved" else f"the plan was not approved: {answer}."

    def _floor(self, journal: Journal, task: str) -> Floor:
        if self._slots is None or self._threads is None:
            raise BugError("the orchestrator is used before open() or after close().")
        people = People(self._catalog.runs, journal, expires_s=self._approval_s)
        return Floor(journal, self._slots, self._safety, people, self._memory, self._threads, task)

    def _locked(self, run: str) -> FileLock:
        folder = self._catalog.file.parent / "runs"
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / f"{run}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise UserError(
                f"another process works on run {run}.", hint="See it with: asbuilt runs"
            ) from None
        return lock


def _tighter(stated: Budget, usual: Budget) -> Budget:
    """What a plan states, and what is usual where it states nothing."""
    return Budget(
        usual.tokens if stated.tokens is None else stated.tokens,
        usual.seconds if stated.seconds is None else stated.seconds,
        usual.calls if stated.calls is None else stated.calls,
    )
