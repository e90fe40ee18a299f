"""Shows an answer as it is written, and what it stands on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import typer

from asbuilt.roles import Assistant
from asbuilt.types import (
    Answer,
    Citation,
    Filters,
    Finished,
    GenerationOptions,
    Message,
    TextDelta,
    ToolResult,
)

__all__ = ["show_sources", "stream_answer"]


async def stream_answer(
    assistant: Assistant,
    messages: Sequence[Message],
    options: GenerationOptions,
    filters: Filters | None,
    show: bool = True,
) -> Answer:
    """Print the text as it comes (if `show`) and return the finished answer."""
    answer: Answer | None = None
    events: Any = assistant.answer(messages, options=options, filters=filters)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, TextDelta) and show:
                sys.stdout.write(event.text)
                sys.stdout.flush()
            elif isinstance(event, ToolResult) and show:
                state = "failed" if event.failed else "ran"
                sys.stderr.write(f"[tool {event.call.name} {state}]\n")
            elif isinstance(event, Finished):
                answer = event.answer
    if show:
        sys.stdout.write("\n")
    assert answer is not None, "an assistant's last event is Finished and carries the answer"
    return answer


def show_sources(answer: Answer) -> None:
    """The citations, one line each, saying which were checked."""
    if not answer.citations:
        return
    typer.echo("")
    for citation in answer.citations:
        typer.echo(_line(citation))


def _line(citation: Citation) -> str:
    if citation.document_id is None:
        return f"[{citation.number}] unverified: {citation.reason}"
    page = f" page {citation.page}" if citation.page else ""
    where = f"{citation.source}{page} [{citation.start}:{citation.end}]"
    verdict = "verified" if citation.verified else f"unverified: {citation.reason}"
    return f"[{citation.number}] {where} ({verdict})"
