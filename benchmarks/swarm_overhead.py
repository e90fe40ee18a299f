"""What a swarm costs beside its model: time a step, fan-out, live agents, bytes stored.

    python benchmarks/swarm_overhead.py                       # asbuilt alone, and the raw client
    python benchmarks/swarm_overhead.py --peers PYTHON        # and LangGraph and pydantic-ai, if it has them

A scripted OpenAI-compatible server on loopback answers at once: it asks for the tool `look` until the
transcript has as many results as the model's name says (``steps-100``), then says "done". A step is one
reply and one call. *Own time* is the time a step beyond that of a bare HTTP client, which sends the same
requests over one connection in the same run. asbuilt keeps its log on disk, durably; LangGraph runs twice,
without a checkpointer and with its SQLite one; pydantic-ai keeps nothing.

Prediction, before the first run: own time of asbuilt 0.6 ms a step, LangGraph 3 ms, pydantic-ai 1.5 ms;
1,000 live agents in 150 MiB; 700 bytes a step.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

_STEPS = 100
_WIDE = 100
_LIVE = 1_000
_ROUNDS = 5


# ---------------------------------------------------------------- the scripted server


async def serve() -> None:
    """Answer until the process is ended; the port is printed first."""
    server = await asyncio.start_server(_connection, "127.0.0.1", 0, limit=2**24)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            )
            body = json.loads(await reader.readexactly(length))
            writer.write(_reply(body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _reply(body: dict[str, Any]) -> bytes:
    wanted = int(body["model"].partition("-")[2])
    done = sum(message["role"] == "tool" for message in body["messages"])
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
    message: dict[str, Any] = {"role": "assistant", "content": "done"}
    reason = "stop"
    if done < wanted:
        function = {"name": "look", "arguments": json.dumps({"item": str(done)})}
        call = {"id": f"call-{done}", "type": "function", "function": function}
        message, reason = {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
    common = {"id": "x", "created": 1, "model": body["model"]}
    if not body.get("stream"):
        choice = {"index": 0, "message": message, "finish_reason": reason}
        whole = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
        data, kind = json.dumps(whole).encode(), b"application/json"
    else:
        delta = dict(message)
        if "tool_calls" in delta:
            delta["tool_calls"] = [{"index": 0, **call} for call in delta["tool_calls"]]
        chunks: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
            {"choices": [], "usage": usage},
        ]
        shape = {**common, "object": "chat.completion.chunk"}
        lines = [f"data: {json.dumps({**shape, **chunk})}\n\n" for chunk in chunks]
        data, kind = "".join([*lines, "data: [DONE]\n\n"]).encode(), b"text/event-stream"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (kind, len(data))
    return head + data


# ---------------------------------------------------------------- routes: seconds for one agent of n steps


async def raw(url: str, steps: int) -> float:
    """A bare client over one connection, with the same requests."""
    import httpx

    tool = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {}}}
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Do it"}]
    async with httpx.AsyncClient() as client:
        began = time.perf_counter()
        for number in range(steps + 1):
            request = {"model": f"steps-{steps}", "messages": messages, "tools": [tool]}
            answer = (await client.post(f"{url}/chat/completions", json=request)).json()
            message = answer["choices"][0]["message"]
            messages.append(message)
            if message.get("tool_calls"):
                seen = f"seen {number}"
                messages.append(
                    {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": seen}
                )
        return time.perf_counter() - began


async def langgraph(url: str, steps: int, *, saved: bool) -> float:
    """LangGraph's prebuilt agent, its log kept in SQLite where `saved`."""
    from contextlib import AsyncExitStack

    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from langgraph.prebuilt import create_react_agent

    @tool  # type: ignore[untyped-decorator, unused-ignore]
    def look(item: str) -> str:
        """Look."""
        return f"seen {item}"

    model = ChatOpenAI(base_url=url, api_key="none", model=f"steps-{steps}")
    async with AsyncExitStack() as stack:
        saver = None
        if saved:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            saver = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(f"{folder}/x.sqlite"))
        agent = create_react_agent(model, [look], checkpointer=saver)
        config = {"recursion_limit": 10 * steps + 10, "configurable": {"thread_id": "1"}}
        began = time.perf_counter()
        result = await agent.ainvoke({"messages": [("user", "Do it")]}, config)
        took = time.perf_counter() - began
        assert result["messages"][-1].content == "done"
        if saved:
            size = sum(each.stat().st_size for each in Path(folder).iterdir())
            sys.stderr.write(f"bytes langgraph+sqlite {steps} {size}\n")
        return took


