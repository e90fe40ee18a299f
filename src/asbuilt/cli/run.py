"""`asbuilt run` and `asbuilt resume`."""

from __future__ import annotations

import asyncio
import getpass
import json as json_module
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from asbuilt.cli.output import BlueprintOption, JsonOption, note, print_json
from asbuilt.errors import ReadError, UserError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from asbuilt.runs import RunEvent
    from asbuilt.system import System

__all__ = ["resume", "run"]

_WAITS = 3
_DEFAULT = Path("blueprint.yaml")


def run(
    task: Annotated[str, typer.Argument(help="What is to be done, in a sentence.", metavar="TASK")],
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Show graph, tools, effects and budget; do nothing.")
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", help="A plan, as --plan-only --json prints it.", metavar="FILE"),
    ] = None,
    blueprint: BlueprintOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Have the swarm do a task. Exit codes: 0 done, 1 failed, 3 waits for a person."""
    from asbuilt.agents.plans import plan_from_plain, plan_to_plain, show_plan, sound_plan
    from asbuilt.system import System

    given = plan_from_plain(_json(plan)) if plan is not None else None
    with System.load(blueprint) as system:
        orchestrator = system.orchestrator
        if plan_only:
            drawn = (
                asyncio.run(orchestrator.plan(task))
                if given is None
                else sound_plan(given, agents=orchestrator.cards)
            )
            if json:
                print_json(plan_to_plain(drawn))
            else:
                sys.stdout.write(show_plan(drawn, orchestrator.cards))
            return
        code = asyncio.run(_followed(system, orchestrator.run(task, plan=given), json=json))
    raise typer.Exit(code)


def resume(
    run: Annotated[str, typer.Argument(help="The run's name.", metavar="RUN")],
    blueprint: BlueprintOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """Go on with a run whose process died, or that waited for a person."""
    from asbuilt.system import System

    with System.load(blueprint) as system:
        seen = len(system.catalog.runs.events(run))
        code = asyncio.run(_followed(system, system.orchestrator.resume(run), json=json, seen=seen))
    raise typer.Exit(code)


async def _followed(system: System, events: AsyncIterator[RunEvent], *, json: bool, seen: int = 0) -> int:
    """Show a run's events as they come; at a terminal, put its questions to whoever sits there."""
    while True:
        last = await _shown(events, json=json, seen=seen)
        if last is None:
            raise UserError("the run has no events.")
        if last.kind == "ended":
            _print_output(last, json=json)
            return 0 if last.data["state"] == "finished" else 1
        if not (sys.stdin.isatty() and not json) or not _answered(system, last.run):
            note(f"run {last.run} waits for a person: asbuilt inbox, then: asbuilt resume {last.run}")
            return _WAITS
        seen, events = last.seq, system.orchestrator.resume(last.run)


async def _shown(events: AsyncIterator[RunEvent], *, json: bool, seen: int) -> RunEvent | None:
    from asbuilt.agents.run_view import run_line

    last: RunEvent | None = None
    try:
        async with aclosing(cast("AsyncGenerator[RunEvent, None]", events)) as stream:
            async for event in stream:
                last = event
                if event.seq > seen and not json and (line := run_line(event)):
                    note(line)
    except asyncio.CancelledError:
        if last is not None:
            note(f"Interrupted; nothing is lost. Go on with: asbuilt resume {last.run}")
        raise
    return last


def _answered(system: System, run: str) -> bool:
    """Whether every open question of the run was answered at the terminal."""
    for item in system.catalog.runs.inbox(run=run):
        try:
            approve = typer.confirm(f"Approve question {item.id}?", err=True)
        except typer.Abort:
            return False
        system.catalog.runs.decide(item.id, approve=approve, by=getpass.getuser())
    return True


def _print_output(ended: RunEvent, *, json: bool) -> None:
    if json:
        print_json({"run": ended.run, **ended.data})
    elif ended.data["output"]:
        sys.stdout.write(f"{ended.data['output']}\n")


def _json(file: Path) -> object:
    try:
        return json_module.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json_module.JSONDecodeError) as error:
        raise ReadError(f"{str(file)!r} cannot be read as a plan: {error}.") from error
