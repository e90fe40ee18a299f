"""`asbuilt extract`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asbuilt.cli.interrupt import stop_on_interrupt
from asbuilt.cli.output import JsonOption, note, print_json, progress_bar
from asbuilt.cli.project import OptionalBlueprint, open_project

if TYPE_CHECKING:
    from asbuilt.fields import Extraction

__all__ = ["extract"]

_DOUBTFUL = 0.8


def extract(
    files: Annotated[list[str], typer.Argument(help="Files, folders or globs.", metavar="FILE...")],
    schema: Annotated[
        Path, typer.Option("-s", "--schema", help="JSON Schema of the values (JSON or YAML).", metavar="FILE")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for results, crops and exports.", metavar="FOLDER")
    ],
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            help="Also: json, jsonl, markdown, parquet, searchable-pdf; csv, xlsx, viewer come anyway.",
        ),
    ] = None,
    strict: Annotated[bool, typer.Option(help="Exit 1 if a file could not be read.")] = False,
    blueprint: OptionalBlueprint = None,
    json: JsonOption = False,
) -> None:
    """Take values out of documents, each with the words that prove it. Run it again to resume."""
    from asbuilt.extraction.schema import load_schema

    asked = load_schema(schema)
    with (
        open_project(blueprint) as system,
        stop_on_interrupt("page") as stop,
        progress_bar(quiet=json) as progress,
    ):
        extractions = system.extract(
            files, schema=asked, out=out, formats=to or (), progress=progress, stop=stop
        )
    if json:
        from asbuilt.extraction.result import extraction_plain

        print_json([extraction_plain(each) for each in extractions])
    else:
        _summarise(extractions)
    if stop.is_set():
        note("Interrupted; nothing is lost. Run the same command again to go on.")
        raise typer.Exit(130)
    if not json:
        note(f"Results in {out}: open {out / 'viewer.html'}, or run: asbuilt verify {out}")
    raise typer.Exit(1 if strict and any(each.fault for each in extractions) else 0)


def _summarise(extractions: Sequence[Extraction]) -> None:
    for each in extractions:
        sys.stdout.write(f"{each.document}: {_told(each)}\n")
        for outcome in each.constraints:
            if outcome.holds is False:
                sys.stdout.write(f"  does not hold: {outcome.expression} ({outcome.message})\n")
        for repair in each.repairs:
            sys.stdout.write(
                f"  repaired: {repair.path}: {repair.quote_before!r} was read as {repair.quote_after!r}, "
                f"so that {repair.constraint}\n"
            )
        for flag in each.flags:
            sys.stdout.write(f"  note: {flag}\n")


def _told(extraction: Extraction) -> str:
    if extraction.fault:
        return f"not read: {extraction.fault}"
    values = extraction.values
    found = [value for value in values if value.status != "not_found"]
    parts = [f"{len(found)} of {len(values)} values found"]
    missing = [value.path for value in values if value.status == "not_found"]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        parts.append(f"not there: {shown}")
    doubtful = sum(value.confidence < _DOUBTFUL for value in found)
    if doubtful:
        parts.append(f"{doubtful} below {_DOUBTFUL:.0%} confidence")
    conflicts = sum(value.status == "conflict" for value in values)
    if conflicts:
        parts.append(f"{conflicts} in conflict")
    return "; ".join(parts)
