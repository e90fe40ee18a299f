"""Plans that stand in the blueprint."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asbuilt.agents.template_planner import TemplatePlanner
from asbuilt.errors import UserError
from asbuilt.registry import signature
from asbuilt.roles import Planner
from asbuilt.runs import AgentCard, Budget, CheckSpec, Plan, Subtask, ToolCard

AGENTS = (
    AgentCard("finder", "Finds", (ToolCard("search", "Searches", "read"),)),
    AgentCard("writer", "Writes"),
)
FIND = {"id": "find", "agent": "finder", "instruction": "Find: {task}", "tools": ["search"]}
WRITE = {
    "id": "write",
    "agent": "writer",
    "instruction": "Write",
    "inputs": ["find"],
    "checks": [{"name": "min-words", "arguments": {"words": 3}}],
    "budget": {"tokens": 100},
}


def plan(task: str, **config: Any) -> Plan:
    return asyncio.run(TemplatePlanner(**config).plan(task, agents=AGENTS))


def test_it_plays_the_role_and_is_shipped() -> None:
    assert isinstance(TemplatePlanner(subtasks=[FIND]), Planner)
    assert signature("planner/template").role.name == "planner"


def test_the_task_stands_in_for_its_place() -> None:
    assert plan("{task}? A {brace} %s", subtasks=[FIND, WRITE], budget={"seconds": 60}) == Plan(
        "{task}? A {brace} %s",
        (
            Subtask("find", "finder", "Find: {task}? A {brace} %s", tools=("search",)),
            Subtask(
                "write",
                "writer",
                "Write",
                ("find",),
                checks=(CheckSpec("min-words", {"words": 3}),),
                budget=Budget(tokens=100),
            ),
        ),
        "write",
        Budget(seconds=60.0),
    )


def test_the_output_may_be_another_than_the_last() -> None:
    assert plan("task", subtasks=[WRITE, FIND], output="write").output == "write"


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"subtasks": []}, "the plan has no subtask"),
        ({"subtasks": ["find"]}, "subtasks.0: "),
        (
            {"subtasks": [{**FIND, "instructions": "x"}]},
            "instructions is unknown, did you mean 'instruction'?",
        ),
        ({"subtasks": [FIND], "output": ""}, "output is ''"),
        ({"subtasks": [{**FIND, "inputs": ["find"]}]}, "wait for each other"),
        ({"subtasks": [{**FIND, "checks": [{"name": "min-words"}]}]}, "check 'min-words' needs 'words'"),
        ({"subtasks": [FIND], "budget": {"calls": -1}}, "the budget has -1 calls"),
    ],
)
def test_faults_show_when_it_is_made(config: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        TemplatePlanner(**config)
    assert told in str(caught.value)


def test_faults_of_agents_show_when_it_plans() -> None:
    with pytest.raises(UserError, match="no agent 'findr', did you mean 'finder'"):
        plan("task", subtasks=[{**FIND, "agent": "findr"}])
    with pytest.raises(UserError, match="the plan has no task"):
        plan(" ", subtasks=[WRITE, FIND], output="write")
