"""Shows an answer as it is written, and what it stands on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import typer

from asbuilt.cli.output import note
from asbuilt.pages import union
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

_SHOWN_CHARS = 120


async def stream_answer(
    assistant: Assistant,
    messages: Sequence[Message],
    options: GenerationOptions | None,
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
    """Under an answer: what each citation stands on and whether it was checked, and what has none."""
    lines = list(dict.fromkeys(_line(citation) for citation in answer.citations))
    if lines:
        typer.echo("\nSources")
    for line in lines:
        typer.echo(f"  {line}")
    if answer.uncited:
        count = len(answer.uncited)
        typer.echo(f"\nNot supported by the documents ({count} sentence{'s' * (count != 1)}):")
        for sentence in dict.fromkeys(_short(sentence) for sentence in answer.uncited):
            typer.echo(f"  - {sentence}")
    for remark in answer.notes:
        note(f"note: {remark}")


def _line(citation: Citation) -> str:
    if citation.document_id is None:
        return f"[{citation.number}] UNVERIFIED: {citation.reason}"
    page = f", page {citation.page}{_place(citation)}" if citation.page else ""
    where = f"{citation.source}{page} [{citation.start}:{citation.end}]"
    if not citation.verified:
        return f"[{citation.number}] UNVERIFIED: {citation.reason} ({where})"
    return f'[{citation.number}] verified: "{_short(citation.quote)}" ({where})'


def _place(citation: Citation) -> str:
    """The box around the words on their first page, in points."""
    boxes = [place.box for place in citation.boxes if place.page == citation.page]
    if not boxes:
        return ""
    left, top, right, bottom = union(boxes)
    return f" at ({left:.0f}, {top:.0f}) to ({right:.0f}, {bottom:.0f})"


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _SHOWN_CHARS else f"{words[: _SHOWN_CHARS - 3]}..."
