"""Plans: every fault of one at once, their order, their form in JSON and for a person."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from itertools import islice
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from asbuilt.agents.checks import check_faults
from asbuilt.errors import UserError
from asbuilt.registry import nearest
from asbuilt.runs import AgentCard, Budget, CheckSpec, Plan, Subtask
from asbuilt.types import Effect

__all__ = [
    "MAX_SUBTASKS",
    "cards_from_plain",
    "cards_to_plain",
    "check_plan",
    "critical_path",
    "effects_of",
    "ordered",
    "plan_from_plain",
    "plan_to_plain",
    "show_plan",
    "sound_plan",
]

MAX_SUBTASKS = 1_024
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_FAULTS = 100
"""Faults that are told at once: a plan of ten thousand bad inputs takes neither minutes nor pages."""
_WIDTH = 100
_EFFECTS: Sequence[Effect] = get_args(Effect)  # from the harmless one on


# ---------------------------------------------------------------- faults


def check_plan(plan: Plan, *, agents: Sequence[AgentCard] | None) -> tuple[str, ...]:
    """Everything that is wrong with a plan for these agents, a sentence each; empty for a sound one. Of
    more than a hundred faults, the first hundred.

    Without `agents` (None), agents and tools are not looked at, nor whether every result is taken.
    """
    by_name = None if agents is None else {agent.name: agent for agent in agents}
    return tuple(islice(_faults(plan, by_name), _FAULTS))


def sound_plan(plan: Plan, *, agents: Sequence[AgentCard]) -> Plan:
    """The plan in the order of its graph. Raises UserError with everything that is wrong with it."""
    faults = check_plan(plan, agents=agents)
    if faults:
        raise UserError(f"the plan has faults: {'; '.join(faults)}.")
    return ordered(plan)


def _faults(plan: Plan, agents: Mapping[str, AgentCard] | None) -> Iterator[str]:
    ids = [subtask.id for subtask in plan.subtasks]
    if not ids:
        yield "the plan has no subtask"
        return
    if len(ids) > MAX_SUBTASKS:
        yield f"the plan has {len(ids):,} subtasks; at most {MAX_SUBTASKS:,} are allowed"
        return
    if not plan.task.strip():
        yield "the plan has no task"
    yield from (f"{count} subtasks are called {name!r}" for name, count in Counter(ids).items() if count > 1)
    if plan.output not in ids:
        yield f"output is {plan.output!r}, which is no subtask{_meant(plan.output, ids)}"
    yield from _budget_faults(plan.budget)
    for subtask in plan.subtasks:
        yield from (f"subtask {subtask.id!r}: {fault}" for fault in _subtask_faults(subtask, ids, agents))
    try:
        plan.digest  # noqa: B018 - what has no digest cannot be approved
    except (TypeError, ValueError, RecursionError) as error:
        yield f"the plan cannot be written as JSON: {error}"
    try:
        TopologicalSorter({each.id: set(each.inputs) & set(ids) for each in plan.subtasks}).prepare()
    except CycleError as error:
        yield f"subtasks wait for each other: {' -> '.join(reversed(error.args[1]))}"
    else:
        yield from _unused(plan, agents) if agents is not None else ()


def _subtask_faults(
    subtask: Subtask, ids: Sequence[str], agents: Mapping[str, AgentCard] | None
) -> Iterator[str]:
    if not _ID.fullmatch(subtask.id):
        yield f"the id must be 1 to 64 of a-z, 0-9 and hyphens, not {subtask.id!r}"
    if not subtask.instruction.strip():
        yield "the instruction is empty"
    for name in sorted(set(subtask.inputs) - set(ids)):
        yield f"input {name!r} is no subtask{_meant(name, ids)}"
    for what, names in (("input", subtask.inputs), ("tool", subtask.tools)):
        yield from (f"{what} {name!r} is named twice" for name, count in Counter(names).items() if count > 1)
    yield from _agent_faults(subtask, agents) if agents is not None else ()
    for check in subtask.checks:
        yield from check_faults(check)
    yield from _budget_faults(subtask.budget)


def _agent_faults(subtask: Subtask, agents: Mapping[str, AgentCard]) -> Iterator[str]:
    agent = agents.get(subtask.agent)
    if agent is None:
        listed = ", ".join(agents) or "none"
        meant = _meant(subtask.agent, list(agents))
        yield f"there is no agent {subtask.agent!r}{meant} (there are: {listed})"
        return
    known = [tool.name for tool in agent.tools]
    for name in subtask.tools:
        if name not in known:
            listed = ", ".join(known) or "none"
            yield f"agent {agent.name!r} has no tool {name!r}{_meant(name, known)} (it has: {listed})"


def _budget_faults(budget: Budget) -> Iterator[str]:
    for name, value in asdict(budget).items():
        if value is not None and not (math.isfinite(value) and value >= 0):
            yield f"the budget has {value} {name}; it must be 0 or more"


def _unused(plan: Plan, agents: Mapping[str, AgentCard]) -> Iterator[str]:
    """Subtasks whose results reach neither the output nor one that changes something."""
    by_id = {subtask.id: subtask for subtask in plan.subtasks}
    wanted = [each.id for each in plan.subtasks if set(_effects(each, agents)) - {"read"}]
    wanted += [plan.output] if plan.output in by_id else []
    used: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in used:
            used.add(name)
            wanted += [each for each in by_id[name].inputs if each in by_id]
    for name in by_id:
        if name not in used:
            yield f"the result of subtask {name!r} reaches neither the output nor anything that acts on it"


def _meant(word: str, allowed: Sequence[str]) -> str:
    close = nearest(word, allowed)
    return f", did you mean {close!r}?" if close else ""


# ---------------------------------------------------------------- the graph


def ordered(plan: Plan) -> Plan:
    """The plan with each subtask after those that it takes from, and otherwise as written. The plan must
    be without faults."""
    return replace(plan, subtasks=tuple(_in_order(plan)))


def _in_order(plan: Plan) -> Iterator[Subtask]:
    """Always the first as written of those whose inputs have come; those that wait for ever never come."""
    waits = [len(set(each.inputs)) for each in plan.subtasks]
    takers = defaultdict(list)
    for place, subtask in enumerate(plan.subtasks):
        for name in set(subtask.inputs):
            takers[name].append(place)
    ready = [place for place, number in enumerate(waits) if number == 0]
    while ready:
        subtask = plan.subtasks[heappop(ready)]
        yield subtask
        for place in takers.pop(subtask.id, ()):
            waits[place] -= 1
            if waits[place] == 0:
                heappush(ready, place)


def critical_path(plan: Plan) -> dict[str, int]:
    """How many subtasks the longest way from each to an end has, itself counted. The plan is ordered."""
    lengths = {subtask.id: 1 for subtask in plan.subtasks}
    for subtask in reversed(plan.subtasks):
        for name in subtask.inputs:
            lengths[name] = max(lengths[name], 1 + lengths[subtask.id])
    return lengths


def effects_of(plan: Plan, agents: Sequence[AgentCard]) -> dict[str, Effect]:
    """What the tools may change that the plan gives out, by tool: the worst of several with one name."""
    by_name = {agent.name: agent for agent in agents}
    found: dict[str, Effect] = {}
    for subtask in plan.subtasks:
        for tool in by_name[subtask.agent].tools if subtask.agent in by_name else ():
            if tool.name in subtask.tools:
                found[tool.name] = max(found.get(tool.name, "read"), tool.effect, key=_EFFECTS.index)
    return found


def _effects(subtask: Subtask, agents: Mapping[str, AgentCard]) -> list[Effect]:
    agent = agents.get(subtask.agent)
    return [tool.effect for tool in agent.tools if tool.name in subtask.tools] if agent else []


# ---------------------------------------------------------------- JSON

_ADAPTER = TypeAdapter(Plan)
_CARDS = TypeAdapter(tuple[AgentCard, ...])


def plan_to_plain(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values."""
    plain: dict[str, Any] = _ADAPTER.dump_python(plan, mode="json")
    return plain


