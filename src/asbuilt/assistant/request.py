"""What one answer gathers on its way: text, passages, transcript, usage."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from asbuilt.assistant.fitting import Fitted
from asbuilt.assistant.prompt import Prompt, outside, render_passage
from asbuilt.assistant.question import last_question
from asbuilt.assistant.repetition import repeats_itself
from asbuilt.types import Chunk, Finished, Hit, Message, TextDelta, ToolCall, ToolResult, Usage

__all__ = ["Request"]


@dataclass
class Request:
    """The state of one answer. Passage n of the prompt is ``hits[n - 1]``, also for passages that a
    tool found later; `retrieved` are those that stand before the question."""

    prompt: Prompt
    retrieved: tuple[Chunk, ...]
    hits: list[Hit]
    callers_tools: frozenset[str] = frozenset()
    marker: str = field(default_factory=lambda: secrets.token_hex(4))
    text: str = ""
    usage: Usage = field(default_factory=Usage)
    reason: Literal["stop", "length", "tool_calls", "cancelled"] = "stop"
    transcript: list[Message] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    models: list[str] = field(default_factory=list)
    _round_text: str = ""
    _round_deltas: int = 0
    _round_model: str = ""

    @classmethod
    def of(
        cls,
        messages: Sequence[Message],
        hits: Sequence[Hit],
        *,
        instructions: str,
        callers_tools: frozenset[str] = frozenset(),
    ) -> Request:
        """Begin to answer the last question of `messages` with `hits`."""
        at = last_question(messages)
        spoken = [outside(each) for each in messages[:at] if each.role != "system"]
        after = [outside(each) for each in messages[at + 1 :] if each.role != "system"]
        more = [outside(each).content.strip() for each in messages if each.role == "system"]
        prompt = Prompt(
            instructions="\n\n".join(filter(None, (instructions, *more))),
            history=tuple(spoken),
            passages=(),
            question=outside(messages[at]).content.strip(),
            tail=tuple(after),
        )
        return cls(prompt, tuple(hit.chunk for hit in hits), list(hits), callers_tools)

    @property
    def current_prompt(self) -> Prompt:
        """The prompt with what happened since the question."""
        return replace(self.prompt, tail=(*self.prompt.tail, *self.transcript))

    def use(self, fitted: Fitted) -> None:
        """Take the prompt of the next round; what the first one had no room for is gone for good."""
        if not self.transcript:
            turns = sum(each.role == "user" for each in self.prompt.history) - fitted.turns
            left_out = len(self.retrieved) - fitted.passages
            notes = {
                f"the {turns} oldest turns of the conversation": turns > 0,
                f"the {left_out} least relevant passages": left_out > 0,
                f"the end of passage {fitted.passages}": fitted.cut,
            }
            self.notes = tuple(f"left out for lack of room: {what}" for what, so in notes.items() if so)
            self.retrieved = self.retrieved[: fitted.passages]
            del self.hits[fitted.passages :]

    def add_delta(self, delta: TextDelta) -> list[TextDelta]:
        """Take newly generated text; returns what the reader gets, a gap between rounds included."""
        gap = "\n\n" if delta.text and self.text and not self._round_text else ""
        self._round_text += delta.text
        self._round_deltas += 1
        self.text += gap + delta.text
        self._round_model = delta.model
        return [TextDelta(gap), delta] if gap else [delta]

    def stopped(self, fitted: Fitted) -> Finished | None:
        """The end of a round whose text goes round in circles; a delta is counted as one token."""
        if not repeats_itself(self._round_text):
            return None
        self.notes += ("the model began to repeat itself and was stopped",)
        usage = Usage(fitted.tokens, self._round_deltas)
        message = Message("assistant", self._round_text)
        return Finished(message, usage, "length", model=self._round_model)

    def end_round(self, finished: Finished, *, calls: Sequence[ToolCall]) -> None:
        """Take the end of one generation. Calls to the caller's tools keep others from being run."""
        kept = tuple(call for call in calls if call.name in self.callers_tools) or tuple(calls)
        self.transcript.append(Message("assistant", self._round_text, tool_calls=kept))
        self._round_text, self._round_deltas = "", 0
        self.usage += finished.usage
        if finished.model and finished.model not in self.models:
            self.models.append(finished.model)
        self.reason = "stop" if finished.reason == "tool_calls" and not kept else finished.reason

    def add_result(self, result: ToolResult) -> None:
        """Take what a tool returned, as the model will see it."""
        call = result.call
        self.transcript.append(Message("tool", result.content, name=call.name, tool_call_id=call.id))

    def not_at_hand(self, hits: Sequence[Hit]) -> list[Hit]:
        """Those of `hits` that the model has not seen yet."""
        known = {hit.chunk.id for hit in self.hits}
        return [hit for hit in hits if hit.chunk.id not in known]

    def rendered_as_next(self, hit: Hit) -> str:
        """A hit as the passage that comes after those at hand."""
        return render_passage(hit.chunk, len(self.hits) + 1, marker=self.marker)
