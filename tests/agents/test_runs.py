from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.agents.parts import TablePolicy, Work, WorkAgent, events_of, single, swarm

from asbuilt.agents.run_view import run_difference, run_line, run_tree
from asbuilt.errors import EndpointError, InDoubtError, NotFoundError, ToolError, UserError
from asbuilt.roles import Desk, Tool
from asbuilt.runs import UNTRUSTED, Budget, CheckSpec, Label, Plan, RunEvent, Subtask
from asbuilt.testing.scripted_generator import ScriptedGenerator
from asbuilt.tools import FunctionTool
from asbuilt.types import GenerationOptions, Message, ToolCall


def counted(name: str, **config: object) -> tuple[FunctionTool, list[str]]:
    """A tool that says what it was given, and the list of what it was called with."""
    calls: list[str] = []

    def function(item: str = "x") -> str:
        """Do something."""
        calls.append(item)
        return f"{name} {item}"

    return FunctionTool(function, name=name, **config), calls  # type: ignore[arg-type]


def calling(*names: str, **arguments: str) -> Work:
    async def work(desk: Desk, tools: Mapping[str, Tool]) -> str:
        results = [await desk.call(tools[name], ToolCall(name, name, arguments)) for name in names]
        return "; ".join(result.content for result in results)

    return work


def ended(events: list[RunEvent]) -> RunEvent:
    assert events[-1].kind == "ended", events[-1]
    return events[-1]


def kinds(events: list[RunEvent]) -> list[str]:
    return [event.kind for event in events]


# ---------------------------------------------------------------- the way of a task


def test_results_go_where_the_plan_says_and_parallel_parts_run_together(tmp_path: Path) -> None:
    together: list[int] = []
    inside = 0

    async def part(desk: Desk, tools: Mapping[str, Tool]) -> str:
        nonlocal inside
        inside += 1
        together.append(inside)
        await asyncio.sleep(0.05)
        inside -= 1
        return f"{desk.subtask.id} of {desk.task}"

    async def join(desk: Desk, tools: Mapping[str, Tool]) -> str:
        return " + ".join(desk.inputs[name].text for name in desk.subtask.inputs)

    plan = Plan(
        "adding",
        (
            Subtask("sum", "joiner", "Join", inputs=("left", "right")),
            Subtask("left", "worker", "Left"),
            Subtask("right", "worker", "Right"),
        ),
        "sum",
    )
    with swarm(tmp_path, WorkAgent("worker", part), WorkAgent("joiner", join)) as (orchestrator, catalog):
        events = events_of(orchestrator.run("adding", plan=plan))
        run = events[0].run
        assert catalog.runs.get(run).state == "finished"
        assert catalog.runs.events(run) == events
    assert ended(events).data["output"] == "left of adding + right of adding"
    assert max(together) == 2
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_plan_with_faults_is_refused_before_anything_happens(tmp_path: Path) -> None:
    with swarm(tmp_path, WorkAgent("a", calling())) as (orchestrator, catalog):
        with pytest.raises(UserError, match=r"there is no agent 'b'"):
            events_of(orchestrator.run("x", plan=single("b")))
        with pytest.raises(UserError, match="there is no task"):
            asyncio.run(orchestrator.plan(" "))
        assert catalog.runs.recent() == []
        with pytest.raises(NotFoundError, match="there is no run 'r'"):
            events_of(orchestrator.resume("r"))


