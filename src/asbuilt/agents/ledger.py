"""The effect ledger: what a call may have changed is known after a crash at any instruction.

- "read": called again.
- "transactional": the effect and its record are one transaction.
- "idempotent": the intent is durable before the call; cut off, it is made again with the same key.
- "external": the intent is durable before the call; cut off, it is in doubt, and the tool's `reconcile`
  or a person says whether it took effect. It is never repeated, and never dropped, in silence.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from asbuilt.agents.floor import Floor
from asbuilt.catalog.runs import LogWriter
from asbuilt.errors import BugError, InDoubtError, ToolError
from asbuilt.roles import Tool
from asbuilt.runs import Label, ProposedCall, RunEvent, digest_of
from asbuilt.tools.function import BackgroundTool, ReconcilableTool, TransactionalTool
from asbuilt.types import ToolCall

__all__ = ["EffectLedger", "PlannedCall"]


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call that may be made, as one step of a subtask. `label` is that of its result."""

    tool: Tool
    call: ToolCall
    proposed: ProposedCall
    step: int
    label: Label
    began: float = field(default_factory=time.perf_counter)

    def called(self, text: str, *, failed: bool) -> dict[str, Any]:
        """The data of its "called" event."""
        return {
            "asked": self.proposed.digest,
            "tool": self.proposed.tool,
            "arguments": dict(self.call.arguments),
            "label": asdict(self.label),
            "text": text,
            "failed": failed,
            "seconds": round(time.perf_counter() - self.began, 4),
        }


class EffectLedger:
    """Makes the calls of one subtask, and records them."""

    def __init__(self, floor: Floor, subtask: str) -> None:
        self._floor = floor
        self._journal = floor.journal
        self._subtask = subtask

    async def make(self, planned: PlannedCall) -> RunEvent:
        """Make a call, or find out what became of it; the event "called" that records it."""
        match planned.tool.effect:
            case "transactional":
                return await self._transacted(planned)
            case "read":
                text, failed = await self._tried(planned, self._key(planned, 1))
                data = planned.called(text, failed=failed)
                return self._journal.note("called", self._subtask, planned.step, **data)
            case _:
                return await self._ledgered(planned)

    async def _transacted(self, planned: PlannedCall) -> RunEvent:
        tool, key = planned.tool, self._key(planned, 1)
        if not isinstance(tool, TransactionalTool):
            raise BugError(f"tool {tool.spec.name!r} says it is transactional, and has no `call_in`.")

        def work(writer: LogWriter) -> tuple[None, dict[str, Any]]:
            try:
                with writer.connection.begin_nested():
                    text = tool.call_in(writer.connection, planned.call.arguments, key=key)
            except ToolError as error:
                return None, planned.called(str(error), failed=True)
            return None, planned.called(text, failed=False)

        await self._journal.transact(work, "called", self._subtask, planned.step)
        event = self._journal.found("called", self._subtask, planned.step)
        assert event is not None
        return event

    async def _ledgered(self, planned: PlannedCall) -> RunEvent:
        events = self._journal.at(self._subtask, planned.step)
        intents = [each for each in events if each.kind in ("intended", "undone")]
        cut_off = bool(intents) and intents[-1].kind == "intended"
        attempts = sum(each.kind == "intended" for each in intents)
        while True:
            if not cut_off:
                attempts += 1
                await self._intend(planned, self._key(planned, attempts))
            key = self._key(planned, attempts)
            doubt = "the process ended during the call"
            tries = 2 if planned.tool.effect == "idempotent" else 0 if cut_off else 1
            for _ in range(tries):
                try:
                    return await self._floor.finish(self._made(planned, key))
                except InDoubtError as error:
                    doubt = str(error)
            found = await self._found_out(planned, key, doubt)
            if found is not None:
                return await self._recorded(planned, found, failed=False)
            self._journal.note("undone", self._subtask, planned.step, key=key)
            await self._journal.commit()
            cut_off = False  # it took no effect: made now, it is made once

    async def _intend(self, planned: PlannedCall, key: str) -> None:
        self._journal.note(
            "intended",
            self._subtask,
            planned.step,
            asked=planned.proposed.digest,
            tool=planned.proposed.tool,
            arguments=dict(planned.call.arguments),
            effect=planned.tool.effect,
            key=key,
        )
        await self._journal.commit()

    async def _made(self, planned: PlannedCall, key: str) -> RunEvent:
        text, failed = await self._tried(planned, key)
        return await self._recorded(planned, text, failed=failed)

    async def _recorded(self, planned: PlannedCall, text: str, *, failed: bool) -> RunEvent:
        data = planned.called(text, failed=failed)
        event = self._journal.note("called", self._subtask, planned.step, **data)
        # A power cut that takes the record leaves a doubt, as it must be; the next intent makes it durable.
        await self._journal.write()
        return event

    async def _tried(self, planned: PlannedCall, key: str) -> tuple[str, bool]:
        """The result, and whether it is a failure. Raises InDoubtError, but not for what only reads."""
        tool, arguments = planned.tool, planned.call.arguments
        try:
            if isinstance(tool, BackgroundTool):
                future = tool.submit(arguments, key=key)
                here = asyncio.wrap_future(future)
                here.add_done_callback(lambda done: done.cancelled() or done.exception())  # `result` raises
                await asyncio.wait((here,), timeout=tool.timeout_s)
                return tool.result(future), False
            return await self._floor.in_thread(lambda: tool.call(arguments, key=key)), False
        except InDoubtError as error:
            if tool.effect != "read":
                raise
            return str(error), True
        except ToolError as error:
            return str(error), True

    async def _found_out(self, planned: PlannedCall, key: str, doubt: str) -> str | None:
        """What a call in doubt gave; None when it took no effect. Asks the tool, then a person."""
        tool, proposed, step = planned.tool, planned.proposed, planned.step
        known = self._journal.found("in-doubt", self._subtask, step)
        if known is None or known.data["key"] != key:
            self._journal.note("in-doubt", self._subtask, step, tool=proposed.tool, key=key, reason=doubt)
            await self._journal.commit()
        if isinstance(tool, ReconcilableTool):
            arguments = planned.call.arguments
            try:
                return await self._floor.in_thread(lambda: tool.reconcile(arguments, key=key))
            except InDoubtError as error:
                doubt = f"{doubt}; {error}"
        answer = await self._floor.people.answer(
            "doubt",
            digest=digest_of([proposed.digest, key]),
            about={
                "tool": proposed.tool,
                "arguments": dict(planned.call.arguments),
                "agent": proposed.agent,
            },
            reason=f"{doubt}. Approve if it took effect; deny if it did not, and it is made now.",
            subtask=self._subtask,
            step=step,
        )
        return f"{proposed.tool} took effect, as a person confirmed." if answer == "approved" else None

    def _key(self, planned: PlannedCall, attempt: int) -> str:
        """The same for the same attempt, in every session."""
        key = f"{self._journal.run}/{self._subtask}/{planned.step}"
        return key if attempt == 1 else f"{key}/{attempt}"
