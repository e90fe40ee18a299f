"""Tools of a real MCP server, in a process of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from asbuilt.errors import EndpointError, InDoubtError, ToolError, UserError
from asbuilt.testing.tool_contract import ToolContract
from asbuilt.tools.mcp_tool import McpTool, _spec

pytest.importorskip("mcp")

SCRIPT = Path(__file__).with_name("mcp_server_script.py")
Make = Callable[..., McpTool]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
def make(log: Path) -> Iterator[Make]:
    opened = []

    def made(tool: str, **config: Any) -> McpTool:
        command = (sys.executable, str(SCRIPT), str(log))
        made = McpTool(component_name=f"odd-{tool}", tool=tool, command=command, **config)
        made.open()
        opened.append(made)
        return made

    yield made
    for each in opened:
        each.close()


class TestEcho(ToolContract):
    @pytest.fixture
    def tool(self, make: Make) -> McpTool:
        return make("echo")

    @pytest.fixture
    def good_arguments(self) -> Mapping[str, Any]:
        return {"text": "hello"}


def test_the_server_answers_under_the_component_s_name(make: Make) -> None:
    tool = make("echo")
    assert tool.spec.name == "odd-echo"
    assert tool.call({"text": "hello"}) == "hello"


def test_hints_of_the_server_are_not_believed(make: Make) -> None:
    assert make("echo").effect == "external"


def test_the_description_has_no_control_characters(make: Make) -> None:
    assert make("echo").spec.description == "Says it again."


@pytest.mark.parametrize(("effect", "error"), [("read", ToolError), ("external", InDoubtError)])
@pytest.mark.parametrize("tool", ["hang", "die", "fail"])
def test_what_became_of_a_call_is_told_by_its_effect(
    make: Make, tool: str, effect: str, error: type[ToolError]
) -> None:
    with pytest.raises(ToolError) as raised:
        make(tool, effect=effect, timeout_s=1.0).call({"text": "x"})
    assert type(raised.value) is error


def test_a_server_that_died_is_started_again(make: Make) -> None:
    with pytest.raises(ToolError):
        make("die", effect="read", timeout_s=2.0).call({"text": "x"})
    assert make("echo").call({"text": "again"}) == "again"


def test_a_server_killed_while_idle_is_a_tool_s_error_and_started_again(make: Make, log: Path) -> None:
    tool = make("echo")
    os.kill(int(log.with_name("pid").read_text(encoding="utf-8")), signal.SIGKILL)
    with pytest.raises(ToolError, match="cannot be reached"):
        tool.call({"text": "x"})
    assert tool.call({"text": "again"}) == "again"


def test_schemas_of_no_end_or_elsewhere_are_refused() -> None:
    for schema, told in (
        ({"properties": {"a": {"description": "x" * 30_000}}}, "characters"),
        ({"properties": {"a": {"$ref": "https://example.org/x"}}}, "not part of it"),
    ):
        with pytest.raises(UserError, match=told):
            _spec("x", {"description": "", "schema": schema})
    spec = _spec(
        "x", {"description": "", "schema": {"properties": {"a": {"description": "a\x1b[1m\u202eb"}}}}
    )
    assert spec.parameters["properties"]["a"]["description"] == "a [1m b"


def test_a_tool_that_changed_is_not_called(make: Make, log: Path) -> None:
    tool = make("echo")
    (log.parent / "changed").touch()
    with pytest.raises(ToolError, match="has changed the description"):
        tool.call({"text": "hello"})
    assert not log.exists()


def test_a_large_result_is_cut(make: Make) -> None:
    text = make("large", max_result_chars=100).call({"text": "x"})
    assert text.startswith("x" * 100)
    assert text.endswith("[cut: the first 100 of 5000000 characters]")


def test_pictures_are_named(make: Make) -> None:
    assert make("picture").call({"text": "see"}) == "see\n[image: image/png]"


def test_the_server_sees_no_variable_that_is_not_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "1")
    monkeypatch.setenv("WANTED", "1")
    seen = make("environment", env=("WANTED",)).call({"text": ""}).split(",")
    assert "WANTED" in seen
    assert "SECRET_KEY" not in seen


def test_wrong_arguments_never_reach_the_server(make: Make, log: Path) -> None:
    with pytest.raises(ToolError, match="text"):
        make("echo").call({"text": 3})
    assert not log.exists()


def test_one_server_for_all_its_tools_and_none_left(make: Make, log: Path) -> None:
    tools = [make("echo"), make("large")]
    process = psutil.Process(int(log.with_name("pid").read_text(encoding="utf-8")))
    mine = [each for each in psutil.Process().children(recursive=True) if str(SCRIPT) in each.cmdline()]
    assert len(mine) == 1
    for tool in tools:
        tool.close()
    deadline = time.monotonic() + 10
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the server outlived its tools"
        time.sleep(0.05)


def test_an_unknown_tool_is_refused_with_the_nearest(make: Make) -> None:
    with pytest.raises(UserError, match="no tool 'ecko'") as raised:
        make("ecko")
    assert "echo" in str(raised.value)


def test_a_command_that_is_not_there() -> None:
    tool = McpTool(component_name="x", tool="y", command=("surely-not-there-1",))
    with pytest.raises((UserError, EndpointError), match="surely-not-there-1"):
        tool.open()


def test_a_server_on_another_machine_has_to_be_allowed() -> None:
    with pytest.raises(UserError, match="another machine"):
        McpTool(component_name="x", tool="y", url="https://example.org/mcp")
    McpTool(component_name="x", tool="y", url="https://example.org/mcp", allow_remote=True)


def test_a_server_needs_one_address() -> None:
    with pytest.raises(UserError, match="either a command or a url"):
        McpTool(component_name="x", tool="y")