def test_what_fails_stops_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    async def fail(desk: Desk, tools: Mapping[str, Tool]) -> str:
        if desk.subtask.id == "bad":
            raise RuntimeError("a bug of the agent")
        return "fine"

    plan = Plan(
        "t",
        (
            Subtask("bad", "a", "x"),
            Subtask("good", "a", "x"),
            Subtask("after", "a", "x", inputs=("bad", "good")),
        ),
        "after",
    )
    with swarm(tmp_path, WorkAgent("a", fail)) as (orchestrator, catalog):
        events = events_of(orchestrator.run("t", plan=plan))
        assert catalog.runs.get(events[0].run).state == "failed"
        again = events_of(orchestrator.resume(events[0].run))
    assert ended(events).data["faults"] == ["bad: agent 'a' failed: RuntimeError: a bug of the agent"]
    assert "finished" in kinds([event for event in events if event.subtask == "good"])
    assert not [event for event in events if event.subtask == "after"]
    assert again == events  # a run that has ended stays as it is


# ---------------------------------------------------------------- checks


def test_a_result_that_does_not_pass_is_done_again_and_never_goes_on(tmp_path: Path) -> None:
    told: list[str] = []

    async def write(desk: Desk, tools: Mapping[str, Tool]) -> str:
        told.append(desk.subtask.instruction)
        return "short" if len(told) == 1 else "a result that is long enough"

    plan = single(checks=(CheckSpec("min-words", {"words": 3}),))
    with swarm(tmp_path, WorkAgent("a", write)) as (orchestrator, _):
        events = events_of(orchestrator.run("t", plan=plan))
    assert ended(events).data["output"] == "a result that is long enough"
    assert "the result has 1 words; it must have at least 3" in told[1]

    told.clear()
    with swarm(tmp_path, WorkAgent("a", write), attempts=1) as (orchestrator, _):
        events = events_of(orchestrator.run("t", plan=plan))
    assert ended(events).data["state"] == "failed"
    assert ended(events).data["output"] == ""
    assert "did not pass its checks in 1 attempts" in ended(events).data["faults"][0]


# ---------------------------------------------------------------- effects


@pytest.mark.parametrize("effect", ["read", "idempotent", "external"])
def test_a_step_that_is_recorded_is_not_done_again(tmp_path: Path, effect: str) -> None:
    tool, calls = counted("do", effect=effect)
    stop = True

    async def work(desk: Desk, tools: Mapping[str, Tool]) -> str:
        result = await desk.call(tools["do"], ToolCall("1", "do", {"item": "once"}))
        if stop:
            raise EndpointError("the model is gone.")
        return result.content

    with swarm(tmp_path, WorkAgent("a", work, tool)) as (orchestrator, catalog):
        with pytest.raises(EndpointError):  # the world failed: the run is not over
            events_of(orchestrator.run("t", plan=single(tools=["do"])))
        [record] = catalog.runs.recent()
        assert record.state == "running"
        stop = False
        events = events_of(orchestrator.resume(record.id))
    assert ended(events).data["output"] == "do once"
    assert calls == ["once"]


def test_a_call_in_doubt_waits_for_a_person(tmp_path: Path) -> None:
    sent: list[str] = []

    def send(item: str) -> str:
        """Send."""
        sent.append(item)
        raise ConnectionError("no reply")

    agent = WorkAgent("a", calling("send", item="x"), FunctionTool(send))
    with swarm(tmp_path, agent) as (orchestrator, catalog):
        events = events_of(orchestrator.run("t", plan=single(tools=["send"])))
        run = events[0].run
        assert kinds(events)[-2:] == ["in-doubt", "asked"]
        assert catalog.runs.get(run).state == "waiting"
        [item] = catalog.runs.inbox()
        assert (item.kind, item.about["arguments"]) == ("doubt", {"item": "x"})
        assert "no reply" in item.reason
        assert item.expires_at > time.time() + 1e8  # a doubt does not run out of time
        events_of(orchestrator.resume(run))  # asking again changes nothing
        assert [each.id for each in catalog.runs.inbox()] == [item.id]
        catalog.runs.decide(item.id, approve=True, by="ida")
        events = events_of(orchestrator.resume(run))
    assert sent == ["x"]
    assert ended(events).data["output"] == "send took effect, as a person confirmed."


