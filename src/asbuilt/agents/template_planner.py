"""A plan that stands in the blueprint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from asbuilt.agents.plans import check_plan, plan_from_plain
from asbuilt.errors import UserError
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.runs import AgentCard, Plan

__all__ = ["TemplatePlanner"]

_TASK = "{task}"


@component("planner/template")
class TemplatePlanner:
    """The same subtasks for every task; "{task}" in an instruction stands for the user's words.

    `subtasks` are objects as in a plan: id, agent, instruction, and where needed inputs, tools, checks
    and budget. `output` is the id of the last one if it is not said. Raises UserError with every fault
    of the plan that shows without its agents, which are checked when a task is planned.
    """

    def __init__(
        self,
        *,
        subtasks: Sequence[Mapping[str, Any]],
        output: str | None = None,
        budget: Mapping[str, Any] | None = None,
    ) -> None:
        last = subtasks[-1].get("id", "") if subtasks and isinstance(subtasks[-1], Mapping) else ""
        self._plan = plan_from_plain(
            {
                "task": _TASK,
                "subtasks": list(subtasks),
                "output": last if output is None else output,
                "budget": dict(budget or {}),
            }
        )
        _refuse(check_plan(self._plan, agents=None))

    demand = staticmethod(holds_nothing)

    async def plan(self, task: str, *, agents: Sequence[AgentCard]) -> Plan:
        """See the role."""
        subtasks = (
            replace(each, instruction=each.instruction.replace(_TASK, task)) for each in self._plan.subtasks
        )
        plan = replace(self._plan, task=task, subtasks=tuple(subtasks))
        _refuse(check_plan(plan, agents=agents))
        return plan


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        raise UserError(f"the plan of planner/template has faults: {'; '.join(faults)}.")
