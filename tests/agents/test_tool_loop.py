"""The agent's loop in a run: what it sends fits into its model's context, tools and all."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.parts import events_of, single, swarm

from asbuilt.agents.tool_loop import ToolLoopAgent
from asbuilt.errors import UserError
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.tools.function import FunctionTool
from asbuilt.types import ToolCall

CONTEXT, REPLY = 900, 50


def look(item: str) -> str:
    return f"{item} " * 100


look.__doc__ = "Look. " + "It sees a lot of what is there. " * 40

CALLS = [ToolCall(f"c{at}", "look", {"item": f"thing{at}"}) for at in range(6)]


def looping(generator: ScriptedGenerator, **config: object) -> ToolLoopAgent:
    return ToolLoopAgent(
        generator=generator,
        tools=(FunctionTool(look, effect="read"),),
        component_name="a",
        component_purpose="Look",
        max_tokens=REPLY,
        **config,  # type: ignore[arg-type]
    )


def test_tools_and_transcript_fit_into_the_context(tmp_path: Path) -> None:
    generator = ScriptedGenerator(replies=(*CALLS, "done"), context_tokens=CONTEXT)
    agent = looping(generator)
    with swarm(tmp_path, agent) as (orchestrator, _):
        events = events_of(orchestrator.run("t", plan=single(tools=["look"])))
    assert events[-1].data["output"] == "done"
    tools = len(agent.tools[0].spec.description.split())
    sizes = [generator.count_tokens(messages) + tools for messages, _ in generator.requests]
    assert len(sizes) == len(CALLS) + 1
    assert max(sizes) <= CONTEXT - REPLY
    assert any("left out" in each.content for each in generator.requests[-1][0])


def test_an_agent_that_never_ends_is_given_up(tmp_path: Path) -> None:
    generator = ScriptedGenerator(replies=CALLS, context_tokens=100_000)
    with swarm(tmp_path, looping(generator, max_steps=3)) as (orchestrator, _):
        events = events_of(orchestrator.run("t", plan=single(tools=["look"])))
    [fault] = events[-1].data["faults"]
    assert fault.startswith("only: a gave no result in 3 replies.")


def test_a_tool_that_it_has_not_is_told_with_the_nearest(tmp_path: Path) -> None:
    generator = ScriptedGenerator(replies=(ToolCall("c", "lock", {}), "done"))
    with swarm(tmp_path, looping(generator)) as (orchestrator, _):
        events_of(orchestrator.run("t", plan=single(tools=["look"])))
    told = generator.requests[-1][0][-1].content
    assert told == "You have no tool 'lock' here. Did you mean 'look'? Your tools: look."


def test_first_calls_are_of_its_own_tools() -> None:
    with pytest.raises(UserError, match="the tools are: look"):
        looping(ScriptedGenerator(), first=[{"tool": "seek", "arguments": {}}])
