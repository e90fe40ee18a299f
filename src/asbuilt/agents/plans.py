"""Plans: every fault of one at once, their order, their form in JSON and for a person."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pydantic import TypeAdapter, ValidationError

from asbuilt.agents.checks import check_faults
from asbuilt.errors import UserError
from asbuilt.registry import nearest
from asbuilt.runs import AgentCard, Budget, CheckSpec, Plan, Subtask
from asbuilt.types import Effect

__all__ = [
    "MAX_SUBTASKS",
    "check_plan",
    "critical_path",
    "effects_of",
    "ordered",
    "plan_from_plain",
    "plan_to_plain",
    "show_plan",
]

MAX_SUBTASKS = 256
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_INSTRUCTION_CHARS = 100


# ---------------------------------------------------------------- faults


def check_plan(plan: Plan, *, agents: Sequence[AgentCard]) -> tuple[str, ...]:
    """Everything that is wrong with a plan for these agents, a sentence each; empty for a sound one."""
    return tuple(_faults(plan, {agent.name: agent for agent in agents}))


def _faults(plan: Plan, agents: Mapping[str, AgentCard]) -> Iterator[str]:
    ids = [subtask.id for subtask in plan.subtasks]
    if not ids:
        yield "the plan has no subtask"
        return
    if len(ids) > MAX_SUBTASKS:
        yield f"the plan has {len(ids)} subtasks; at most {MAX_SUBTASKS} are allowed"
    for name in sorted({name for name in ids if ids.count(name) > 1}):
        yield f"two subtasks are called {name!r}"
    if plan.output not in ids:
        yield f"output is {plan.output!r}, which is no subtask{_meant(plan.output, ids)}"
    yield from _budget_faults("the plan", plan.budget)
    for subtask in plan.subtasks:
        yield from (f"subtask {subtask.id!r}: {fault}" for fault in _subtask_faults(subtask, ids, agents))
    try:
        TopologicalSorter({each.id: set(each.inputs) & set(ids) for each in plan.subtasks}).prepare()
    except CycleError as error:
        yield f"subtasks wait for each other: {' -> '.join(reversed(error.args[1]))}"
    else:
        yield from _unused(plan, agents)


def _subtask_faults(subtask: Subtask, ids: Sequence[str], agents: Mapping[str, AgentCard]) -> Iterator[str]:
    if not _ID.fullmatch(subtask.id):
        yield f"the id must be 1 to 64 of a-z, 0-9 and hyphens, not {subtask.id!r}"
    if not subtask.instruction.strip():
        yield "the instruction is empty"
    for name in subtask.inputs:
        if name not in ids:
            yield f"input {name!r} is no subtask{_meant(name, ids)}"
    agent = agents.get(subtask.agent)
    if agent is None:
        yield f"there is no agent {subtask.agent!r}{_meant(subtask.agent, list(agents))}"
    else:
        known = [tool.name for tool in agent.tools]
        for name in subtask.tools:
            if name not in known:
                listed = ", ".join(known) or "none"
                yield f"agent {agent.name!r} has no tool {name!r}{_meant(name, known)} (it has: {listed})"
    for check in subtask.checks:
        yield from check_faults(check)
    yield from _budget_faults("it", subtask.budget)


def _budget_faults(whose: str, budget: Budget) -> Iterator[str]:
    for name, value in asdict(budget).items():
        if value is not None and value < 0:
            yield f"the budget of {whose} has {name} {value}; it must be 0 or more"


def _unused(plan: Plan, agents: Mapping[str, AgentCard]) -> Iterator[str]:
    """Subtasks without an effect whose results nobody takes."""
    taken = {plan.output, *(name for subtask in plan.subtasks for name in subtask.inputs)}
    for subtask in plan.subtasks:
        if subtask.id not in taken and set(_effects(subtask, agents)) <= {"read"}:
            yield f"nothing takes the result of subtask {subtask.id!r}"


def _meant(word: str, allowed: Sequence[str]) -> str:
    close = nearest(word, allowed)
    return f", did you mean {close!r}?" if close else ""


# ---------------------------------------------------------------- the graph


def ordered(plan: Plan) -> Plan:
    """The plan with each subtask after those that it takes from, and otherwise as written. The plan must
    be without faults."""
    done: set[str] = set()
    left, found = list(plan.subtasks), []
    while left:
        ready = next(each for each in left if set(each.inputs) <= done)
        left.remove(ready)
        found.append(ready)
        done.add(ready.id)
    return replace(plan, subtasks=tuple(found))


def critical_path(plan: Plan) -> dict[str, int]:
    """How many subtasks the longest way from each to an end has, itself counted. The plan is ordered."""
    lengths: dict[str, int] = {}
    for subtask in reversed(plan.subtasks):
        after = [lengths[each.id] for each in plan.subtasks if subtask.id in each.inputs]
        lengths[subtask.id] = 1 + max(after, default=0)
    return lengths


def effects_of(plan: Plan, agents: Sequence[AgentCard]) -> dict[str, Effect]:
    """What the tools may change that the plan gives out, by tool."""
    by_name = {agent.name: agent for agent in agents}
    return {
        tool.name: tool.effect
        for subtask in plan.subtasks
        if subtask.agent in by_name
        for tool in by_name[subtask.agent].tools
        if tool.name in subtask.tools
    }


def _effects(subtask: Subtask, agents: Mapping[str, AgentCard]) -> list[Effect]:
    agent = agents.get(subtask.agent)
    return [tool.effect for tool in agent.tools if tool.name in subtask.tools] if agent else []


# ---------------------------------------------------------------- JSON

_ADAPTER = TypeAdapter(Plan)


def plan_to_plain(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values."""
    plain: dict[str, Any] = _ADAPTER.dump_python(plan, mode="json")
    return plain


