"""`asbuilt chat`."""

from __future__ import annotations

from pathlib import Path

import typer

from asbuilt.cli.output import BlueprintOption, MaxTokensOption, TemperatureOption, generation_options, note

__all__ = ["chat"]


def chat(
    temperature: TemperatureOption = None,
    max_tokens: MaxTokensOption = None,
    blueprint: BlueprintOption = Path("blueprint.yaml"),
) -> None:
    """Hold a conversation. Ctrl-C stops an answer; an empty line, Ctrl-D or /exit ends."""
    import anyio

    from asbuilt.cli.conversation import show_sources, stream_answer
    from asbuilt.system import System
    from asbuilt.types import Message

    options = generation_options(temperature, max_tokens)
    messages: list[Message] = []
    with System.load(blueprint) as system:
        system.knowledge.catch_up()
        assistant = system.assistant
        note(f"{system.blueprint.system.name}. Ask; /exit ends.")
        while True:
            try:
                question = typer.prompt("you", default="", show_default=False, prompt_suffix="> ").strip()
            except typer.Abort:
                break
            if question in ("", "/exit"):
                break
            messages.append(Message("user", question))
            try:
                answer = anyio.run(stream_answer, assistant, messages, options, None)
            except KeyboardInterrupt:
                note("\n(stopped)")
                messages.pop()
                continue
            show_sources(answer)
            messages.append(Message("assistant", answer.text))
