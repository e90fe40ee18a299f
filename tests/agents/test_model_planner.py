"""Plans that a model writes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from asbuilt.agents.checks import check_faults
from asbuilt.agents.model_planner import ModelPlanner
from asbuilt.agents.plans import check_plan
from asbuilt.errors import UserError
from asbuilt.generation.llama_cpp import LlamaCppGenerator
from asbuilt.registry import signature
from asbuilt.roles import Planner
from asbuilt.runs import AgentCard, CheckSpec, Plan, Subtask, ToolCard
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.types import Event, GenerationOptions, Message, TextDelta

AGENTS = (
    AgentCard("finder", "Finds passages", (ToolCard("search", "Searches documents.", "read"),)),
    AgentCard("writer", "Writes reports"),
)
FIND = {
    "agent": "finder",
    "instruction": "Find how long messages stay",
    "inputs": [],
    "tools": ["search"],
    "checks": [{"name": "cites", "arguments": {"sources": 1}}],
}
WRITE = {"agent": "writer", "instruction": "Write it", "inputs": ["step-1"], "tools": [], "checks": []}
SOUND = {"step-1": FIND, "step-2": WRITE, "step-3": None}
LOST = {"step-1": FIND, "step-2": {**WRITE, "inputs": []}, "step-3": None}
LOOPED = {"step-1": {**FIND, "inputs": ["step-2"]}, "step-2": WRITE}


def planned(generator: ScriptedGenerator, task: str = "Report on queues", **config: Any) -> Plan:
    return asyncio.run(ModelPlanner(generator=generator, **config).plan(task, agents=AGENTS))


def scripted(*replies: object) -> ScriptedGenerator:
    return ScriptedGenerator(
        replies=[each if isinstance(each, str) else json.dumps(each) for each in replies]
    )


def test_it_plays_the_role_and_is_shipped() -> None:
    assert isinstance(ModelPlanner(generator=scripted(SOUND)), Planner)
    assert [need.name for need in signature("planner/model").needs] == ["generator"]


def test_a_sound_plan_is_taken_and_ordered() -> None:
    generator = scripted(SOUND)
    assert planned(generator) == Plan(
        "Report on queues",
        (
            Subtask(
                "step-1",
                "finder",
                "Find how long messages stay",
                tools=("search",),
                checks=(CheckSpec("cites", {"sources": 1}),),
            ),
            Subtask("step-2", "writer", "Write it", ("step-1",)),
        ),
        "step-2",
    )
    assert len(generator.requests) == 1


def test_what_the_model_is_asked() -> None:
    generator = scripted(SOUND)
    planned(generator, "Report on {queues}", max_subtasks=3)
    [(messages, options)] = generator.requests
    assert [each.role for each in messages] == ["system", "user"]
    assert messages[1].content.endswith("Task: Report on {queues}")
    assert all(
        each in messages[1].content for each in ("- finder: Finds passages", "tool search (read): Searches")
    )
    assert (options.temperature, options.seed) == (0.0, 0)


@pytest.mark.parametrize(
    ("plain", "fits"),
    [
        (SOUND, True),
        (LOST, True),
        ({**SOUND, "step-3": {**WRITE, "inputs": ["step-2", "step-1"]}}, True),
        (LOOPED, False),
        ({**SOUND, "step-3": {**WRITE, "inputs": ["step-3"]}}, False),
        ({**SOUND, "step-4": None}, False),
        ({**SOUND, "step-1": None}, False),
        ({"step-1": FIND, "step-2": WRITE}, False),
        ({**SOUND, "task": "another"}, False),
        ({**SOUND, "step-1": {**FIND, "agent": "boss"}}, False),
        ({**SOUND, "step-1": {**FIND, "tools": ["send"]}}, False),
        ({**SOUND, "step-1": {**FIND, "instruction": ""}}, False),
        ({**SOUND, "step-2": {**WRITE, "tools": ["search"]}}, False),
        ({**SOUND, "step-1": {**FIND, "checks": [{"name": "cites", "arguments": {"sources": 9}}]}}, False),
        ({**SOUND, "step-1": {**FIND, "checks": [{"name": "cites", "arguments": {}}]}}, False),
        ({**SOUND, "step-1": {**FIND, "checks": [{"name": "good", "arguments": {}}]}}, False),
    ],
)
def test_the_schema_lets_through_only_what_there_is(plain: object, fits: bool) -> None:
    generator = scripted(SOUND)
    planned(generator, max_subtasks=3)
    schema = generator.requests[0][1].json_schema
    assert schema is not None
    jsonschema.Draft202012Validator.check_schema(schema)
    assert jsonschema.Draft202012Validator(schema).is_valid(plain) is fits


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (LOOPED, "subtasks wait for each other: step-1 -> step-2 -> step-1"),
        (LOST, "the result of subtask 'step-1' reaches neither the output"),
        ("Sure! Here is the plan:", "the reply is not JSON"),
        ("[1]", "the reply must be a JSON object"),
        ("[" * 100_000, "the reply is not JSON"),
        ("{}", "the plan has no subtask"),
        ({"step-1": "Find it"}, "subtasks.0: "),
        ({"step-1": {**FIND, "id": "x", "inputs": 1}}, "subtasks.0.inputs: "),
        ({"Step 1": FIND}, "the id must be 1 to 64 of a-z"),
        ({"step-1": {**FIND, "agent": "findr"}}, "did you mean 'finder'?"),
    ],
)
def test_a_bad_plan_goes_back_with_its_faults(bad: object, told: str) -> None:
    generator = scripted(bad, SOUND)
    assert planned(generator).output == "step-2"
    first, second = (messages for messages, _ in generator.requests)
    assert second[:2] == first
    assert [each.role for each in second[2:]] == ["assistant", "user"]
    assert told in second[3].content


def test_only_the_last_plan_is_repaired() -> None:
    generator = scripted(LOOPED, LOST, SOUND)
    planned(generator)
    assert [len(messages) for messages, _ in generator.requests] == [2, 4, 4]
    assert json.loads(generator.requests[2][0][2].content) == LOST


def test_a_plan_that_stays_bad_is_refused_with_its_faults() -> None:
    generator = scripted(LOST)
    with pytest.raises(UserError) as caught:
        planned(generator)
    assert len(generator.requests) == 3
    assert "still has faults after 2 repairs: the result of subtask 'step-1' reaches" in str(caught.value)
    assert "planner/template" in caught.value.hint


def test_a_reply_that_is_cut_off_says_so() -> None:
    generator = scripted(SOUND)
    with pytest.raises(UserError, match="the reply was cut off: make the plan shorter"):
        planned(generator, max_tokens=5, repairs=1)
    assert len(generator.requests) == 2


def test_every_check_of_the_schema_is_sound() -> None:
    generator = scripted(SOUND)
    planned(generator)
    schema: Any = generator.requests[0][1].json_schema
    offered = schema["properties"]["step-1"]["anyOf"][0]["properties"]["checks"]["items"]["anyOf"]
    for shape in offered:
        arguments = {
            name: 1 if each["type"] == "integer" else ["word"]
            for name, each in shape["properties"]["arguments"]["properties"].items()
        }
        assert list(check_faults(CheckSpec(shape["properties"]["name"]["enum"][0], arguments))) == []
    assert len(offered) == 7


class SilentGenerator(ScriptedGenerator):
    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        await asyncio.sleep(60)
        yield TextDelta("")


def test_a_model_that_says_nothing_is_given_up() -> None:
    with pytest.raises(UserError, match=r"no plan within 0\.02 s"):
        planned(SilentGenerator(), timeout_s=0.02)


def test_no_agent_no_plan() -> None:
    generator = scripted(SOUND)
    with pytest.raises(UserError, match="no agent to plan for"):
        asyncio.run(ModelPlanner(generator=generator).plan("task", agents=()))
    assert generator.requests == []


@pytest.mark.parametrize(
    "config",
    [{"max_subtasks": 0}, {"max_subtasks": 10_000}, {"repairs": -1}, {"max_tokens": 0}, {"timeout_s": 0}],
)
def test_faults_of_the_config(config: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="must be"):
        ModelPlanner(generator=scripted(SOUND), **config)


async def plan_or_refusal(planner: ModelPlanner, task: str) -> Plan | UserError:
    try:
        return await planner.plan(task, agents=AGENTS)
    except UserError as error:
        return error


@pytest.mark.slow
def test_the_starter_model_gives_a_sound_plan_or_is_refused(tmp_path: Path) -> None:
    generator = LlamaCppGenerator(context_tokens=4096, cache=tmp_path)
    generator.open()
    try:
        planner = ModelPlanner(generator=generator, max_subtasks=3, max_tokens=400)
        task = "Find how long a queue keeps a message, and report it in one paragraph"
        outcome = asyncio.run(plan_or_refusal(planner, task))
    finally:
        generator.close()
    if isinstance(outcome, Plan):
        assert check_plan(outcome, agents=AGENTS) == ()
    else:
        assert "still has faults after 2 repairs" in str(outcome)
