"""A whole run in a process that notes every connection it makes: to the endpoint, and to no other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.generation.loopback_endpoint import endpoint, model_of_words

BLUEPRINT = """\
blueprint: 1
system: {{name: swarm, purpose: Reports}}
components:
  retriever:
    use: retriever/fixed
    purpose: Find
    config: {{passages: {{docs/queues.md: "Call purge-queue.", docs/buckets.md: "Call empty-bucket."}}}}
  search: {{use: tool/search, purpose: Search, config: {{form: json}}}}
  llm: {{use: generator/openai, purpose: Write, config: {{base_url: "{url}", model: words}}}}
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
    config: {{rules: [{{agent: finder, tool: search, verdict: allow}}]}}
  orchestrator: {{use: orchestrator/swarm, purpose: Orchestrate}}
"""

SCRIPT = """\
import json, sys

seen = []

def note(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        seen.append([event, arguments[1]])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        seen.append([event, arguments[0]])
    elif event in ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec"):
        seen.append([event, ""])

sys.addaudithook(note)

import asyncio
from pathlib import Path
from asbuilt.system import System

async def run(orchestrator):
    return [event async for event in orchestrator.run("How are messages deleted?")][-1]

with System.load(Path("blueprint.yaml")) as system:
    ended = asyncio.run(run(system.orchestrator))
print(json.dumps({"state": ended.data["state"], "output": ended.data["output"], "seen": seen}))
"""


@pytest.mark.slow
def test_a_run_connects_to_its_endpoint_alone(tmp_path: Path) -> None:
    with endpoint(model_of_words(4096)) as server:
        (tmp_path / "blueprint.yaml").write_text(BLUEPRINT.format(url=server.url))
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        asked = len(server.requests)
    assert told["state"] == "finished"
    assert asked == told["output"].count("\n") + 1 == 2  # a sentence for each passage
    connected = [where for event, where in told["seen"] if event == "socket.connect"]
    assert 1 <= len(connected) <= asked
    assert all(where == ["127.0.0.1", server.server_port] for where in connected)
    others = [(event, where) for event, where in told["seen"] if event != "socket.connect"]
    assert all(event == "socket.getaddrinfo" and where == "127.0.0.1" for event, where in others)