def test_a_call_that_took_no_effect_is_made_again_under_another_key(tmp_path: Path) -> None:
    keys: list[str] = []

    def send(item: str, idempotency_key: str) -> str:
        """Send."""
        keys.append(idempotency_key)
        if len(keys) == 1:
            raise ConnectionError("no reply")
        return "sent"

    agent = WorkAgent("a", calling("send", item="x"), FunctionTool(send, reconcile=lambda item: None))
    with swarm(tmp_path, agent) as (orchestrator, _):
        events = events_of(orchestrator.run("t", plan=single(tools=["send"])))
    assert ended(events).data["output"] == "sent"
    assert len(set(keys)) == 2
    assert [kind for kind in kinds(events) if kind in ("intended", "in-doubt", "undone", "called")] == [
        "intended",
        "in-doubt",
        "undone",
        "intended",
        "called",
    ]


def test_an_idempotent_call_is_tried_again_with_the_same_key(tmp_path: Path) -> None:
    keys: list[str] = []

    def put(idempotency_key: str) -> str:
        """Put."""
        keys.append(idempotency_key)
        if len(keys) == 1:
            raise InDoubtError("no reply")
        return "put"

    agent = WorkAgent("a", calling("put"), FunctionTool(put, effect="idempotent"))
    with swarm(tmp_path, agent) as (orchestrator, catalog):
        events = events_of(orchestrator.run("t", plan=single(tools=["put"])))
        assert catalog.runs.inbox() == []
    assert ended(events).data["output"] == "put"
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_tool_that_fails_surely_is_no_doubt(tmp_path: Path) -> None:
    def send() -> str:
        """Send."""
        raise ToolError("the address is unknown")

    with swarm(tmp_path, WorkAgent("a", calling("send"), FunctionTool(send))) as (orchestrator, _):
        events = events_of(orchestrator.run("t", plan=single(tools=["send"])))
    assert ended(events).data["output"] == "the address is unknown"
    assert "in-doubt" not in kinds(events)


# ---------------------------------------------------------------- approvals


def test_an_approval_works_after_a_restart_and_for_these_arguments_alone(tmp_path: Path) -> None:
    tool, calls = counted("pay")
    policy = TablePolicy(pay="ask")
    with swarm(tmp_path, WorkAgent("a", calling("pay", item="82"), tool), policy=policy) as (first, catalog):
        run = events_of(first.run("t", plan=single(tools=["pay"])))[0].run
        [item] = catalog.runs.inbox()
        assert item.about["arguments"] == {"item": "82"}
        catalog.runs.decide(item.id, approve=True, by="ida")
    assert calls == []
    changed = WorkAgent("a", calling("pay", item="820"), tool)
    with swarm(tmp_path, changed, policy=policy) as (second, catalog):
        events = events_of(second.resume(run))
        assert calls == []  # approved was another call
        [other] = catalog.runs.inbox()
        assert other.about["arguments"] == {"item": "820"}
        assert kinds(events)[-1] == "asked"
    with swarm(tmp_path, WorkAgent("a", calling("pay", item="82"), tool), policy=policy) as (third, _):
        assert ended(events_of(third.resume(run))).data["output"] == "pay 82"
    assert calls == ["82"]


def test_a_denial_is_a_refusal_and_what_ran_out_of_time_is_asked_again(tmp_path: Path) -> None:
    tool, calls = counted("pay")
    agent, policy = WorkAgent("a", calling("pay"), tool), TablePolicy(pay="ask")
    with swarm(tmp_path, agent, policy=policy) as (orchestrator, catalog):
        run = events_of(orchestrator.run("t", plan=single(tools=["pay"])))[0].run
        catalog.runs.decide(catalog.runs.inbox()[0].id, approve=False, by="ida")
        assert ended(events_of(orchestrator.resume(run))).data["output"] == "pay was not approved: denied."
    with swarm(tmp_path, agent, policy=policy, approval_hours=1e-6) as (orchestrator, catalog):
        run = events_of(orchestrator.run("t", plan=single(tools=["pay"])))[0].run
        time.sleep(0.01)
        [late] = catalog.runs.inbox(state=None, run=run)
        assert late.state == "expired"
        with pytest.raises(UserError, match="is expired already"):
            catalog.runs.decide(late.id, approve=True, by="ida")
    with swarm(tmp_path, agent, policy=policy) as (orchestrator, catalog):
        events_of(orchestrator.resume(run))
        [again] = catalog.runs.inbox()
        assert (again.id > late.id, again.digest) == (True, late.digest)
    assert calls == []


