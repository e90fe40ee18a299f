from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.agents.parts import TablePolicy, events_of, swarm

from asbuilt.agents.research import CheckerAgent, FinderAgent, ReporterAgent
from asbuilt.errors import UserError
from asbuilt.runs import UNTRUSTED, Plan, Subtask
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.tools import FunctionTool

PASSAGES = [
    {"source": "/docs/sqs/purge-queue.rst", "text": "Purging removes all messages. It cannot be undone."},
    {"source": "/docs/sns/purge-queue.rst", "text": "A topic has no queue. Messages are pushed [at once]."},
]


def search(query: str) -> str:
    """Search."""
    return json.dumps(PASSAGES)


PLAN = Plan(
    "How are messages removed?",
    (
        Subtask("find", "finder", "removing messages", tools=("search",)),
        Subtask("report", "reporter", "report", inputs=("find",)),
        Subtask("check", "checker", "check", inputs=("report", "find")),
    ),
    "check",
)


def report(folder: Path, *replies: str, least: float = 0.6) -> str:
    agents = (
        FinderAgent(
            tool=FunctionTool(search, effect="read"), component_name="finder", component_purpose="Finds"
        ),
        ReporterAgent(
            generator=ScriptedGenerator(replies=replies),
            component_name="reporter",
            component_purpose="Reports",
            least=least,
        ),
        CheckerAgent(component_name="checker", component_purpose="Checks"),
    )
    with swarm(folder, *agents, policy=TablePolicy(labels={"search": UNTRUSTED})) as (orchestrator, _):
        ended = events_of(orchestrator.run(PLAN.task, plan=PLAN))[-1]
    assert ended.data["state"] == "finished", ended.data
    assert ended.data["label"]["trusted"] is False
    return str(ended.data["output"])


def test_a_sentence_that_the_passage_supports_stands_with_its_source(tmp_path: Path) -> None:
    told = report(tmp_path, "Purging removes all messages. And more.", "Messages are pushed.")
    assert told.splitlines() == [
        "How are messages removed?",
        "",
        "- Purging removes all messages. [sqs/purge-queue.rst]",
        "- Messages are pushed. [sns/purge-queue.rst]",
    ]


def test_what_the_model_makes_up_is_replaced_by_a_quotation(tmp_path: Path) -> None:
    told = report(tmp_path, "Elephants like bananas.", "Messages are pushed.")
    assert '- "Purging removes all messages." [sqs/purge-queue.rst]' in told
    assert "Elephants" not in told


def test_the_checker_leaves_out_what_a_careless_reporter_lets_through(tmp_path: Path) -> None:
    told = report(tmp_path, "Purging bakes elephants.", "Messages are pushed.", least=0.01)
    assert "elephants" not in told
    assert told.endswith("1 of 2 statements left out: their sources do not say so.")


def test_brackets_of_a_model_are_no_citations(tmp_path: Path) -> None:
    told = report(tmp_path, "Messages [all] are removed by purging.", "Messages are pushed.")
    assert "- Messages (all) are removed by purging. [sqs/purge-queue.rst]" in told


def test_settings_are_checked() -> None:
    with pytest.raises(UserError, match=r"least is 0; it must be above 0 and at most 1\."):
        CheckerAgent(component_name="c", component_purpose="p", least=0)
    with pytest.raises(UserError, match="statements is 0"):
        ReporterAgent(generator=ScriptedGenerator(), component_name="c", component_purpose="p", statements=0)
