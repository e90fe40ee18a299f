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
    "You split a task into as few steps as it needs, for the agents below, and answer with the plan as JSON: "
    '{"step-1": {"agent", "instruction", "inputs", "tools", "checks"}, "step-2": ...}, null for a step that '
    "the task does not need. An agent sees its instruction and the results of the earlier steps that its "
    "inputs name, nothing else: say all that it must know. Give it the tools that it needs, no others. "
    "Checks are what its result must pass. The result of the last step answers the task; the results of all "
    "others must lead to it."
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
_INSTRUCTION_CHARS = 500
_MOST_CHECKS = 2
_FAULTS = 12
"""Faults that a model is told at once."""


@component("planner/model")
class ModelPlanner:
    """A language model plans, through constrained JSON: it can name no agent, tool or check that there is
    not, and take results of earlier steps only. All that it reads is the task and what the blueprint
    says of the agents.

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
        plan = plan_from_plain(_plain(json.loads(finished.message.content), task))
    except UserError as error:
        return None, (error.message,)
    except (ValueError, RecursionError) as error:
        return None, (f"the reply is not JSON: {error}",)
    faults = check_plan(plan, agents=agents)
    return (None, faults) if faults else (ordered(plan), ())


def _plain(steps: object, task: str) -> dict[str, Any]:
    """The plan that the steps of a reply make: the last is the output."""
    if not isinstance(steps, dict):
        raise UserError("the reply must be a JSON object.")
    needed = {name: step for name, step in steps.items() if step is not None}
    subtasks = [{**step, "id": name} if isinstance(step, dict) else step for name, step in needed.items()]
    return {"task": task, "subtasks": subtasks, "output": next(reversed(needed), "")}


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
    """The JSON Schema of the steps of a plan for these agents. A cycle cannot be written in it."""
    names = [f"step-{number}" for number in range(1, max_subtasks + 1)]
    steps = {
        name: {"anyOf": [_step_shape(agent, names[:number]) for agent in agents]}
        for number, name in enumerate(names)
    }
    optional = {name: {"anyOf": [*step["anyOf"], {"type": "null"}]} for name, step in steps.items()}
    return _object(**{**optional, names[0]: steps[names[0]]})


def _step_shape(agent: AgentCard, earlier: Sequence[str]) -> dict[str, Any]:
    return _object(
        agent={"type": "string", "enum": [agent.name]},
        instruction={"type": "string", "minLength": 1, "maxLength": _INSTRUCTION_CHARS},
        inputs=_some(earlier),
        tools=_some([tool.name for tool in agent.tools]),
        checks={"type": "array", "items": {"anyOf": [*map(check_shape, _CHECKS)]}, "maxItems": _MOST_CHECKS},
    )


def _some(names: Sequence[str]) -> dict[str, Any]:
    items = {"type": "string", "enum": list(names)} if names else {"type": "string"}
    return {"type": "array", "items": items, "maxItems": len(names)}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