def plan_from_plain(plain: object) -> Plan:
    """The plan that `plan_to_plain` gave: nothing is converted, and no key left out of account. Raises
    UserError with every fault of its form."""
    if not isinstance(plain, Mapping):
        raise UserError("a plan must be an object.", hint="`asbuilt run TASK --plan-only --json` prints one.")
    try:
        plan = _ADAPTER.validate_json(json.dumps(dict(plain), allow_nan=False), strict=True)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, each['loc'])) or 'the plan'}: {each['msg']}"
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
    except (TypeError, ValueError, RecursionError) as error:
        faults = [f"it cannot be written as JSON: {error}"]
    else:
        faults = list(_unknown(plain, plan_to_plain(plan)))
        if not faults:
            return plan
    more = f"; and {len(faults) - _FAULTS:,} more" if len(faults) > _FAULTS else ""
    raise UserError(f"the plan is not well formed: {'; '.join(faults[:_FAULTS])}{more}.")


def cards_to_plain(plan: Plan, agents: Sequence[AgentCard]) -> list[dict[str, Any]]:
    """The cards of a plan's agents as JSON values, for whoever approves it somewhere else."""
    taken = {subtask.agent for subtask in plan.subtasks}
    plain: list[dict[str, Any]] = _CARDS.dump_python(
        tuple(agent for agent in agents if agent.name in taken), mode="json"
    )
    return plain


