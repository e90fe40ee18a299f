"""One session on a run: subtasks are dispatched as their inputs are there, and their results checked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from asbuilt.agents.checks import CheckContext, faults_of
from asbuilt.agents.desk import RunDesk
from asbuilt.agents.floor import Floor
from asbuilt.agents.meter import Meter
from asbuilt.agents.plans import critical_path
from asbuilt.errors import AsbuiltError, UserError, WorldError
from asbuilt.roles import Agent
from asbuilt.runs import Label, Plan, Subtask, WorkResult

__all__ = ["Execution", "Waiting"]

_log = logging.getLogger(__name__)


class Waiting(Exception):  # noqa: N818 - no error: the session ends here until a person answers
    """All that is left to do waits for a person."""


@dataclass(slots=True)
class Execution:
    """Does what is left of a plan. With `replay`, subtasks that are done are done again from the log."""

    plan: Plan
    agents: Mapping[str, Agent]
    floor: Floor
    meter: Meter
    attempts: int
    replay: bool = False
    results: dict[str, WorkResult] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    _desks: dict[str, RunDesk] = field(default_factory=dict)

    async def work(self) -> None:
        """Until every subtask is in `results`, or in `failed`, or has an input that is not in `results`.

        Raises Waiting when all that runs waits for a person, and WorldError when the disk or an
        endpoint fails; then the run can be resumed.
        """
        weights = critical_path(self.plan)
        running: dict[asyncio.Task[None], str] = {}
        try:
            while True:
                for subtask in self.plan.subtasks:
                    name = subtask.id
                    if name not in self._desks and all(each in self.results for each in subtask.inputs):
                        self._desks[name] = self._desk(subtask, weights[name])
                        task = asyncio.create_task(self._done(self._desks[name]))
                        task.add_done_callback(lambda _: self.floor.people.changed.set())
                        running[task] = name
                if not running:
                    return
                await self._next(running)
                for task in [task for task in running if task.done()]:
                    running.pop(task)
                    task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await self.floor.close()

    async def _next(self, running: Mapping[asyncio.Task[None], str]) -> None:
        """Until a subtask ends. Raises Waiting."""
        people = self.floor.people
        while not any(task.done() for task in running):
            if all(0 < self._desks[name].busy == people.waiting[name] for name in running.values()):
                raise Waiting
            people.changed.clear()
            await people.changed.wait()

    def _desk(self, subtask: Subtask, priority: int) -> RunDesk:
        meter = Meter(subtask.budget, name=f"subtask {subtask.id!r}", parent=self.meter)
        return RunDesk(
            self.floor,
            subtask,
            agent=self.agents[subtask.agent].card,
            inputs={name: self.results[name] for name in subtask.inputs},
            meter=meter,
            priority=priority,
        )

    async def _done(self, desk: RunDesk) -> None:
        journal, name = self.floor.journal, desk.subtask.id
        finished, failed = journal.found("finished", name), journal.found("failed", name)
        if finished is not None and not self.replay:
            self.meter.count(**journal.used(name))
            self.results[name] = WorkResult(finished.data["text"], Label(**finished.data["label"]))
            return
        if failed is not None and not self.replay:
            self.failed[name] = failed.data["fault"]
            return
        journal.once("dispatched", name, agent=desk.subtask.agent)
        try:
            result = await self._checked(desk)
        except WorldError:
            raise
        except AsbuiltError as error:
            self.failed[name] = str(error)
        except Exception as error:
            _log.exception("agent %r failed at subtask %r", desk.subtask.agent, name)
            self.failed[name] = f"agent {desk.subtask.agent!r} failed: {type(error).__name__}: {error}"
        else:
            self.results[name] = result
            journal.once("finished", name, text=result.text, label=asdict(result.label))
            return
        journal.once("failed", name, fault=self.failed[name])

    async def _checked(self, desk: RunDesk) -> WorkResult:
        """The first result that passes its checks. Raises UserError when none does."""
        faults: tuple[str, ...] = ()
        for attempt in range(1, self.attempts + 1):
            if faults:
                desk.again(faults)
            text = await self.agents[desk.subtask.agent].work(desk)
            sources = {
                **{f"input:{name}": each.text for name, each in desk.inputs.items()},
                **{f"{each.source}#{number}": each.text for number, each in enumerate(desk.results, 1)},
            }
            faults = faults_of(desk.subtask.checks, text, CheckContext(sources, desk.task))
            if desk.subtask.checks:
                self.floor.journal.once("checked", desk.subtask.id, attempt, faults=list(faults))
            if not faults:
                return WorkResult(text, desk.label)
        raise UserError(
            f"the result of subtask {desk.subtask.id!r} did not pass its checks in {self.attempts} attempts: "
            f"{'; '.join(faults)}"
        )