async def pydantic_ai(url: str, steps: int) -> float:
    """A pydantic-ai agent; it keeps nothing."""
    from pydantic_ai import Agent, UsageLimits
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel(f"steps-{steps}", provider=OpenAIProvider(base_url=url, api_key="none"))
    agent = Agent(model)

    @agent.tool_plain  # type: ignore[untyped-decorator, unused-ignore]
    def look(item: str) -> str:
        """Look."""
        return f"seen {item}"

    began = time.perf_counter()
    result = await agent.run("Do it", usage_limits=UsageLimits(request_limit=None))
    took = time.perf_counter() - began
    assert result.output == "done"
    return took


async def asbuilt_run(url: str, steps: int, *, agents: int = 1, effect: str = "read") -> tuple[float, int]:
    """Seconds of a run of `agents` parallel subtasks, and the bytes that its log takes on disk."""
    from asbuilt.agents.orchestrator import SwarmOrchestrator
    from asbuilt.agents.template_planner import TemplatePlanner
    from asbuilt.agents.tool_loop import ToolLoopAgent
    from asbuilt.catalog import Catalog
    from asbuilt.generation.openai import OpenAIGenerator
    from asbuilt.runs import AgentCard, Decision, Plan, ProposedCall
    from asbuilt.tools import FunctionTool

    class Allow:
        def decide(self, call: ProposedCall) -> Decision:
            return Decision("allow", "benchmark")

        def decide_plan(self, plan: Plan, *, agents: Sequence[AgentCard]) -> Decision:
            return Decision("allow", "benchmark")

    def look(item: str) -> str:
        """Look."""
        return f"seen {item}"

    generator = OpenAIGenerator(base_url=url, model=f"steps-{steps}", context_tokens=10**7)
    generator.open()
    agent = ToolLoopAgent(
        generator=generator,
        tools=(FunctionTool(look, effect=effect),),  # type: ignore[arg-type]
        component_name="worker",
        component_purpose="Looks",
        max_steps=steps + 1,
    )
    parts = [
        {"id": f"p{n}", "agent": "worker", "instruction": "Do it", "tools": ["look"]} for n in range(agents)
    ]
    inputs = [part["id"] for part in parts[1:]]
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(file=Path(folder) / "catalog.sqlite")
        catalog.open()
        empty = _size(Path(folder))
        orchestrator = SwarmOrchestrator(
            agents=(agent,),
            planner=TemplatePlanner(subtasks=[*parts[1:], {**parts[0], "inputs": inputs}]),
            safety=Allow(),
            catalog=catalog,
            blueprint_digest="benchmark",
        )
        orchestrator.open()
        began = time.perf_counter()
        async for event in orchestrator.run("Do it"):
            last = event
        took = time.perf_counter() - began
        assert last.data["state"] == "finished", last
        orchestrator.close()
        catalog.close()
        stored = _size(Path(folder)) - empty
    generator.close()
    return took, stored


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


# ---------------------------------------------------------------- what is measured


@asynccontextmanager
async def scripted() -> AsyncIterator[str]:
    server = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    port = int(await server.stdout.readline())
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        await server.wait()


_PEERS: dict[str, Callable[[str, int], Any]] = {
    "LangGraph": lambda url, steps: langgraph(url, steps, saved=False),
    "LangGraph + SQLite": lambda url, steps: langgraph(url, steps, saved=True),
    "pydantic-ai": pydantic_ai,
}


def peer(python: str, name: str, url: str, steps: int) -> tuple[float, str]:
    """Seconds of a peer's run in a process of its own, the first run of which is not counted."""
    command = [python, __file__, "--peer", name, "--url", url, "--steps", str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout), done.stderr


_PEAK = "int(next(l for l in open('/proc/self/status') if l.startswith('VmHWM')).split()[1]) / 1024"


