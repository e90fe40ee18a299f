"""`asbuilt run`, `resume`, `runs`, `replay`, `diff`, `inbox`, `approve` and `deny` on a tiny project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from asbuilt.cli.main import app
from asbuilt.errors import AsbuiltError

BLUEPRINT = """\
blueprint: 1
system: {{name: swarm, purpose: Reports}}
components:
  retriever:
    use: retriever/fixed
    purpose: Find
    config: {{passages: {{docs/queues.md: "To delete all messages, call purge-queue."}}}}
  search: {{use: tool/search, purpose: Search, config: {{form: json}}}}
  llm: {{use: generator/scripted, purpose: Write, config: {{replies: ["Call purge-queue."]}}}}
  finder: {{use: agent/finder, purpose: Find passages}}
  reporter: {{use: agent/reporter, purpose: Report}}
  planner:
    use: planner/template
    purpose: Plan
    config:
      subtasks:
        - {{id: find, agent: finder, instruction: "{{task}}", tools: [search]}}
        - {{id: report, agent: reporter, instruction: report, inputs: [find]}}
  policy:
    use: safety/policy
    purpose: Decide
    config:
      rules: [{{agent: finder, tool: search, verdict: {calls}}}]
      plans: [{{verdict: {plans}}}]
  orchestrator: {{use: orchestrator/swarm, purpose: Orchestrate}}
