"""`asbuilt runs`, `asbuilt replay` and `asbuilt diff`."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from asbuilt.cli.output import BlueprintOption, JsonOption, note, print_json

__all__ = ["diff", "replay", "runs"]

_DEFAULT = Path("blueprint.yaml")
_TASK_CHARS = 60


def runs(
    run: Annotated[
        str | None, typer.Argument(help="Show this one as a tree, with times and tokens.", metavar="RUN")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many are listed.")] = 20,
    blueprint: BlueprintOption = _DEFAULT,
    json: JsonOption = False,
) -> None:
    """List runs of the swarm, newest first, or show one."""
    from dataclasses import asdict

    from asbuilt.agents.run_view import run_tree
    from asbuilt.system import System

    with System.load(blueprint) as system:
        store = system.catalog.runs
        if run is not None:
            record, events = store.get(run), store.events(run)
            if json:
                print_json({**asdict(record), "events": [asdict(each) for each in events]})
            else:
                sys.stdout.write(run_tree(events))
            return
        records = store.recent(limit=limit)
    if json:
        print_json([asdict(each) for each in records])
        return
    for each in records:
        began = datetime.fromtimestamp(each.started_at, UTC).strftime("%Y-%m-%d %H:%M")
        task = " ".join(each.task.split())
        task = task if len(task) <= _TASK_CHARS else f"{task[:_TASK_CHARS]}..."
        sys.stdout.write(f"{each.id}  {each.state:<9} {began}  {task}\n")
    if not records:
        note("No runs yet: asbuilt run TASK")


def replay(
    run: Annotated[str, typer.Argument(help="A run that ended.", metavar="RUN")],
    blueprint: BlueprintOption = _DEFAULT,
) -> None:
    """Do a run again from its log alone, and compare the result.

    No model, no tool and no person is asked.
    """
    from asbuilt.system import System

    with System.load(blueprint) as system:
        events = asyncio.run(system.orchestrator.replay(run))
    note(f"run {run} replayed: {len(events)} events lead to the same result.")


def diff(
    first: Annotated[str, typer.Argument(help="A run.", metavar="RUN")],
    second: Annotated[str, typer.Argument(help="Another run.", metavar="RUN")],
    blueprint: BlueprintOption = _DEFAULT,
) -> None:
    """Show where two runs part, subtask by subtask. Exit code 1 if they do."""
    from asbuilt.agents.run_view import run_difference
    from asbuilt.system import System

    with System.load(blueprint) as system:
        store = system.catalog.runs
        store.get(first), store.get(second)
        found = list(run_difference(store.events(first), store.events(second)))
    for each in found:
        sys.stdout.write(f"{each}\n")
    if not found:
        note("The runs are the same.")
    raise typer.Exit(1 if found else 0)
