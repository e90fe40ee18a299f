"""`make swarm`: ingest the AWS CLI's example pages, have the swarm research a question, replay the run.

A second run finds the pages ingested, and only researches.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from asbuilt import AsbuiltError, System
from asbuilt.agents.run_view import run_line, run_tree
from asbuilt.cli.output import note, progress_bar
from asbuilt.runs import RunEvent

HERE = Path(__file__).parent
TASK = "How are SQS queues created, listed and emptied?"


async def researched(system: System) -> list[RunEvent]:
    """The events of a run, told as they come."""
    events = []
    async for event in system.orchestrator.run(TASK):
        events.append(event)
        if line := run_line(event):
            note(line)
    return events


def main() -> None:
    """Ingest, research, show the tree, replay; say how long each took."""
    started = time.monotonic()
    with System.load(HERE / "blueprint.yaml") as system:
        note("Reading the AWS CLI's example pages...")
        with progress_bar() as progress:
            system.ingest(progress=progress)
        ingested_s = time.monotonic() - started
        events = asyncio.run(researched(system))
        researched_s = time.monotonic() - started - ingested_s
        note("")
        print(events[-1].data["output"] or f"Failed: {'; '.join(events[-1].data['faults'])}")
        note(f"\n{run_tree(events)}")
        replayed = asyncio.run(system.orchestrator.replay(events[0].run))
    note(
        f"Ingested after {ingested_s:.1f} s, researched in {researched_s:.1f} s; from the log alone, "
        f"{len(replayed)} events lead to the same report."
    )
    asbuilt = Path(sys.executable).parent / "asbuilt"
    note(f"\nGo on: cd {HERE} && {asbuilt} run 'Your question'")


if __name__ == "__main__":
    try:
        main()
    except AsbuiltError as error:
        sys.exit(f"error: {error}")