"""
TASK = "How are messages deleted?"
OUTPUT = "- Call purge-queue. [docs/queues.md]"


@pytest.fixture(autouse=True)
def _in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    drawn()


def drawn(*, calls: str = "allow", plans: str = "allow") -> None:
    Path("blueprint.yaml").write_text(BLUEPRINT.format(calls=calls, plans=plans))


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def as_json(*arguments: str, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code).stdout)


def refused(*arguments: str) -> str:
    """What the error says that `main` prints as one line."""
    result = CliRunner().invoke(app, list(arguments))
    assert isinstance(result.exception, AsbuiltError), (result.output, result.exception)
    assert result.stdout == ""
    return str(result.exception)


def waiting_run() -> str:
    """A run that waits for a person."""
    name: str = run("run", TASK, code=3).stderr.split("asbuilt resume ")[-1].strip()
    return name


# ---------------------------------------------------------------- plans


def test_plan_only_shows_the_graph_and_what_the_tools_change_and_does_nothing() -> None:
    shown = run("run", TASK, "--plan-only").stdout
    assert "1.  find: finder" in shown
    assert "2.  report: reporter" in shown
    assert "search (read)" in shown
    assert "none; it only reads" in shown
    assert run("runs").stdout == ""


def test_a_printed_plan_can_be_given_back() -> None:
    plan = as_json("run", TASK, "--plan-only")
    assert [each["id"] for each in plan["subtasks"]] == ["find", "report"]
    plan["subtasks"][0]["instruction"] = "purge"
    Path("plan.json").write_text(json.dumps(plan))
    ended = as_json("run", TASK, "--plan", "plan.json")
    assert ended["output"] == OUTPUT
    events = as_json("runs", ended["run"])["events"]
    assert "purge" in json.dumps(next(each["data"] for each in events if each["kind"] == "called"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read as a plan"),
        ("{", "cannot be read as a plan"),
        ("[]", "a plan must be an object"),
        ('{"task": "x"}', "the plan is not well formed"),
        ('{"task": "x", "subtasks": [], "output": "x"}', "the plan has no subtask"),
        (
            '{"task": "x", "subtasks": [{"id": "x", "agent": "finder", "instruction": "x", "inputs": ["y"]}],'
            ' "output": "x"}',
            "input 'y' is no subtask",
        ),
    ],
)
def test_a_plan_that_is_none_is_refused(text: str | None, message: str) -> None:
    if text is not None:
        Path("plan.json").write_text(text)
    for more in ((), ("--plan-only",)):
        assert message in refused("run", TASK, "--plan", "plan.json", *more)
    assert as_json("runs") == []


@pytest.mark.parametrize("more", [(), ("--plan-only",)])
@pytest.mark.parametrize("task", ["", "  \n"])
def test_without_a_task_nothing_is_planned(task: str, more: tuple[str, ...]) -> None:
    assert "there is no task" in refused("run", task, *more)
    assert as_json("runs") == []


# ---------------------------------------------------------------- runs


def test_a_run_prints_its_output_and_is_listed() -> None:
    result = run("run", TASK)
    assert result.stdout == f"{OUTPUT}\n"
    [record] = as_json("runs")
    assert (record["task"], record["state"]) == (TASK, "finished")
    line = run("runs").stdout
    assert line.startswith(f"{record['id']}  finished")
    tree = run("runs", record["id"]).stdout
    assert "|- report (reporter after find)" in tree
    assert tree.splitlines()[-1].startswith(f"run {record['id']} finished")


def test_a_run_that_fails_ends_with_1() -> None:
    drawn(calls="refuse")
    ended = as_json("run", TASK, code=1)
    assert ended["state"] == "failed"
    assert "refused" in ended["faults"][0]


def test_an_ended_run_is_replayed_without_asking_anybody() -> None:
    name = as_json("run", TASK)["run"]
    blueprint = Path("blueprint.yaml")
    blueprint.write_text(blueprint.read_text().replace('"Call purge-queue."', '"Another reply."'))
    assert "lead to the same result" in run("replay", name).stderr
    assert run("resume", name).stdout == f"{OUTPUT}\n"  # and it is not done again


def test_runs_are_compared() -> None:
    first, second = (as_json("run", TASK)["run"] for _ in range(2))
    assert "The runs are the same." in run("diff", first, second).stderr
    other = as_json("run", "Purge what?")["run"]
    assert "Purge what?" in run("diff", first, other, code=1).stdout


@pytest.mark.parametrize(
    "command", [("runs", "nope"), ("replay", "nope"), ("resume", "nope"), ("diff", "nope", "nope")]
)
def test_a_run_that_there_is_not(command: tuple[str, ...]) -> None:
    assert refused(*command).startswith("there is no run 'nope'.")


# ---------------------------------------------------------------- questions


def test_a_plan_and_a_call_are_approved_and_the_run_goes_on() -> None:
    drawn(calls="ask", plans="ask")
    name = waiting_run()
    shown = run("inbox").stdout
    assert shown.startswith("1  plan")
    assert "search (read)" in shown  # who approves sees what the tools change
    assert "unknown" not in shown
    run("approve", "1")
    run("resume", name, code=3)
    assert f'finder calls search with {{"query": "{TASK}"}}' in run("inbox").stdout
    run("approve", "2")
    assert run("resume", name).stdout == f"{OUTPUT}\n"
    assert "Nothing waits for you." in run("inbox").stderr


def test_what_is_denied_is_not_done() -> None:
    drawn(plans="ask")
    name = waiting_run()
    assert "question 1 is denied" in run("deny", "1").stderr
    ended = as_json("resume", name, code=1)
    assert ended["faults"] == ["the plan was not approved: denied."]
    assert "called" not in [each["kind"] for each in as_json("runs", name)["events"]]


def test_a_question_is_answered_once() -> None:
    drawn(plans="ask")
    waiting_run()
    run("approve", "1")
    for again in ("approve", "deny"):
        assert refused(again, "1").startswith("question 1 is approved already.")


def test_an_answer_is_for_its_own_run_and_arguments_alone() -> None:
    drawn(calls="ask")
    first = waiting_run()
    run("approve", "1")
    run("run", "Delete all queues", code=3)  # other arguments: it is asked again
    [item] = as_json("inbox")
    assert item["about"]["arguments"] == {"query": "Delete all queues"}
    assert item["id"] == 2
    assert run("resume", first).stdout == f"{OUTPUT}\n"
    run("run", TASK, code=3)  # the same arguments in another run too
    assert [each["id"] for each in as_json("inbox")] == [2, 3]


def test_a_run_that_waits_has_no_result_to_replay_and_waits_again_when_resumed() -> None:
    drawn(plans="ask")
    name = waiting_run()
    assert f"run {name} has not ended" in refused("replay", name)
    run("resume", name, code=3)
    assert len(as_json("inbox")) == 1


@pytest.mark.parametrize("command", ["approve", "deny"])
def test_questions_that_there_are_not(command: str) -> None:
    assert refused(command, "7").startswith("there is no question 7.")
    for arguments in (("x",), (), ("1", "2")):
        run(command, *arguments, code=2)
