"""`asbuilt ask`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from asbuilt.cli.output import (
    BlueprintOption,
    JsonOption,
    MaxTokensOption,
    TemperatureOption,
    generation_options,
    print_json,
)

__all__ = ["ask"]


def ask(
    question: Annotated[str, typer.Argument(help="Your question.", metavar="QUESTION")],
    collection: Annotated[str | None, typer.Option(help="Only this collection.")] = None,
    temperature: TemperatureOption = None,
    max_tokens: MaxTokensOption = None,
    blueprint: BlueprintOption = Path("blueprint.yaml"),
    json: JsonOption = False,
) -> None:
    """Ask one question. The answer's citations are checked against the documents."""
    import anyio

    from asbuilt.cli.conversation import show_sources, stream_answer
    from asbuilt.system import System
    from asbuilt.types import Message

    filters: dict[str, Any] | None = None if collection is None else {"collection": collection}
    options = generation_options(temperature, max_tokens)
    with System.load(blueprint) as system:
        system.knowledge.catch_up()
        started = time.perf_counter()
        answer = anyio.run(
            lambda: stream_answer(
                system.assistant, [Message("user", question)], options, filters, show=not json
            )
        )
        latency_ms = 1000 * (time.perf_counter() - started)
    if json:
        print_json(
            {
                "answer": answer.text,
                "refused": answer.refused,
                "citations": [asdict(citation) for citation in answer.citations],
                "uncited": list(answer.uncited),
                "usage": {**asdict(answer.usage), "total_tokens": answer.usage.total_tokens},
                "latency_ms": round(latency_ms, 1),
                **({"model": answer.model} if answer.model else {}),
            }
        )
    else:
        show_sources(answer)