def cards_from_plain(plain: object) -> tuple[AgentCard, ...]:
    """The cards that `cards_to_plain` gave."""
    return _CARDS.validate_python(plain)


def _unknown(given: Any, known: Any, where: str = "") -> Iterator[str]:
    """Keys that the plan did not take."""
    if isinstance(given, Mapping) and isinstance(known, Mapping):
        for key, value in given.items():
            if key in known:
                yield from _unknown(value, known[key], f"{where}{key}.")
            else:
                yield f"{where}{key} is unknown{_meant(str(key), list(known))}"
    elif isinstance(given, list | tuple) and isinstance(known, list):
        for number, (one, other) in enumerate(zip(given, known, strict=True)):
            yield from _unknown(one, other, f"{where}{number}.")


# ---------------------------------------------------------------- for a person


def show_plan(plan: Plan, agents: Sequence[AgentCard]) -> str:
    """What would be done, for whoever approves it: lines of at most 100 characters, nothing cut.

    A subtask's number is how many come before it one after the other, itself counted: those with one
    number may run at the same time. `agents` tell what tools change; without them that is unknown.
    White space is made one blank, and what does not print is escaped, so that a text in the plan
    cannot look like a line of it.
    """
    effects = effects_of(plan, agents)
    stages = _stages(plan)
    widest = max(Counter(stages.values()).values(), default=0)
    head = {
        "task": plan.task,
        "steps": f"{len(stages)} subtasks, {max(stages.values(), default=0)} one after the other, "
        f"up to {widest} at a time",
        "effects": _effect_words(plan, effects),
        "budget": _budget_words(plan.budget) or "as the blueprint says",
        "digest": plan.digest[:12],
    }
    lines = list(_rows(head, indent=""))
    for subtask in sorted(plan.subtasks, key=lambda each: stages.get(each.id, 0)):
        lines += ["", *_rows({f"{stages.get(subtask.id, 0)}.": f"{subtask.id}: {subtask.agent}"}, indent="")]
        lines += _rows(_subtask_words(subtask, plan, effects), indent="    ")
    return "\n".join(lines) + "\n"


def _subtask_words(subtask: Subtask, plan: Plan, effects: Mapping[str, Effect]) -> Mapping[str, str]:
    """What is said of a subtask, by heading; empty for what it has not."""
    return {
        "does": subtask.instruction,
        "takes": ", ".join(subtask.inputs),
        "tools": ", ".join(f"{name} ({effects.get(name, 'effect unknown')})" for name in subtask.tools),
        "checks": ", ".join(map(_check_words, subtask.checks)),
        "budget": _budget_words(subtask.budget),
        "gives": "the output" if subtask.id == plan.output else "",
    }


def _effect_words(plan: Plan, effects: Mapping[str, Effect]) -> str:
    given = dict.fromkeys(name for subtask in plan.subtasks for name in subtask.tools)
    changing = [f"{name} ({effects[name]})" for name in given if effects.get(name, "read") != "read"]
    unknown = [f"{name} (unknown)" for name in given if name not in effects]
    return ", ".join(changing + unknown) or "none; it only reads"


def _stages(plan: Plan) -> dict[str, int]:
    """How long the longest way to each subtask is, itself counted; those of a cycle are not in it."""
    stages: dict[str, int] = {}
    for subtask in _in_order(plan):
        stages[subtask.id] = 1 + max((stages[name] for name in subtask.inputs), default=0)
    return stages


def _rows(words: Mapping[str, str], *, indent: str) -> Iterator[str]:
    """A heading and its text, wrapped, for each that has one."""
    width = max(map(len, words)) + 2
    for heading, text in words.items():
        if text:
            first = f"{indent}{heading:<{width}}"
            yield from textwrap.wrap(
                _printable(text), _WIDTH, initial_indent=first, subsequent_indent=" " * len(first)
            )


def _printable(text: str) -> str:
    text = " ".join(text.split())
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _check_words(check: CheckSpec) -> str:
    arguments = ", ".join(f"{key}={value!r}" for key, value in check.arguments.items())
    return f"{check.name}({arguments})" if arguments else check.name


def _budget_words(budget: Budget) -> str:
    words = (f"{value:,} {name}" for name, value in asdict(budget).items() if value is not None)
    return ", ".join(words)