def test_one_approval_covers_the_plan(tmp_path: Path) -> None:
    tool, calls = counted("do")
    agent = WorkAgent("a", calling("do"), tool)
    with swarm(tmp_path, agent, policy=TablePolicy("ask")) as (orchestrator, catalog):
        events = events_of(orchestrator.run("t", plan=single(tools=["do"])))
        assert kinds(events)[-1] == "asked"
        assert calls == []
        [item] = catalog.runs.inbox()
        assert item.digest == single(tools=["do"]).digest
        catalog.runs.decide(item.id, approve=True, by="ida")
        assert ended(events_of(orchestrator.resume(events[0].run))).data["state"] == "finished"
    with swarm(tmp_path, agent, policy=TablePolicy("refuse")) as (orchestrator, _):
        events = events_of(orchestrator.run("t", plan=single(tools=["do"])))
    assert ended(events).data["faults"] == ["the plan was refused by the table: it says so"]
    assert calls == ["x"]


def test_what_does_not_wait_goes_on_while_another_waits(tmp_path: Path) -> None:
    pay, paid = counted("pay")
    look, looked = counted("look", effect="read")

    async def slow(desk: Desk, tools: Mapping[str, Tool]) -> str:
        await asyncio.sleep(0.1)
        return (await desk.call(tools["look"], ToolCall("1", "look", {}))).content

    plan = Plan(
        "t",
        (
            Subtask("ask", "payer", "x", tools=("pay",)),
            Subtask("see", "seer", "x", tools=("look",)),
            Subtask("out", "seer", "x", inputs=("ask", "see"), tools=("look",)),
        ),
        "out",
    )
    agents = (WorkAgent("payer", calling("pay"), pay), WorkAgent("seer", slow, look))
    with swarm(tmp_path, *agents, policy=TablePolicy(pay="ask")) as (orchestrator, catalog):
        events = events_of(orchestrator.run("t", plan=plan))
        assert len(looked) == 1
        assert catalog.runs.get(events[0].run).state == "waiting"
        catalog.runs.decide(catalog.runs.inbox()[0].id, approve=True, by="ida")
        assert ended(events_of(orchestrator.resume(events[0].run))).data["output"] == "look x"
    assert (paid, len(looked)) == (["x"], 2)


def test_a_refusal_is_told_to_the_agent(tmp_path: Path) -> None:
    tool, calls = counted("wipe")
    policy = TablePolicy(wipe="refuse")
    with swarm(tmp_path, WorkAgent("a", calling("wipe"), tool), policy=policy) as (orchestrator, _):
        events = events_of(orchestrator.run("t", plan=single(tools=["wipe"])))
    assert ended(events).data["output"] == "wipe was refused by the table: it says so"
    assert calls == []


# ---------------------------------------------------------------- labels


def test_labels_follow_data_through_tools_and_subtasks(tmp_path: Path) -> None:
    web, _ = counted("web", effect="read")
    plan = Plan(
        "t",
        (
            Subtask("read", "a", "x", tools=("web",)),
            Subtask("use", "b", "x", inputs=("read",)),
            Subtask("out", "b", "x", inputs=("use",)),
        ),
        "out",
    )

    async def pass_on(desk: Desk, tools: Mapping[str, Tool]) -> str:
        return next(iter(desk.inputs.values())).text

    policy = TablePolicy(labels={"web": UNTRUSTED.joined(Label(private=True))})
    agents = (WorkAgent("a", calling("web"), web), WorkAgent("b", pass_on))
    with swarm(tmp_path, *agents, policy=policy) as (orchestrator, _):
        events = events_of(orchestrator.run("t", plan=plan))
    assert ended(events).data["label"] == {"trusted": False, "private": True}


