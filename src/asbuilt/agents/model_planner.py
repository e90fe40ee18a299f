"""A plan that a language model writes, within a schema made of the agents that there are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from asbuilt.agents.checks import check_shape
from asbuilt.agents.plans import MAX_SUBTASKS, check_plan, ordered, plan_from_plain
from asbuilt.errors import UserError
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import Generator
from asbuilt.runs import AgentCard, Plan
from asbuilt.types import Finished, GenerationOptions, Message

__all__ = ["ModelPlanner"]

_SYSTEM = (
    "You split a task into as few subtasks as it needs, for the agents below, and answer with the plan as "
    "JSON. An agent sees its instruction and the results of the subtasks that its inputs name, nothing "
    "else: say all that it must know. Give it the tools that it needs, no others. Checks are what its "
    "result must pass. The output is the subtask whose result answers the task; the results of all others "
    "must lead to it."
)
_CHECKS: Mapping[str, str] = {
    "not-empty": "says anything",
    "min-words": "has at least so many words",
    "max-words": "has at most so many words",
    "contains": "says all of these words",
    "cites": "names at least so many sources, in square brackets, and only ones that were found",
    "quoted": "quotes at least so many passages, and only word for word",
    "no-new-numbers": "has only numbers that were found",
}
"""Those that a model may choose, and what a result that passes does."""
_FAULTS = 12
"""Faults that a model is told at once."""


@component("planner/model")
class ModelPlanner:
    """A language model plans, through constrained JSON: it can name no agent, tool, check or id that
    there is not. All that it reads is the task and what the blueprint says of the agents.

    A plan with faults goes back to it with them, at most `repairs` times; then it is refused. A reply
    has at most `max_tokens`, a plan at most `max_subtasks`; replies come within `timeout_s` together.
    """

    def __init__(
        self,
        *,
        generator: Generator,
        max_subtasks: int = 8,
        repairs: int = 2,
        max_tokens: int = 1024,
        timeout_s: float = 300.0,
    ) -> None:
        if not 1 <= max_subtasks <= MAX_SUBTASKS:
            raise UserError(f"max_subtasks is {max_subtasks}; it must be 1 to {MAX_SUBTASKS}.")
        if repairs < 0 or max_tokens < 1 or not timeout_s > 0:
            raise UserError("repairs must be at least 0, max_tokens at least 1, and timeout_s above 0.")
        self._generator = generator
        self._max_subtasks = max_subtasks
        self._repairs = repairs
        self._max_tokens = max_tokens
        self._timeout_s = timeout_s

    demand = staticmethod(holds_nothing)

    async def plan(self, task: str, *, agents: Sequence[AgentCard]) -> Plan:
        """See the role. Raises UserError with the last plan's faults when it is refused."""
        if not agents:
            raise UserError("there is no agent to plan for.", hint="Declare one in the blueprint.")
        shape = _shape(agents, self._max_subtasks)
        options = GenerationOptions(temperature=0.0, max_tokens=self._max_tokens, seed=0, json_schema=shape)
        asked = [Message("system", _SYSTEM), Message("user", _told(task, agents))]
        again: list[Message] = []
        try:
            async with asyncio.timeout(self._timeout_s):
                for _ in range(1 + self._repairs):
                    finished = await self._reply([*asked, *again], options)
                    plan, faults = _read(finished, task, agents)
                    if plan is not None:
                        return plan
                    again = [Message("assistant", finished.message.content), _mended(faults)]
        except TimeoutError:
            raise UserError(
                f"the model gave no plan within {self._timeout_s:g} s.",
                hint="Raise timeout_s of planner/model.",
            ) from None
        listed = "; ".join(faults[:_FAULTS])
        raise UserError(
            f"the model's plan still has faults after {self._repairs} repairs: {listed}.",
            hint="Say the task in other words, take a stronger model, or write the plan: planner/template.",
        )

    async def _reply(self, messages: Sequence[Message], options: GenerationOptions) -> Finished:
        async for event in self._generator.stream(messages, options=options):
            if isinstance(event, Finished):
                return event
        raise AssertionError("a generator's last event is Finished")


def _read(finished: Finished, task: str, agents: Sequence[AgentCard]) -> tuple[Plan | None, Sequence[str]]:
    """The plan of a reply, or its faults."""
    if finished.reason == "length":
        return None, ("the reply was cut off: make the plan shorter",)
    try:
        plain = json.loads(finished.message.content)
    except (ValueError, RecursionError) as error:
        return None, (f"the reply is not JSON: {error}",)
    if not isinstance(plain, dict):
        return None, ("the reply must be a JSON object",)
    try:
        plan = plan_from_plain({**plain, "task": task, "budget": {}})  # not the model's to give
    except UserError as error:
        return None, (error.message,)
    faults = check_plan(plan, agents=agents)
    return (None, faults) if faults else (ordered(plan), ())


def _mended(faults: Sequence[str]) -> Message:
    listed = "\n".join(f"- {each}" for each in faults[:_FAULTS])
    return Message("user", f"The plan has faults:\n{listed}\nAnswer with the whole plan, without them.")


def _told(task: str, agents: Sequence[AgentCard]) -> str:
    """The agents come first: they are the same for every task, so that an engine computes them once."""
    lines = ["Agents:"]
    for agent in agents:
        lines.append(f"- {agent.name}: {agent.purpose}")
        lines += [f"  - tool {tool.name} ({tool.effect}): {tool.description}" for tool in agent.tools]
    lines += ["", "Checks, of a result that:", *(f"- {name}: {what}" for name, what in _CHECKS.items())]
    return "\n".join((*lines, "", f"Task: {task}"))


def _shape(agents: Sequence[AgentCard], max_subtasks: int) -> dict[str, Any]:
    """The JSON Schema of a plan for these agents, without what the user says: task and budgets."""
    ids = {"type": "string", "enum": [f"step-{number}" for number in range(1, max_subtasks + 1)]}
    return _object(
        subtasks=_list({"anyOf": [_subtask_shape(agent, ids) for agent in agents]}, 1, max_subtasks),
        output=ids,
    )


def _subtask_shape(agent: AgentCard, ids: Mapping[str, Any]) -> dict[str, Any]:
    tools = [tool.name for tool in agent.tools]
    return _object(
        id=ids,
        agent={"type": "string", "enum": [agent.name]},
        instruction={"type": "string"},
        inputs=_list(ids, 0, len(ids["enum"])),
        **({"tools": _list({"type": "string", "enum": tools}, 0, len(tools))} if tools else {}),
        checks=_list({"anyOf": [check_shape(name) for name in _CHECKS]}, 0, len(_CHECKS)),
    )


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Mapping[str, Any], least: int, most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}
