from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from asbuilt import registry
from asbuilt.errors import MissingError, ToolError, UserError
from asbuilt.roles import Tool
from asbuilt.testing.tool_contract import ToolContract
from asbuilt.tools.command import CommandTool
from asbuilt.tools.python import PythonTool
from asbuilt.tools.sandbox import Support, probe, run, support

NOTHING = Support(landlock="the kernel has none", bubblewrap="the program bwrap is not installed")

sandboxed = pytest.mark.skipif(
    probe().best is None, reason=f"no sandbox: {probe().landlock}; {probe().bubblewrap}"
)


@sandboxed
class TestPythonTool(ToolContract):
    @pytest.fixture
    def tool(self) -> Tool:
        return PythonTool()

    @pytest.fixture
    def good_arguments(self) -> Mapping[str, Any]:
        return {"code": "print(1)"}


@sandboxed
class TestCommandTool(ToolContract):
    @pytest.fixture
    def tool(self) -> Tool:
        return CommandTool(programs=("wc",))

    @pytest.fixture
    def good_arguments(self) -> Mapping[str, Any]:
        return {"program": "wc", "arguments": ["-w"], "text": "one two"}


@sandboxed
def test_code_is_run_and_its_output_returned() -> None:
    tool = PythonTool()
    assert tool.call({"code": "print(6 * 7)"}) == "42"
    assert tool.call({"code": "x = 1"}) == "The code printed nothing."
    assert tool.call({"code": "print('\\u00e9', end='')"}) == "\u00e9"


@sandboxed
def test_calls_share_nothing() -> None:
    tool = PythonTool()
    tool.call({"code": "open('kept', 'w').close()"})
    assert tool.call({"code": "import os; print(os.listdir())"}) == "['main.py']"


@sandboxed
def test_what_fails_tells_the_model_why() -> None:
    tool = PythonTool(timeout_s=1, max_result_chars=200)
    with pytest.raises(ToolError, match=r"(?s)ended with exit code 1.*ZeroDivisionError: division by zero"):
        tool.call({"code": "def f(): 1 / 0\nprint('before')\nf()"})
    with pytest.raises(ToolError, match="ran out of time"):
        tool.call({"code": "import time; time.sleep(9)"})
    with pytest.raises(ToolError, match="fault in the arguments"):
        tool.call({"code": "'\ud800'"})
    text = tool.call({"code": "print('x' * 10_000)"})
    assert text == f"{'x' * 200}\n[cut: the first 200 characters]"


@sandboxed
def test_code_reads_what_the_blueprint_gives_it(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b")
    code = f"print(open({str(tmp_path / 'data.csv')!r}).read())"
    assert PythonTool(readable=(str(tmp_path),)).call({"code": code}) == "a,b"
    with pytest.raises(ToolError):
        PythonTool().call({"code": code})


@sandboxed
def test_only_listed_programs_run() -> None:
    tool = CommandTool(programs=("wc", "grep", "/bin/echo"))
    assert tool.call({"program": "wc", "arguments": ["-w"], "text": "one two"}) == "2"
    assert tool.call({"program": "echo", "arguments": ["$HOME; id", "*"]}) == "$HOME; id *"
    assert tool.call({"program": "grep", "arguments": ["x"]}) == "grep ended with exit code 1."
    with pytest.raises(ToolError, match=r"'program'.*'rm'"):
        tool.call({"program": "rm", "arguments": []})
    with pytest.raises(ToolError, match="NUL"):
        tool.call({"program": "echo", "arguments": ["\0"]})


def test_effects() -> None:
    assert PythonTool().effect == CommandTool(programs=("wc",)).effect == "read"
    assert PythonTool(sandbox="none").effect == "external"
    assert CommandTool(programs=("wc",), sandbox="none").effect == "external"


def test_unconfined_only_when_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (run, support):
        monkeypatch.setattr(module, "probe", lambda: NOTHING)
    for tool in (PythonTool(), PythonTool(sandbox="landlock")):
        with pytest.raises(MissingError, match="no sandbox works here"):
            tool.call({"code": "print(1)"})
    with pytest.raises(MissingError, match="no sandbox works here"):
        CommandTool(programs=("wc",)).call({"program": "wc", "arguments": []})
    assert PythonTool(sandbox="none").call({"code": "print(1)"}) == "1"


def test_opening_refuses_where_nothing_works(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("asbuilt.tools.python", "asbuilt.tools.command"):
        monkeypatch.setattr(sys.modules[name], "probe", lambda: NOTHING)
    for tool in (PythonTool(), CommandTool(programs=("wc",))):
        with pytest.raises(MissingError, match="no sandbox works here"):
            tool.open()
    PythonTool(sandbox="none").open()


def test_faults_of_the_config() -> None:
    with pytest.raises(UserError, match="empty"):
        CommandTool(programs=())
    with pytest.raises(UserError, match="two of one name"):
        CommandTool(programs=("wc", "/usr/bin/wc"))
    with pytest.raises(MissingError, match="surely-missing"):
        CommandTool(programs=("surely-missing",), sandbox="none").open()


def test_registered() -> None:
    assert registry.resolve("tool/python") is PythonTool
    assert registry.resolve("tool/command") is CommandTool
