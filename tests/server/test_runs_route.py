"""Runs over HTTP: started, followed, approved, and gone on with by the next process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from tests.server.conftest import BASE_URL
from tests.server.live import served, wait_for

from asbuilt.blueprint import Blueprint, ComponentSpec
from asbuilt.blueprint.spec import SystemSpec
from asbuilt.server import create_app
from asbuilt.system import System

V1 = "/api/v1"


def drawing(verdict: str = "allow", plans: str = "allow") -> Blueprint:
    subtasks = [
        {"id": "find", "agent": "finder", "instruction": "{task}", "tools": ["search"]},
        {"id": "report", "agent": "reporter", "instruction": "report", "inputs": ["find"]},
    ]
    policy = {
        "rules": [{"agent": "finder", "tool": "search", "verdict": verdict}],
        "plans": [{"verdict": plans}],
    }
    return Blueprint(
        system=SystemSpec(name="swarm", purpose="Reports"),
        components=(
            ComponentSpec(
                "retriever",
                "Find",
                use="retriever/fixed",
                config={"passages": {"docs/queues.md": "To delete all messages, call purge-queue."}},
            ),
            ComponentSpec("search", "Search", use="tool/search", config={"form": "json"}),
            ComponentSpec(
                "llm", "Write", use="generator/scripted", config={"replies": ["Call purge-queue."]}
            ),
            ComponentSpec("finder", "Find passages", use="agent/finder"),
            ComponentSpec("reporter", "Report", use="agent/reporter"),
            ComponentSpec("planner", "Plan", use="planner/template", config={"subtasks": subtasks}),
            ComponentSpec("policy", "Decide", use="safety/policy", config=policy),
            ComponentSpec("orchestrator", "Orchestrate", use="orchestrator/swarm"),
        ),
    )


@contextmanager
def client_of(folder: Path, blueprint: Blueprint) -> Iterator[TestClient]:
    with (
        System(blueprint, folder=folder) as system,
        TestClient(create_app(system), BASE_URL, raise_server_exceptions=False) as client,
    ):
        yield client


def started(client: TestClient, **body: object) -> str:
    response = client.post(f"{V1}/runs", json={"task": "How are messages deleted?", **body})
    assert response.status_code == 202, response.text
    return str(response.json()["run"])


def settled(client: TestClient, run: str) -> str:
    state = ""

    def over() -> bool:
        nonlocal state
        state = client.get(f"{V1}/runs/{run}").json()["state"]
        return bool(state != "running")

    wait_for(over)
    return state


def events_of(text: str) -> list[dict[str, Any]]:
    return [
        json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")
    ]


def test_a_run_is_started_followed_and_listed(tmp_path: Path) -> None:
    with client_of(tmp_path, drawing()) as client:
        plan = client.post(f"{V1}/plans", json={"task": "How are messages deleted?"}).json()
        run = started(client, plan=plan)
        assert settled(client, run) == "finished"
        response = client.get(f"{V1}/runs/{run}/events")
        events = events_of(response.text)
        assert response.headers["content-type"].startswith("text/event-stream")
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert events[-1]["kind"] == "ended"
        assert events[-1]["data"]["output"] == "- Call purge-queue. [docs/queues.md]"
        later = events_of(client.get(f"{V1}/runs/{run}/events?after={len(events) - 1}").text)
        assert later == events[-1:]
        assert [each["id"] for each in client.get(f"{V1}/runs").json()] == [run]


def test_bad_requests_are_problems(tmp_path: Path) -> None:
    with client_of(tmp_path, drawing()) as client:
        for method, path, body, status in (
            ("POST", "runs", {"task": ""}, 422),
            ("POST", "runs", {"task": "x", "plan": {"subtasks": 3}}, 422),
            ("POST", "runs", {"task": "x", "more": 1}, 422),
            ("GET", "runs/nope", None, 404),
            ("GET", "runs/nope/events", None, 404),
            ("POST", "runs/nope/resume", None, 404),
            ("POST", "inbox/7", {"decision": "approve", "by": "ida"}, 404),
            ("POST", "inbox/7", {"decision": "perhaps", "by": "ida"}, 422),
        ):
            response = client.request(method, f"{V1}/{path}", json=body)
            assert response.status_code == status, (path, response.text)
            assert response.headers["content-type"] == "application/problem+json"


def test_a_question_is_answered_over_http_and_the_run_goes_on(tmp_path: Path) -> None:
    with client_of(tmp_path, drawing(plans="ask", verdict="ask")) as client:
        run = started(client)
        numbers = []
        for kind in ("plan", "call"):
            wait_for(lambda: any(each["id"] not in numbers for each in client.get(f"{V1}/inbox").json()))
            [item] = client.get(f"{V1}/inbox").json()
            assert (item["kind"], item["run"]) == (kind, run)
            if kind == "plan":
                [tools] = [each["tools"] for each in item["about"]["agents"] if each["name"] == "finder"]
                assert [(each["name"], each["effect"]) for each in tools] == [("search", "read")]
            numbers.append(item["id"])
            answer = client.post(f"{V1}/inbox/{item['id']}", json={"decision": "approve", "by": "ida"})
            assert answer.json()["state"] == "approved"
        wait_for(lambda: client.get(f"{V1}/runs/{run}").json()["state"] == "finished")
        twice = client.post(f"{V1}/inbox/{item['id']}", json={"decision": "deny", "by": "ida"})
        assert twice.status_code == 422


def test_what_one_process_left_the_next_one_does(tmp_path: Path) -> None:
    with System(drawing(), folder=tmp_path) as system:
        store = system.catalog.runs
        store.create("r-left", "How are messages deleted?", blueprint="x")
    with client_of(tmp_path, drawing()) as client:
        assert settled(client, "r-left") == "finished"


def test_events_come_while_the_run_goes_on(tmp_path: Path) -> None:
    with System(drawing(plans="ask"), folder=tmp_path) as system, served(create_app(system)) as url:
        run = httpx.post(f"{url}{V1}/runs", json={"task": "How are messages deleted?"}).json()["run"]
        kinds = []
        with httpx.stream("GET", f"{url}{V1}/runs/{run}/events", timeout=10) as stream:
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    kinds.append(line.removeprefix("event: "))
                if kinds[-1:] == ["asked"] and line == "":
                    [item] = httpx.get(f"{url}{V1}/inbox").json()
                    httpx.post(f"{url}{V1}/inbox/{item['id']}", json={"decision": "approve", "by": "ida"})
    assert kinds[:3] == ["started", "planned", "asked"]
    assert kinds[-1] == "ended"


def test_a_system_without_a_swarm_has_no_such_routes(client: TestClient) -> None:
    assert client.get(f"{V1}/runs").status_code == 404


@pytest.mark.parametrize("path", ["/plans", "/runs", "/inbox", "/runs/{run}/events"])
def test_the_routes_are_described(tmp_path: Path, path: str) -> None:
    with client_of(tmp_path, drawing()) as client:
        assert f"{V1}{path}" in client.get(f"{V1}/openapi.json").json()["paths"]