def test_the_policy_sees_all_that_the_agent_saw(tmp_path: Path) -> None:
    web, _ = counted("web", effect="read")
    policy = TablePolicy(labels={"web": UNTRUSTED})
    with swarm(tmp_path, WorkAgent("a", calling("web", "web"), web), policy=policy) as (orchestrator, _):
        events_of(orchestrator.run("t", plan=single(tools=[])))
    first, second = policy.seen
    assert [(seen.source, seen.label.trusted) for seen in second.seen] == [
        ("task", True),
        ("plan", True),
        ("tool:web", False),
    ]
    assert len(first.seen) == 2
    assert not first.planned


# ---------------------------------------------------------------- budgets and loops


def test_calls_tokens_and_time_are_limited(tmp_path: Path) -> None:
    tool, calls = counted("do", effect="read")

    async def talk(desk: Desk, tools: Mapping[str, Tool]) -> str:
        generator = ScriptedGenerator(replies=("one two three",))
        for _ in range(3):
            options = GenerationOptions(max_tokens=10)
            await desk.generate(generator, [Message("user", "go on")], options=options)
        return "done"

    agents = (WorkAgent("a", calling("do", "do", "do"), tool), WorkAgent("b", talk))
    with swarm(tmp_path, *agents, calls=2, tokens=25) as (orchestrator, _):
        events = events_of(orchestrator.run("t", plan=single(tools=["do"])))
        assert "the budget of the run is used up: 2 of 2 calls" in ended(events).data["faults"][0]
        events = events_of(orchestrator.run("t", plan=single("b")))
        assert "the budget of the run is used up" in ended(events).data["faults"][0]
        events = events_of(orchestrator.run("t", plan=single("b", budget=Budget(tokens=1_000))))
    assert len(calls) == 2
    assert "25 tokens" in ended(events).data["faults"][0]


def test_a_loop_is_told_and_then_broken(tmp_path: Path) -> None:
    tool, calls = counted("look", effect="read")
    names = ["look"] * 9
    with swarm(tmp_path, WorkAgent("a", calling(*names), tool)) as (orchestrator, _):
        events = events_of(orchestrator.run("t", plan=single(tools=["look"])))
    assert len(calls) == 3
    assert "goes in a loop: look" in ended(events).data["faults"][0]
    refused = [event.data["text"] for event in events if event.kind == "refused"]
    assert "gave the same result 3 times" in refused[0]


# ---------------------------------------------------------------- resume, replay, diff


def test_an_agent_that_changed_is_noticed(tmp_path: Path) -> None:
    one, other = counted("one", effect="read")[0], counted("other", effect="read")[0]

    async def stop(desk: Desk, tools: Mapping[str, Tool]) -> str:
        await desk.call(tools["one"], ToolCall("1", "one", {}))
        raise EndpointError("gone.")

    with swarm(tmp_path, WorkAgent("a", stop, one, other)) as (orchestrator, catalog):
        with pytest.raises(EndpointError):
            events_of(orchestrator.run("t", plan=single(tools=["one", "other"])))
        run = catalog.runs.recent()[0].id
    with swarm(tmp_path, WorkAgent("a", calling("other"), one, other)) as (orchestrator, _):
        events = events_of(orchestrator.resume(run))
    assert "does something else at step 1 than its log has" in ended(events).data["faults"][0]


