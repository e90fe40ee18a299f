"""The assistant of another blueprint, as a component of this one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from asbuilt.errors import BugError, UserError
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import Assistant, PromptRenderer
from asbuilt.system import System
from asbuilt.types import Event, Filters, GenerationOptions, Hit, Message

__all__ = ["LinkedAssistant"]


@component("assistant/linked")
class LinkedAssistant:
    """What the file `blueprint` draws, with the documents that were ingested there."""

    def __init__(self, *, blueprint: Path) -> None:
        self._file = blueprint
        self._system: System | None = None

    demand = staticmethod(holds_nothing)  # its own plan has what it takes

    def open(self) -> None:
        """Load the other blueprint; its parts are opened when they are needed."""
        self._system = System.load(self._file)

    def close(self) -> None:
        """Close whatever was opened there."""
        system, self._system = self._system, None
        if system is not None:
            system.close()

    def release(self) -> None:
        """Close its parts, models and index among them; the next question opens them again."""
        if self._system is not None:
            self.close()
            self.open()

    async def answer(
        self,
        messages: Sequence[Message],
        *,
        options: GenerationOptions | None = None,
        filters: Filters | None = None,
    ) -> AsyncIterator[Event]:
        async for event in self._assistant().answer(messages, options=options, filters=filters):
            yield event

    def prompt_for(self, messages: Sequence[Message], *, marker: str) -> tuple[list[Message], list[Hit]]:
        """As `roles.PromptRenderer` has it."""
        assistant = self._assistant()
        if not isinstance(assistant, PromptRenderer):
            raise UserError(
                f"the assistant of {self._file} cannot say what it would give its model.",
                hint="Rows are made with an assistant that has the method prompt_for, as assistant/cited.",
            )
        prompt, hits = assistant.prompt_for(messages, marker=marker)
        if not prompt and self._system is not None and not self._system.catalog.collections():
            raise UserError(
                f"{self._file} has no documents yet.", hint=f"Run: asbuilt ingest -b {self._file}"
            )
        return prompt, hits

    def _assistant(self) -> Assistant:
        if self._system is None:
            raise BugError("the assistant is used before open() or after close().")
        self._system.knowledge.catch_up()
        return self._system.assistant
