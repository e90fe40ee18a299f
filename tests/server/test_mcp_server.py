"""A project as an MCP server, asked by the official client."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("mcp")

from mcp import Client, StdioServerParameters

BLUEPRINT = """\
blueprint: 1
system: {name: notes, purpose: Answers from our notes}
components:
  chunker: {use: chunker/structural, purpose: Cut, config: {chunk_size: 64, chunk_overlap: 0}}
  embedder: {use: embedder/fake, purpose: Embed}
  vectors: {use: index/exact, purpose: Search}
  retriever: {use: retriever/hybrid, purpose: Find}
  assistant: {use: assistant/extractive, purpose: Quote}
  dim: {use: tool/lamp-state, purpose: Look}
  switch: {use: tool/lamp-switch, purpose: Switch}
policy: {allow_imports: [lamp]}
"""
LAMP = '''\
from asbuilt import tool

@tool("lamp-state", effect="read")
def lamp_state(room: str) -> str:
    """Says whether the lamp of a room is on."""
    print("noise on standard output")
    if room == "attic":
        raise ValueError("no such room")
    return "on"

@tool("lamp-switch", effect="external")
def lamp_switch(room: str) -> str:
    """Switches the lamp of a room."""
    return "switched"
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "blueprint.yaml").write_text(BLUEPRINT, encoding="utf-8")
    (folder / "lamp.py").write_text(LAMP, encoding="utf-8")
    (folder / "kettle.md").write_text("# Kettle\n\nThe kettle boils in two minutes.\n", encoding="utf-8")
    from asbuilt.system import System

    with System.load(folder / "blueprint.yaml") as system:
        system.ingest([str(folder / "kettle.md")])
    return folder


def asked(project: Path, *steps: tuple[str, dict[str, Any]], options: tuple[str, ...] = ()) -> list[Any]:
    """Results of calls to `asbuilt mcp` in `project`, after the list of its tools."""

    async def main() -> list[Any]:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "asbuilt.cli", "mcp", str(project / "blueprint.yaml"), *options],
            env={**os.environ},
        )
        async with Client(server) as client:
            found: list[Any] = [(await client.list_tools()).tools]
            for name, arguments in steps:
                found.append(await client.call_tool(name, arguments))
            return found

    return anyio.run(main)


def text_of(result: Any) -> str:
    [content] = result.content
    return str(content.text)


def test_it_offers_documents_assistant_and_tools_that_read(project: Path) -> None:
    tools, found, answered, state = asked(
        project,
        ("search", {"query": "kettle"}),
        ("ask", {"question": "How long does the kettle take?"}),
        ("lamp-state", {"room": "hall"}),
    )
    assert [tool.name for tool in tools] == ["lamp-state", "search", "ask"]
    assert json.loads(text_of(found))[0]["source"].endswith("kettle.md")
    answer = json.loads(text_of(answered))
    assert "two minutes" in answer["answer"]
    assert answer["citations"][0]["verified"]
    assert text_of(state) == "on"


def test_what_changes_something_is_offered_on_demand_only(project: Path) -> None:
    refused = asked(project, ("lamp-switch", {"room": "hall"}))[1]
    assert refused.is_error
    assert "no tool 'lamp-switch'" in text_of(refused)
    tools, switched = asked(project, ("lamp-switch", {"room": "hall"}), options=("--allow", "external"))
    assert "lamp-switch" in [tool.name for tool in tools]
    assert text_of(switched) == "switched"


def test_faults_are_one_line_and_the_server_goes_on(project: Path) -> None:
    _, failed, wrong, missing, good = asked(
        project,
        ("lamp-state", {"room": "attic"}),
        ("lamp-state", {"rom": "hall"}),
        ("search", {}),
        ("lamp-state", {"room": "hall"}),
    )
    for result in (failed, wrong, missing):
        assert result.is_error
        assert "\n" not in text_of(result)
    assert "no such room" in text_of(failed)
    assert "rom" in text_of(wrong)
    assert "query" in text_of(missing)
    assert text_of(good) == "on"
