"""Where an agent works on a subtask: everything it does goes through here, and is recorded.

A step is recorded once. When a run is resumed, or replayed, the agent works from the start, and each
step that the log has is given from there.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from asbuilt.agents.floor import Floor
from asbuilt.agents.ledger import EffectLedger, PlannedCall
from asbuilt.agents.meter import Meter
from asbuilt.errors import LimitError, UserError
from asbuilt.roles import Generator, Tool
from asbuilt.runs import (
    TRUSTED,
    AgentCard,
    Decision,
    Fact,
    Label,
    ProposedCall,
    RunEvent,
    Seen,
    Subtask,
    WorkResult,
    digest_of,
)
from asbuilt.types import Finished, GenerationOptions, Message, ToolCall, ToolResult, Usage

__all__ = ["RunDesk"]

_SAME_CALLS = 3
"""The same tool, arguments and result as often as this is a loop: step repetition is the most frequent
failure of systems of several agents (Cemri et al., "Why Do Multi-Agent LLM Systems Fail?", 2025)."""
_STUCK = 3
"""Refusals for looping until the subtask is given up."""


class RunDesk:
    """A desk of a run. `results` are those of its tools; `busy` is how many steps are being done now."""

    def __init__(
        self,
        floor: Floor,
        subtask: Subtask,
        *,
        agent: AgentCard,
        inputs: Mapping[str, WorkResult],
        meter: Meter,
        priority: int = 0,
    ) -> None:
        self.subtask = subtask
        self.inputs = inputs
        self.results: list[Seen] = []
        self.busy = 0
        self._floor = floor
        self._agent = agent
        self._meter = meter
        self._priority = priority
        self._step = 0
        self._same: Counter[str] = Counter()
        self._stuck = 0
        self._ledger = EffectLedger(floor, subtask.id)
        self._seen = [
            Seen(floor.task, "task"),
            Seen(subtask.instruction, "plan"),
            *(Seen(each.text, f"input:{name}", each.label) for name, each in inputs.items()),
        ]

    @property
    def task(self) -> str:
        return self._floor.task

    @property
    def label(self) -> Label:
        """Of everything that was seen so far."""
        return TRUSTED.joined(*(each.label for each in self._seen))

    def again(self, faults: Sequence[str]) -> None:
        """Let the agent work on the same subtask once more, knowing what its result did not pass."""
        told = "\n".join(f"- {fault}" for fault in faults)
        self.subtask = replace(
            self.subtask,
            instruction=f"{self.subtask.instruction}\n\nAn earlier result did not pass its checks:\n{told}",
        )

    # ------------------------------------------------------------ the model

    async def generate(
        self, generator: Generator, messages: Sequence[Message], *, options: GenerationOptions
    ) -> Finished:
        """See the role."""
        step = self._next_step()
        asked = digest_of([len(messages), [asdict(each) for each in messages[-2:]], options.max_tokens])
        event = self._recorded(step, "generated", asked)
        if event is None:
            self._floor.journal.refuse_new("generated", self.subtask.id, step)
            needed = options.max_tokens
            if self._meter.counts_tokens:
                needed += generator.count_tokens(messages)
            began = time.perf_counter()
            with self._working(), self._meter.reserve(needed) as reserved:
                finished = await self._floor.slots.generate(
                    generator, messages, options=options, priority=self._priority
                )
                reserved.used = finished.usage.prompt_tokens + finished.usage.completion_tokens
            self._floor.journal.note(
                "generated",
                self.subtask.id,
                step,
                asked=asked,
                message=_message_plain(finished.message),
                usage=asdict(finished.usage),
                reason=finished.reason,
                seconds=round(time.perf_counter() - began, 4),
            )
            return finished
        finished = Finished(
            _message_from(event.data["message"]), Usage(**event.data["usage"]), event.data["reason"]
        )
        self._meter.count(tokens=finished.usage.prompt_tokens + finished.usage.completion_tokens)
        return finished

    # ------------------------------------------------------------ tools

    async def call(self, tool: Tool, call: ToolCall) -> ToolResult:
        """See the role."""
        step = self._next_step()
        with self._working():
            return await self._call(tool, call, step)

    async def _call(self, tool: Tool, call: ToolCall, step: int) -> ToolResult:
        proposed = ProposedCall(
            self._agent.name,
            self.subtask.id,
            tool.spec.name,
            tool.effect,
            call.arguments,
            tuple(self._seen),
            planned=tool.spec.name in self.subtask.tools,
        )
        event = self._recorded(step, ("called", "refused"), proposed.digest)
        if event is None:
            event = await self._called(tool, call, proposed, step)
        elif event.kind == "called":
            self._meter.count(calls=1)
        if event.kind == "called":
            label = Label(**event.data["label"])
            seen = Seen(event.data["text"], f"tool:{tool.spec.name}", label)
            self._seen.append(seen)
            self.results.append(seen)
            self._same[digest_of([proposed.digest, event.data["text"]])] += 1
        return ToolResult(call, event.data["text"], failed=event.data["failed"])

    async def _called(self, tool: Tool, call: ToolCall, proposed: ProposedCall, step: int) -> RunEvent:
        self._floor.journal.refuse_new("called", self.subtask.id, step)
        decision = self._floor.safety.decide(proposed)
        refusal = self._loops(proposed) or await self._refused(decision, proposed, step)
        if refusal:
            return self._floor.journal.note(
                "refused",
                self.subtask.id,
                step,
                asked=proposed.digest,
                tool=proposed.tool,
                arguments=dict(call.arguments),
                rule=decision.rule,
                text=refusal,
                failed=True,
            )
        begun = any(each.kind == "intended" for each in self._floor.journal.at(self.subtask.id, step))
        if begun:
            self._meter.count(calls=1)
        else:
            self._meter.call()
        return await self._ledger.make(PlannedCall(tool, call, proposed, step, decision.label))

    @contextmanager
    def _working(self) -> Iterator[None]:
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1

    async def _refused(self, decision: Decision, proposed: ProposedCall, step: int) -> str:
        """Why the call may not be made; empty when it may."""
        if decision.verdict == "allow":
            return ""
        if decision.verdict == "refuse":
            return f"{proposed.tool} was refused by {decision.rule}: {decision.reason}"
        about = {
            "tool": proposed.tool,
            "arguments": dict(proposed.arguments),
            "agent": proposed.agent,
            "effect": proposed.effect,
            "rule": decision.rule,
        }
        answer = await self._floor.people.answer(
            "call",
            digest=proposed.digest,
            about=about,
            reason=decision.reason,
            subtask=self.subtask.id,
            step=step,
        )
        return "" if answer == "approved" else f"{proposed.tool} was not approved: {answer}."

    def _loops(self, proposed: ProposedCall) -> str:
        """Why the call is one of a loop; empty when it is not."""
        last = next(
            (each.text for each in reversed(self.results) if each.source == f"tool:{proposed.tool}"), None
        )
        if last is None or self._same[digest_of([proposed.digest, last])] < _SAME_CALLS:
            return ""
        self._stuck += 1
        if self._stuck >= _STUCK:
            raise LimitError(
                f"subtask {self.subtask.id!r} goes in a loop: {proposed.tool} with the same arguments gave "
                f"the same result {_SAME_CALLS} times, and it was asked for again and again."
            )
        return (
            f"{proposed.tool} with these arguments gave the same result {_SAME_CALLS} times. "
            "Do something else, or give your result."
        )

    # ------------------------------------------------------------ memory

    async def recall(self, query: str, *, top_k: int = 5) -> list[Fact]:
        """See the role."""
        if self._floor.memory is None:
            return []
        step = self._next_step()
        event = self._recorded(step, "recalled", digest_of([query, top_k]))
        if event is None:
            self._floor.journal.refuse_new("recalled", self.subtask.id, step)
            memory, scopes = self._floor.memory, ("shared", self._agent.name)
            with self._working():
                found = await self._floor.in_thread(lambda: memory.recall(query, scopes=scopes, top_k=top_k))
            event = self._floor.journal.note(
                "recalled",
                self.subtask.id,
                step,
                asked=digest_of([query, top_k]),
                facts=[asdict(each) for each in found],
            )
        facts = [Fact(**{**each, "label": Label(**each["label"])}) for each in event.data["facts"]]
        self._seen += [Seen(fact.text, "memory", fact.label) for fact in facts]
        return facts

    async def remember(self, text: str, *, shared: bool = False) -> None:
        """See the role."""
        if self._floor.memory is None:
            return
        step = self._next_step()
        scope = "shared" if shared else self._agent.name
        if self._recorded(step, "remembered", digest_of([text, scope])) is None:
            journal = self._floor.journal
            journal.refuse_new("remembered", self.subtask.id, step)
            fact = Fact(text, scope, f"subtask:{self.subtask.id}", journal.run, self.label, time.time())
            memory = self._floor.memory
            with self._working():
                await self._floor.in_thread(lambda: memory.remember([fact]))
            journal.note(
                "remembered", self.subtask.id, step, asked=digest_of([text, scope]), fact=asdict(fact)
            )

    # ------------------------------------------------------------ steps

    def _next_step(self) -> int:
        self._step += 1
        return self._step

    def _recorded(self, step: int, kinds: str | tuple[str, ...], asked: str) -> RunEvent | None:
        """What the log has of this step, if it ended. Raises UserError when it is another step."""
        wanted = (kinds,) if isinstance(kinds, str) else kinds
        events = self._floor.journal.at(self.subtask.id, step)
        for event in events:
            other = event.kind in _STEP_KINDS and event.kind not in wanted and event.kind != "intended"
            if other or event.data.get("asked", asked) != asked:
                raise UserError(
                    f"run {self._floor.journal.run}: subtask {self.subtask.id!r} does something else at step "
                    f"{step} than its log has ({event.kind!r}).",
                    hint="Its agent, prompt or tools have changed since: start a new run.",
                )
        return next((event for event in events if event.kind in wanted), None)


_STEP_KINDS = ("generated", "called", "refused", "recalled", "remembered")


def _message_plain(message: Message) -> dict[str, Any]:
    return {
        "content": message.content,
        "tool_calls": [
            {"id": each.id, "name": each.name, "arguments": dict(each.arguments)}
            for each in message.tool_calls
        ],
    }


def _message_from(plain: Mapping[str, Any]) -> Message:
    calls = tuple(ToolCall(each["id"], each["name"], each["arguments"]) for each in plain["tool_calls"])
    return Message("assistant", plain["content"], tool_calls=calls)