def imports(python: str, module: str) -> tuple[float, float]:
    """Milliseconds and peak MiB that importing takes, in a fresh process."""
    script = (
        f"import time; began = time.perf_counter(); import {module}; "
        f"print(1000 * (time.perf_counter() - began), {_PEAK})"
    )
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    took, memory = done.stdout.split()
    return float(took), float(memory)


def live_peak(url: str, agents: int) -> float:
    """Peak MiB of a process that runs so many agents at once, all but one of them waiting for the model."""
    command = [sys.executable, __file__, "--live", str(agents), "--url", url]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


async def measure(peers: str | None) -> None:
    async with scripted() as url:
        await asbuilt_run(url, 3)
        await raw(url, 3)
        times: dict[str, list[float]] = {}
        bytes_a_step = {}
        for _ in range(_ROUNDS):
            base = await raw(url, _STEPS)
            own: dict[str, float] = {}
            own["asbuilt (log on disk)"], stored = await asbuilt_run(url, _STEPS)
            own["asbuilt, external effects"], _ = await asbuilt_run(url, _STEPS, effect="external")
            if peers:
                for name in _PEERS:
                    own[name], told = await asyncio.to_thread(peer, peers, name, url, _STEPS)
                    for line in told.splitlines():
                        if line.startswith("bytes"):
                            bytes_a_step["LangGraph + SQLite"] = int(line.split()[-1]) / _STEPS
            bytes_a_step["asbuilt"] = stored / _STEPS
            times.setdefault("raw client", []).append(1000 * base / _STEPS)
            for name, took in own.items():
                times.setdefault(name, []).append(1000 * (took - base) / _STEPS)
        print(f"| {_STEPS} steps, median of {_ROUNDS} | ms a step |\n|---|---:|")
        for name, found in times.items():
            what = "whole time" if name == "raw client" else "own time"
            print(f"| {name} ({what}) | {statistics.median(found):.2f} ({min(found):.2f}-{max(found):.2f}) |")
        print("\n| bytes stored a step | 100 steps | 400 steps |\n|---|---:|---:|")
        _, more = await asbuilt_run(url, 4 * _STEPS)
        print(f"| asbuilt | {bytes_a_step['asbuilt']:.0f} | {more / 4 / _STEPS:.0f} |")
        if peers:
            _, told = await asyncio.to_thread(peer, peers, "LangGraph + SQLite", url, 4 * _STEPS)
            four = int(told.split()[-1]) / 4 / _STEPS
            print(f"| LangGraph + SQLite | {bytes_a_step['LangGraph + SQLite']:.0f} | {four:.0f} |")
        wide = [(await asbuilt_run(url, 1, agents=_WIDE))[0] for _ in range(3)]
        print(f"\n{_WIDE}-wide fan-out, one step each: {statistics.median(wide):.2f} s")
        one, many = [await asyncio.to_thread(live_peak, url, agents) for agents in (1, _LIVE)]
        print(f"{_LIVE} live agents: {many:.0f} MiB at the peak, one agent: {one:.0f} MiB")
    print("\n| import | ms | MiB |\n|---|---:|---:|")
    modules = [(sys.executable, "asbuilt"), (sys.executable, "asbuilt.system")]
    modules += (
        [(peers, "langgraph.prebuilt, langchain_openai"), (peers, "pydantic_ai.models.openai")]
        if peers
        else []
    )
    for python, module in modules:
        costs = [imports(python, module) for _ in range(3)]
        print(f"| {module} | {statistics.median(each[0] for each in costs):.0f} | {costs[0][1]:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers", help="a Python that has langgraph, langchain-openai and pydantic-ai")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--peer", choices=tuple(_PEERS), help=argparse.SUPPRESS)
    parser.add_argument("--live", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
    elif options.live:
        asyncio.run(asbuilt_run(options.url, 1, agents=options.live))
        with Path("/proc/self/status").open() as status:
            print(int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024)
    elif options.peer:

        async def twice() -> float:
            await _PEERS[options.peer](options.url, 3)
            return float(await _PEERS[options.peer](options.url, options.steps))

        print(asyncio.run(twice()))
    else:
        asyncio.run(measure(options.peers))


if __name__ == "__main__":
    main()
