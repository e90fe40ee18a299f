"""What commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asbuilt.errors import AsbuiltError

if TYPE_CHECKING:
    from asbuilt.roles import Progress
    from asbuilt.types import GenerationOptions

__all__ = [
    "BlueprintOption",
    "JsonOption",
    "MaxTokensOption",
    "TemperatureOption",
    "fail",
    "generation_options",
    "note",
    "parse_filters",
    "print_fault",
    "print_json",
    "progress_bar",
]

BlueprintOption = Annotated[
    Path, typer.Option("-b", "--blueprint", help="The blueprint.", show_default=True, metavar="FILE")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
TemperatureOption = Annotated[
    float | None,
    typer.Option(min=0.0, max=2.0, help="0 repeats itself; default: the blueprint's.", show_default=False),
]
MaxTokensOption = Annotated[
    int | None,
    typer.Option(min=1, help="Longest answer, in tokens; default: the blueprint's.", show_default=False),
]

_LABELS = {
    "read": "Reading",
    "embed": "Embedding",
    "check": "Checking",
    "index": "Indexing",
    "fit": "Fitting",
    "extract": "Extracting",
}
_MORE = ": "  # "train: loss 0.31": a stage, and what changes while it goes on
_PLAIN_EVERY = 0.1  # without a terminal: a line each tenth of a stage


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def note(text: str) -> None:
    """A remark for people, on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_fault(text: str) -> None:
    """One fault of a blueprint, on standard output, as `check` prints them."""
    sys.stdout.write(text + "\n")


def fail(error: AsbuiltError) -> int:
    """Explain an error in one line; returns the exit code."""
    note(f"error: {error}")
    return 1


def generation_options(temperature: float | None, max_tokens: int | None) -> GenerationOptions | None:
    """What the user asked for; None leaves the choice to the blueprint."""
    from asbuilt.types import GenerationOptions

    if temperature is None and max_tokens is None:
        return None
    return GenerationOptions(temperature=temperature or 0.0, max_tokens=max_tokens or 512)


def parse_filters(pairs: list[str]) -> dict[str, list[str]]:
    """``["folder=sqs", "folder=sns"]`` -> ``{"folder": ["sqs", "sns"]}``. Raises typer.BadParameter."""
    filters: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"{pair!r} is not KEY=VALUE")
        filters.setdefault(key, []).append(value)
    return filters


@contextmanager
def progress_bar(*, quiet: bool = False) -> Iterator[Progress]:
    """A Progress callback: bars on a terminal, a line now and then elsewhere, nothing when quiet."""
    if quiet:
        yield lambda _stage, _done, _total: None
    elif sys.stderr.isatty():
        yield from _bars()
    else:
        yield _plain_lines()


def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    tasks: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def show(stage: str, done: int, total: int) -> None:
            key = stage.partition(_MORE)[0]
            if key not in tasks:
                tasks[key] = bars.add_task("", total=total)
            bars.update(tasks[key], description=_LABELS.get(stage, stage), completed=done, total=total)

        yield show


def _plain_lines() -> Progress:
    told: dict[str, float] = {}

    def show(stage: str, done: int, total: int) -> None:
        share = done / total if total else 1.0
        key = stage.partition(_MORE)[0]
        if share >= told.get(key, 0.0) or done >= total:
            told[key] = share + _PLAIN_EVERY if done < total else 2.0
            note(f"{_LABELS.get(stage, stage)}: {done} of {total}")

    return show