def plan_from_plain(plain: object) -> Plan:
    """The plan that `plan_to_plain` gave. Raises UserError with every fault of its form."""
    if not isinstance(plain, Mapping):
        raise UserError("a plan must be an object.", hint="`asbuilt run TASK --plan-only --json` prints one.")
    try:
        plan = _ADAPTER.validate_python(plain)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)
        ]
    else:
        faults = list(_unknown(plain, plan_to_plain(plan)))
        if not faults:
            return plan
    raise UserError(f"the plan is not well formed: {'; '.join(faults)}.")


def _unknown(given: Any, known: Any, where: str = "") -> Iterator[str]:
    """Keys that the plan did not take."""
    if isinstance(given, Mapping) and isinstance(known, Mapping):
        for key, value in given.items():
            if key in known:
                yield from _unknown(value, known[key], f"{where}{key}.")
            else:
                close = nearest(str(key), list(known))
                yield f"{where}{key} is unknown" + (f", did you mean {close!r}?" if close else "")
    elif isinstance(given, list) and isinstance(known, list):
        for number, (one, other) in enumerate(zip(given, known, strict=True)):
            yield from _unknown(one, other, f"{where}{number}.")


# ---------------------------------------------------------------- for a person


def show_plan(plan: Plan, agents: Sequence[AgentCard]) -> str:
    """Lines that say who does what after what, with which tools, effects, checks and budget."""
    effects = effects_of(plan, agents)
    lines = [f"task: {plan.task}"]
    for subtask in plan.subtasks:
        after = f", after {', '.join(subtask.inputs)}" if subtask.inputs else ""
        output = "  -> output" if subtask.id == plan.output else ""
        lines.append(f"- {subtask.id}: {subtask.agent}{after}{output}")
        lines.append(f"    does:    {_cut(subtask.instruction)}")
        if subtask.tools:
            tools = (f"{name} ({effects.get(name, 'effect unknown')})" for name in subtask.tools)
            lines.append(f"    tools:   {', '.join(tools)}")
        if subtask.checks:
            lines.append(f"    checks:  {', '.join(map(_check_words, subtask.checks))}")
        if budget := _budget_words(subtask.budget):
            lines.append(f"    budget:  {budget}")
    changing = sorted({effect for effect in effects.values() if effect != "read"})
    lines.append(f"effects: {', '.join(changing) if changing else 'none; it only reads'}")
    lines.append(f"budget: {_budget_words(plan.budget) or 'as the blueprint says'}")
    lines.append(f"digest: {plan.digest[:12]}")
    return "\n".join(lines) + "\n"


def _check_words(check: CheckSpec) -> str:
    arguments = ", ".join(f"{key}={value!r}" for key, value in check.arguments.items())
    return f"{check.name}({arguments})" if arguments else check.name


def _budget_words(budget: Budget) -> str:
    words = (f"{value:,} {name}" for name, value in asdict(budget).items() if value is not None)
    return ", ".join(words)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _INSTRUCTION_CHARS else f"{text[:_INSTRUCTION_CHARS]}..."
