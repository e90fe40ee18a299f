"""`asbuilt ingest`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asbuilt.cli.interrupt import stop_on_interrupt
from asbuilt.cli.output import BlueprintOption, JsonOption, note, print_json, progress_bar

if TYPE_CHECKING:
    from asbuilt.knowledge import IngestionReport

__all__ = ["ingest"]


def ingest(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, globs or package:NAME/FOLDER; default: the blueprint's knowledge.sources.",
            metavar="PATH...",
        ),
    ] = None,
    collection: Annotated[str | None, typer.Option(help="Where the documents go.")] = None,
    prune: Annotated[bool, typer.Option(help="Hide documents under PATH that are no longer there.")] = False,
    retry: Annotated[bool, typer.Option(help="Read quarantined files again although unchanged.")] = False,
    strict: Annotated[bool, typer.Option(help="Exit 1 if any file was quarantined.")] = False,
    blueprint: BlueprintOption = Path("blueprint.yaml"),
    json: JsonOption = False,
) -> None:
    """Bring documents into the knowledge base. Run it again to resume or to take up changes."""
    from asbuilt.system import System

    started = time.monotonic()
    with (
        System.load(blueprint) as system,
        stop_on_interrupt("batch") as stop,
        progress_bar(quiet=json) as progress,
    ):
        report = system.ingest(
            paths, collection=collection, prune=prune, retry=retry, progress=progress, stop=stop
        )
    if json:
        print_json([asdict(receipt) for receipt in report.receipts])
    else:
        _summarise(report, time.monotonic() - started)
    if stop.is_set():
        note("Interrupted; nothing is lost. Run the same command again to go on.")
        raise typer.Exit(130)
    raise typer.Exit(1 if strict and report.quarantined else 0)


def _summarise(report: IngestionReport, seconds: float) -> None:
    found = sum(receipt.found for receipt in report.receipts)
    note(
        f"{len(report.receipts)} files in {seconds:.1f} s: {report.unchanged} unchanged, "
        f"{report.chunks} chunks, {report.embedded} embedded now, {found} found again by probe"
        + (f", {report.removed} removed" if report.removed else "")
    )
    for receipt in report.quarantined:
        note(f"quarantined: {receipt.source}: {receipt.reason}")
