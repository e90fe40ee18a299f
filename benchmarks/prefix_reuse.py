"""Tokens that an engine computes twice: agents through ModelSlots against agents that just share slots.

    python benchmarks/prefix_reuse.py                    # an emulated engine, in virtual time
    python benchmarks/prefix_reuse.py --real             # the starter model, 3 agents of 3 steps, a minute

The emulated engine has S slots. Each keeps the tokens of its last prompt and reply. A request goes to the
free slot whose tokens have most of their beginning in common with its prompt if that is more than a tenth
of the prompt, as llama.cpp's server does, else to the least recently used one; it takes 10 ms a token of
the prompt that the slot has not, and 50 ms a token of the reply, as a small model on a CPU does. Agents are
the shipped ones; only their desk is the benchmark's own. A token of a prompt is *computed twice* when it is
computed although some earlier request had it after the same beginning. *Plain* is a semaphore of S slots,
first come, first served.

Graphs: examples/swarm with its three finders as tool loops (as its blueprint shows for a stronger model),
reporter and checker; 12 agents of 5 steps with one system prompt of 400 words; two groups of 6 siblings
with different inputs of 800 words, with tools and without. A tool takes 0.2 s, or 3 s ("slow tools").

Prediction, before the first run: 12-wide 5 to 10 times fewer on every S, two groups 3 times, slow tools 2
times, examples/swarm no difference at S = 4 (every agent has a slot) and 2 times at S = 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from asbuilt.agents.dispatch import ModelSlots
from asbuilt.agents.plans import critical_path
from asbuilt.agents.research import CheckerAgent, ReporterAgent
from asbuilt.agents.tool_loop import ToolLoopAgent
from asbuilt.errors import UserError
from asbuilt.generation.llama_cpp import LlamaCppGenerator
from asbuilt.roles import Agent, Desk, Generator, Tool
from asbuilt.runs import AgentCard, Fact, Plan, Subtask, WorkResult
from asbuilt.testing.virtual_clock import run_in_virtual_time
from asbuilt.tools.function import FunctionTool
from asbuilt.types import (
    Event,
    Finished,
    GenerationOptions,
    Message,
    TextDelta,
    ToolCall,
    ToolResult,
    Usage,
)

_READ_S, _WRITE_S = 0.010, 0.050
_SIMILAR = 0.1
_WORDS = ("queue", "bucket", "table", "role", "policy", "stack", "topic", "key", "alarm", "event", "metric")


class Slots(Protocol):
    async def generate(
        self,
        generator: Generator,
        messages: Sequence[Message],
        *,
        options: GenerationOptions,
        priority: int = 0,
    ) -> Finished: ...


class PlainSlots:
    """First come, first served."""

    def __init__(self, slots: int) -> None:
        self._semaphore = asyncio.Semaphore(slots)

    async def generate(
        self,
        generator: Generator,
        messages: Sequence[Message],
        *,
        options: GenerationOptions,
        priority: int = 0,
    ) -> Finished:
        finished: Finished | None = None
        async with self._semaphore:
            async for event in generator.stream(messages, options=options):
                if isinstance(event, Finished):
                    finished = event
        assert finished is not None
        return finished


# ---------------------------------------------------------------- the engine


@dataclass(slots=True, eq=False)
class EngineSlot:
    tokens: list[str] = field(default_factory=list)
    busy: bool = False
    used_at: float = -1.0


class EmulatedEngine:
    """Calls its tool until the prompt has `steps` - 1 results, then writes its result."""

    context_tokens = 65_536

    def __init__(self, slots: int, steps: int) -> None:
        self.slots = slots
        self.computed = self.twice = self.prompts = 0
        self._steps = steps
        self._engine = [EngineSlot() for _ in range(slots)]
        self._ever: set[int] = set()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(_tokens(messages, GenerationOptions()))

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        prompt = _tokens(messages, options)
        slot = self._slot_for(prompt)
        slot.busy = True
        try:
            kept = _common(slot.tokens, prompt)
            seen = self._seen(prompt)
            self.prompts += len(prompt)
            self.computed += len(prompt) - kept
            self.twice += max(0, seen - kept)
            slot.tokens = prompt
            await asyncio.sleep(_READ_S * (len(prompt) - kept))
            message = self.reply(messages, options)
            written = _tokens([message], GenerationOptions())
            if not message.tool_calls:
                yield TextDelta(message.content)
            await asyncio.sleep(_WRITE_S * len(written))
            slot.tokens = prompt + written
            self._seen(slot.tokens)
            usage = Usage(len(prompt), len(written), kept)
            yield Finished(message, usage, "tool_calls" if message.tool_calls else "stop")
        finally:
            slot.busy, slot.used_at = False, asyncio.get_running_loop().time()

    def _slot_for(self, prompt: Sequence[str]) -> EngineSlot:
        free = [slot for slot in self._engine if not slot.busy]
        best = max(free, key=lambda slot: _common(slot.tokens, prompt))
        if _common(best.tokens, prompt) > _SIMILAR * len(prompt):
            return best
        return min(free, key=lambda slot: slot.used_at)

    def reply(self, messages: Sequence[Message], options: GenerationOptions) -> Message:
        done = sum(message.role == "tool" for message in messages)
        if options.tools and done < self._steps - 1:
            name = options.tools[0].name
            call = ToolCall(f"call-{done}", name, {"query": f"{messages[1].content[-30:]} {done}"})
            return Message("assistant", "", tool_calls=(call,))
        return Message("assistant", _text(30, messages[-1].content[-40:]))

    def _seen(self, tokens: Sequence[str]) -> int:
        """How many of the tokens were ever computed after the same beginning; from now on, all."""
        chain, seen, known = 0, 0, True
        for token in tokens:
            chain = hash((chain, token))
            known = known and chain in self._ever
            seen += known
            self._ever.add(chain)
        return seen


def _tokens(messages: Sequence[Message], options: GenerationOptions) -> list[str]:
    """Words, as a chat template puts them one after another."""
    tools = json.dumps([each.parameters for each in options.tools]).split() if options.tools else []
    parts = [
        f"<{each.role}> {each.content} "
        + " ".join(f"{call.name} {json.dumps(dict(call.arguments))}" for call in each.tool_calls)
        for each in messages
    ]
    return tools + " ".join(parts).split()


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (mine, yours) in enumerate(pairs) if mine != yours), min(len(one), len(other)))


def _text(words: int, seed: str) -> str:
    """As many words, the same for the same seed."""
    state = sum(map(ord, seed)) + 1
    found = []
    for _ in range(words):
        state = (1_103_515_245 * state + 12_345) % 2**31
        found.append(f"{_WORDS[(state >> 8) % len(_WORDS)]}{(state >> 16) % 50}")
    return " ".join(found)


# ---------------------------------------------------------------- agents at desks without a log


@dataclass(slots=True)
class LightDesk:
    subtask: Subtask
    task: str
    inputs: Mapping[str, WorkResult]
    slots: Slots
    priority: int
    tool_s: float

    async def generate(
        self, generator: Generator, messages: Sequence[Message], *, options: GenerationOptions
    ) -> Finished:
        return await self.slots.generate(generator, messages, options=options, priority=self.priority)

    async def call(self, tool: Tool, call: ToolCall) -> ToolResult:
        await asyncio.sleep(self.tool_s)
        return ToolResult(call, tool.call(call.arguments))

    async def recall(self, query: str, *, top_k: int = 5) -> list[Fact]:
        return []

    async def remember(self, text: str, *, shared: bool = False) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Graph:
    name: str
    plan: Plan
    steps: int = 5
    instructions: str = ""
    tool_s: float = 0.2
    passage: int = 120  # words


def agents_of(graph: Graph, engine: Generator) -> dict[str, Agent]:
    def search(query: str) -> str:
        """Search the pages for passages about a query."""
        return json.dumps([{"source": f"docs/{query[-6:]}.md", "text": _text(graph.passage, query)}])

    tool = FunctionTool(search, effect="read")
    loop = ToolLoopAgent(
        generator=engine,
        tools=(tool,),
        component_name="finder",
        component_purpose="Find passages",
        instructions=graph.instructions,
    )
    reporter = ReporterAgent(generator=engine, component_name="reporter", component_purpose="Report")
    checker = CheckerAgent(component_name="checker", component_purpose="Check")
    return {"finder": loop, "reporter": reporter, "checker": checker, "source": Source()}


class Source:
    """Gives a long text, which is different for each subtask."""

    card = AgentCard("source", "Give a text")
    tools: Sequence[Tool] = ()

    async def work(self, desk: Desk) -> str:
        return _text(800, desk.subtask.id)


async def worked(graph: Graph, engine: Generator, slots: Slots) -> float:
    """Seconds that the graph takes."""
    agents = agents_of(graph, engine)
    weights = critical_path(graph.plan)
    tasks: dict[str, asyncio.Task[str]] = {}

    async def done(subtask: Subtask) -> str:
        inputs = {name: WorkResult(await tasks[name]) for name in subtask.inputs}
        desk = LightDesk(subtask, graph.plan.task, inputs, slots, weights[subtask.id], graph.tool_s)
        try:
            return await agents[subtask.agent].work(desk)
        except UserError as error:
            return str(error)  # made up words give the checker nothing to keep

    loop = asyncio.get_running_loop()
    began = loop.time()
    for subtask in graph.plan.subtasks:
        tasks[subtask.id] = asyncio.create_task(done(subtask))
    await asyncio.gather(*tasks.values())
    return loop.time() - began


# ---------------------------------------------------------------- graphs


def graphs() -> list[Graph]:
    task = "How are messages of a queue deleted, and who may do it?"

    def finder(name: str, *inputs: str) -> Subtask:
        return Subtask(name, "finder", f"Find {name}: {_text(12, name)}", inputs, tools=("search",))

    example = [finder(name) for name in ("answer", "creation", "removal")]
    example.append(Subtask("draft", "reporter", "Report", ("answer", "creation", "removal")))
    example.append(Subtask("report", "checker", "Check", ("draft", "answer", "creation", "removal")))
    wide = [finder(f"part-{number}") for number in range(12)]
    groups = [Subtask(name, "source", "Give it") for name in ("left", "right")]
    for number in range(6):  # one of each in turn, as two planners in parallel would ask
        groups += [finder(f"{name}-{number}", name) for name in ("left", "right")]
    system = _text(400, "system")
    return [
        Graph("examples/swarm, tool loops", Plan(task, tuple(example), "report")),
        Graph("12 wide, 5 steps", Plan(task, tuple(wide), "part-0"), instructions=system),
        Graph("12 wide, slow tools", Plan(task, tuple(wide), "part-0"), instructions=system, tool_s=3.0),
        Graph("two groups of 6", Plan(task, tuple(groups), "left-0")),
        Graph("two groups, one step each", Plan(task, tuple(groups), "left-0"), steps=1),
    ]


def emulated() -> None:
    print("| graph | S | computed twice: plain | ModelSlots | fewer | time: plain | ModelSlots |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for graph in graphs():
        for slots in (1, 2, 4):
            engines = [EmulatedEngine(slots, graph.steps) for _ in range(2)]
            plain_s = run_in_virtual_time(worked(graph, engines[0], PlainSlots(slots)))
            own_s = run_in_virtual_time(worked(graph, engines[1], ModelSlots()))
            plain, own = (engine.twice for engine in engines)
            fewer = f"{plain / own:.1f}x" if own else ("all" if plain else "none to save")
            counts = f"{plain:,} | {own:,} | {fewer} | {plain_s:.0f} s | {own_s:.0f} s"
            print(f"| {graph.name} | {slots} | {counts} |")


# ---------------------------------------------------------------- the starter model


class Led:
    """A model that is led: where the script has a call, its reply is followed by that call, so that a
    small model does the same number of steps as a strong one."""

    def __init__(self, model: LlamaCppGenerator, steps: int) -> None:
        self.slots = model.slots
        self.context_tokens = model.context_tokens
        self.used = Usage()
        self._model = model
        self._script = EmulatedEngine(1, steps)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self._model.count_tokens(messages)

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        shown = [Message("user" if each.role == "tool" else each.role, each.content) for each in messages]
        short = GenerationOptions(temperature=0.0, max_tokens=8)
        async for event in self._model.stream(shown, options=short):
            if isinstance(event, Finished):
                self.used += event.usage
                calls = self._script.reply(messages, options).tool_calls
                event = replace(event, message=replace(event.message, tool_calls=calls))
            yield event


def real() -> None:
    """Three agents of three steps in one slot, each way with an engine of its own."""
    task = "How are messages of a queue deleted, and who may do it?"
    finders = [
        Subtask(f"part-{at}", "finder", f"Find {_text(12, str(at))}", tools=("search",)) for at in range(3)
    ]
    graph = Graph("real", Plan(task, tuple(finders), "part-0"), 3, _text(50, "system"), passage=40)
    print("| way | prompt tokens | held by the engine | computed | time |\n|---|---:|---:|---:|---:|")
    for name in ("plain", "ModelSlots"):
        model = LlamaCppGenerator(slots=1)
        model.open()
        try:
            led = Led(model, graph.steps)
            slots: Slots = PlainSlots(1) if name == "plain" else ModelSlots()
            took_s = asyncio.run(worked(graph, led, slots))
        finally:
            model.close()
        prompt, cached = led.used.prompt_tokens, led.used.cached_tokens
        print(f"| {name} | {prompt:,} | {cached:,} | {prompt - cached:,} | {took_s:.1f} s |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--real", action="store_true", help="ask the starter model")
    if parser.parse_args().real:
        real()
    else:
        emulated()


if __name__ == "__main__":
    main()