def test_a_run_is_worked_on_by_one_process(tmp_path: Path) -> None:
    async def both() -> None:
        with swarm(tmp_path, WorkAgent("a", calling("do"), counted("do")[0])) as (orchestrator, _):
            stream = orchestrator.run("t", plan=single(tools=["do"]))
            async with aclosing(stream):  # type: ignore[type-var]
                run = (await anext(aiter(stream))).run
                with pytest.raises(UserError, match=f"another process works on run {run}"):
                    async for _ in orchestrator.resume(run):
                        pass
            async with aclosing(orchestrator.resume(run)) as again:  # type: ignore[type-var]
                assert [event async for event in again][-1].kind == "ended"

    asyncio.run(both())


def test_a_replay_needs_nothing_but_the_log(tmp_path: Path) -> None:
    tool, calls = counted("pay")
    generator = ScriptedGenerator(replies=("think",))

    async def work(desk: Desk, tools: Mapping[str, Tool]) -> str:
        reply = await desk.generate(generator, [Message("user", "?")], options=GenerationOptions())
        result = await desk.call(tools["pay"], ToolCall("1", "pay", {"item": reply.message.content}))
        return result.content

    policy = TablePolicy("ask", pay="ask")
    with swarm(tmp_path, WorkAgent("a", work, tool), policy=policy) as (orchestrator, catalog):
        run = events_of(orchestrator.run("t", plan=single(tools=["pay"])))[0].run
        for _ in range(2):
            catalog.runs.decide(catalog.runs.inbox()[0].id, approve=True, by="ida")
            events = events_of(orchestrator.resume(run))
        assert ended(events).data["output"] == "pay think"
        assert asyncio.run(orchestrator.replay(run)) == events
        assert (calls, len(generator.requests)) == (["think"], 1)
        assert catalog.runs.events(run) == events

    async def other(desk: Desk, tools: Mapping[str, Tool]) -> str:
        return "something else"

    with (
        swarm(tmp_path, WorkAgent("a", other, tool), policy=policy) as (orchestrator, _),
        pytest.raises(UserError, match="came to another result"),
    ):
        asyncio.run(orchestrator.replay(run))


def test_a_run_that_has_not_ended_is_not_replayed(tmp_path: Path) -> None:
    agent = WorkAgent("a", calling("pay"), counted("pay")[0])
    with swarm(tmp_path, agent, policy=TablePolicy(pay="ask")) as (orchestrator, _):
        run = events_of(orchestrator.run("t", plan=single(tools=["pay"])))[0].run
        with pytest.raises(UserError, match=f"run {run} has not ended. Go on with it: asbuilt resume {run}"):
            asyncio.run(orchestrator.replay(run))


def test_a_difference_names_the_first_step_that_differs(tmp_path: Path) -> None:
    tool, _ = counted("do", effect="read")
    runs = []
    for item in ("x", "x", "y"):
        with swarm(tmp_path, WorkAgent("a", calling("do", item=item), tool)) as (orchestrator, _):
            runs.append(events_of(orchestrator.run("t", plan=single(tools=["do"]))))
    assert list(run_difference(runs[0], runs[1])) == []
    found = list(run_difference(runs[0], runs[2]))
    assert len(found) == 2
    assert found[0].startswith("the run, event 2:") or "subtask only, event 1" in found[0]
    assert any("do x" in each and "do y" in each for each in found)


def test_a_tree_shows_steps_times_and_totals(tmp_path: Path) -> None:
    tool, _ = counted("do", effect="read")
    with swarm(tmp_path, WorkAgent("a", calling("do"), tool)) as (orchestrator, _):
        events = events_of(orchestrator.run("t", plan=single(tools=["do"])))
    tree = run_tree(events).splitlines()
    assert tree[0] == f"run {events[0].run}: t"
    assert tree[1].startswith("|- only (a)  0.")
    assert "do: do x" in tree[2]
    assert "1 call" in tree[-1]
    assert all(run_line(event) is not None for event in events)
