"""Plans: their faults, their order, their forms."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.agents.plans import (
    MAX_SUBTASKS,
    check_plan,
    critical_path,
    effects_of,
    ordered,
    plan_from_plain,
    plan_to_plain,
    show_plan,
)
from asbuilt.errors import UserError
from asbuilt.runs import AgentCard, Budget, CheckSpec, Plan, Subtask, ToolCard

SEARCH = ToolCard("search", "Searches", "read")
SEND = ToolCard("send-mail", "Sends", "external")
AGENTS = (
    AgentCard("researcher", "Finds", (SEARCH,)),
    AgentCard("writer", "Writes"),
    AgentCard("clerk", "Sends", (SEND, SEARCH)),
)
FIND = Subtask(
    "find", "researcher", "Find it", tools=("search",), checks=(CheckSpec("min-words", {"words": 5}),)
)
WRITE = Subtask("write", "writer", "Write it", inputs=("find",))
PLAN = Plan("Report on queues", (FIND, WRITE), "write", Budget(tokens=10_000, seconds=60))


def faults(*subtasks: Subtask, output: str = "write", **more: Any) -> tuple[str, ...]:
    return check_plan(Plan("task", subtasks, output, **more), agents=AGENTS)


def test_a_sound_plan_has_no_fault() -> None:
    assert check_plan(PLAN, agents=AGENTS) == ()


@pytest.mark.parametrize(
    ("subtask", "fault"),
    [
        (replace(WRITE, agent="writr"), "subtask 'write': there is no agent 'writr', did you mean 'writer'?"),
        (replace(WRITE, tools=("search",)), "agent 'writer' has no tool 'search' (it has: none)"),
        (
            replace(WRITE, agent="researcher", tools=("serch",)),
            "agent 'researcher' has no tool 'serch', did you mean 'search'? (it has: search)",
        ),
        (replace(WRITE, inputs=("find", "fnd")), "input 'fnd' is no subtask, did you mean 'find'?"),
        (replace(WRITE, inputs=("find", "find")), "input 'find' is named twice"),
        (
            replace(WRITE, agent="clerk", tools=("search", "search")),
            "tool 'search' is named twice",
        ),
        (replace(WRITE, instruction=" \n"), "the instruction is empty"),
        (replace(WRITE, budget=Budget(calls=-1)), "the budget has -1 calls; it must be 0 or more"),
        (
            replace(WRITE, budget=Budget(seconds=float("nan"))),
            "the budget has nan seconds; it must be 0 or more",
        ),
        (
            replace(WRITE, checks=(CheckSpec("cite"),)),
            "there is no check 'cite', did you mean 'cites'?",
        ),
        (replace(WRITE, checks=(CheckSpec("min-words"),)), "check 'min-words' needs 'words'"),
    ],
)
def test_a_fault_of_a_subtask(subtask: Subtask, fault: str) -> None:
    found = faults(FIND, subtask)
    assert found[0].startswith("subtask 'write': ")
    assert fault in found[0]


@pytest.mark.parametrize(
    "name", ["", "Find", "find it", "-find", "find-", "../x", "f" * 65, "find\n", "fïnd"]
)
def test_ids_that_do_not_fit(name: str) -> None:
    assert any("1 to 64 of a-z" in each for each in faults(replace(FIND, id=name), output=name))


def test_a_plan_without_subtasks_is_one_fault() -> None:
    assert faults() == ("the plan has no subtask",)


def test_a_plan_of_ten_thousand_subtasks_is_one_fault() -> None:
    many = [replace(FIND, id=f"s{number}", agent="nobody") for number in range(10_000)]
    assert faults(*many) == (f"the plan has 10,000 subtasks; at most {MAX_SUBTASKS:,} are allowed",)


def test_ten_thousand_faults_take_no_time() -> None:
    wide = replace(WRITE, inputs=tuple(f"fin{number}" for number in range(10_000)))
    began = time.perf_counter()
    assert len(faults(*(replace(FIND, id=f"find{each}") for each in range(MAX_SUBTASKS - 1)), wide)) == 100
    assert time.perf_counter() - began < 5


def test_faults_of_the_graph() -> None:
    looped = (replace(FIND, inputs=("write",)), WRITE)
    assert faults(*looped) == ("subtasks wait for each other: find -> write -> find",)
    assert faults(replace(WRITE, inputs=("write",))) == ("subtasks wait for each other: write -> write",)
    assert faults(FIND, FIND, WRITE) == ("2 subtasks are called 'find'",)
    assert faults(FIND, WRITE, output="writ") == (
        "output is 'writ', which is no subtask, did you mean 'write'?",
        "the result of subtask 'find' reaches neither the output nor anything that acts on it",
        "the result of subtask 'write' reaches neither the output nor anything that acts on it",
    )


def test_a_result_must_reach_the_output_or_an_effect() -> None:
    more, send = replace(FIND, id="more"), Subtask("send", "clerk", "Send it", ("more",), ("send-mail",))
    assert faults(FIND, WRITE, more, send) == ()
    idle = replace(send, tools=("search",))
    unused = [each for each in faults(FIND, WRITE, more, idle) if "reaches neither" in each]
    assert len(unused) == 2


def test_all_faults_come_at_once() -> None:
    found = faults(
        replace(FIND, id="Find", agent="nobody", budget=Budget(tokens=-1)),
        replace(WRITE, inputs=("none",), instruction=""),
        output="nothing",
        budget=Budget(seconds=-0.5),
    )
    assert len(found) >= 7


@pytest.mark.parametrize("task", ["", "  "])
def test_a_plan_needs_a_task(task: str) -> None:
    assert check_plan(replace(PLAN, task=task), agents=AGENTS) == ("the plan has no task",)


@pytest.mark.parametrize("argument", ["\ud800", float("inf"), object()])
def test_what_no_json_holds_is_a_fault_and_no_traceback(argument: object) -> None:
    odd = replace(WRITE, checks=(CheckSpec("contains", {"words": ["a"], "more": argument}),))
    assert any("cannot be written as JSON" in each for each in faults(FIND, odd))


def test_without_agents_only_the_rest_is_checked() -> None:
    plan = replace(PLAN, subtasks=(replace(FIND, agent="nobody"), replace(WRITE, inputs=("x",))))
    assert check_plan(plan, agents=None) == ("subtask 'write': input 'x' is no subtask",)


# ---------------------------------------------------------------- the graph


@st.composite
def graphs(draw: st.DrawFn) -> Plan:
    """Plans without cycles, their subtasks in any order."""
    size = draw(st.integers(1, 12))
    subtasks = []
    for number in range(size):
        earlier = [f"s{each}" for each in range(number)]
        inputs = draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        subtasks.append(Subtask(f"s{number}", "writer", "Do", tuple(inputs)))
    return Plan("task", tuple(draw(st.permutations(subtasks))), f"s{size - 1}")


@given(graphs())
def test_ordered_puts_inputs_first_and_is_stable(plan: Plan) -> None:
    found = ordered(plan)
    assert sorted(each.id for each in found.subtasks) == sorted(each.id for each in plan.subtasks)
    place = {each.id: number for number, each in enumerate(found.subtasks)}
    assert all(place[name] < place[each.id] for each in found.subtasks for name in each.inputs)
    assert ordered(found) == found


def test_a_dense_plan_of_a_thousand_takes_no_time() -> None:
    ids = [f"s{number}" for number in range(MAX_SUBTASKS)]
    subtasks = [Subtask(name, "writer", "Do", tuple(ids[:number])) for number, name in enumerate(ids)]
    plan = Plan("task", tuple(reversed(subtasks)), ids[-1])
    began = time.perf_counter()
    assert check_plan(plan, agents=AGENTS) == ()
    assert ordered(plan).subtasks == tuple(subtasks)
    assert critical_path(ordered(plan))["s0"] == MAX_SUBTASKS
    assert show_plan(plan, AGENTS).count(": writer\n") == MAX_SUBTASKS
    assert time.perf_counter() - began < 10


def test_a_plan_with_a_cycle_can_be_shown() -> None:
    looped = replace(PLAN, subtasks=(replace(FIND, inputs=("write",)), WRITE))
    assert "0.  find: researcher\n" in show_plan(looped, AGENTS)


@given(graphs())
def test_the_critical_path_is_one_more_than_the_longest_after_it(plan: Plan) -> None:
    lengths = critical_path(ordered(plan))
    for subtask in plan.subtasks:
        takers = [lengths[each.id] for each in plan.subtasks if subtask.id in each.inputs]
        assert lengths[subtask.id] == (1 + max(takers) if takers else 1)


def test_effects_are_the_worst_of_tools_with_one_name() -> None:
    other = AgentCard("other", "", (ToolCard("search", "Searches elsewhere", "external"),))
    plan = replace(PLAN, subtasks=(FIND, replace(FIND, id="more", agent="other"), replace(FIND, id="last")))
    assert effects_of(plan, (*AGENTS, other)) == {"search": "external"}
    assert effects_of(PLAN, AGENTS) == {"search": "read"}


# ---------------------------------------------------------------- JSON


@given(graphs(), st.integers(0, 10**9) | st.none(), st.floats(0, 1e9) | st.none())
def test_plans_survive_json(plan: Plan, tokens: int | None, seconds: float | None) -> None:
    plan = replace(plan, budget=Budget(tokens, seconds))
    back = plan_from_plain(json.loads(json.dumps(plan_to_plain(plan))))
    assert back == plan
    assert back.digest == plan.digest


def test_every_fault_of_form_is_told() -> None:
    plain = plan_to_plain(PLAN)
    plain["subtasks"][0]["agent"] = 3
    plain["budget"]["tokens"] = "many"
    del plain["output"]
    with pytest.raises(UserError) as caught:
        plan_from_plain(plain)
    assert all(
        each in str(caught.value)
        for each in ("subtasks.0.agent: ", "budget.tokens: ", "output: Field required")
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"outptu": "write"}, "outptu is unknown, did you mean 'output'?"),
        ({"budget": {"tokens": True}}, "budget.tokens: "),
        ({"budget": {"tokens": "12"}}, "budget.tokens: "),
        ({"budget": {"seconds": float("nan")}}, "cannot be written as JSON"),
        ({"task": "\ud800"}, "the plan: "),
        (
            {"subtasks": [{"id": "a", "agent": "b", "instruction": "c", "tool": []}]},
            "subtasks.0.tool is unknown",
        ),
        ({"subtasks": "all"}, "subtasks: "),
        ({"subtasks": [{}] * 10_000}, "and 29,900 more"),
    ],
)
def test_a_fault_of_form(change: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match="the plan is not well formed") as caught:
        plan_from_plain({**plan_to_plain(PLAN), **change})
    assert told in str(caught.value)


@pytest.mark.parametrize("plain", [None, [], "plan", 3])
def test_what_is_no_object_is_no_plan(plain: object) -> None:
    with pytest.raises(UserError, match="must be an object"):
        plan_from_plain(plain)


def test_a_nest_without_end_is_no_plan() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UserError, match="not well formed"):
        plan_from_plain({**plan_to_plain(PLAN), "task": deep})


# ---------------------------------------------------------------- for a person


def test_the_plan_as_a_person_sees_it() -> None:
    send = Subtask("send", "clerk", "Send it", ("write",), ("send-mail", "search"), budget=Budget(calls=1))
    assert show_plan(replace(PLAN, subtasks=(FIND, WRITE, send)), AGENTS) == (
        "task     Report on queues\n"
        "steps    3 subtasks, 3 one after the other, up to 1 at a time\n"
        "effects  send-mail (external)\n"
        "budget   10,000 tokens, 60 seconds\n"
        f"digest   {replace(PLAN, subtasks=(FIND, WRITE, send)).digest[:12]}\n"
        "\n"
        "1.  find: researcher\n"
        "    does    Find it\n"
        "    tools   search (read)\n"
        "    checks  min-words(words=5)\n"
        "\n"
        "2.  write: writer\n"
        "    does    Write it\n"
        "    takes   find\n"
        "    gives   the output\n"
        "\n"
        "3.  send: clerk\n"
        "    does    Send it\n"
        "    takes   write\n"
        "    tools   send-mail (external), search (read)\n"
        "    budget  1 calls\n"
    )


def test_effects_are_unknown_without_agents() -> None:
    assert "effects  search (unknown)\n" in show_plan(PLAN, ())
    assert "effects  none; it only reads\n" in show_plan(PLAN, AGENTS)


def test_a_text_of_the_plan_cannot_pass_for_a_line_of_it() -> None:
    trick = "Find it\n    tools   none\x1b[2K\u202e"
    shown = show_plan(replace(PLAN, subtasks=(replace(FIND, instruction=trick), WRITE)), AGENTS)
    assert r"    does    Find it tools none\x1b[2K\u202e" in shown.splitlines()
    assert "\x1b" not in shown


@given(st.text(min_size=1), st.text(min_size=1))
def test_lines_are_short_and_nothing_is_cut(task: str, instruction: str) -> None:
    long: Sequence[Subtask] = (replace(FIND, instruction=f"{instruction * 30} end"), WRITE)
    shown = show_plan(replace(PLAN, task=f"{task * 30} end", subtasks=tuple(long)), AGENTS)
    assert all(len(line) <= 100 for line in shown.splitlines())
    assert "".join(shown.split()).count("end") >= 2
