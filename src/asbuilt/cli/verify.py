"""`asbuilt verify`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from asbuilt.cli.output import JsonOption, note, print_json
from asbuilt.cli.project import OptionalBlueprint, open_project

__all__ = ["verify"]


def verify(
    out: Annotated[Path, typer.Argument(help="A folder that `asbuilt extract` wrote.", metavar="FOLDER")],
    sources: Annotated[
        Path | None, typer.Option(help="Where the documents are now, if not where they were.")
    ] = None,
    blueprint: OptionalBlueprint = None,
    json: JsonOption = False,
) -> None:
    """Prove every value again, from the documents and from its picture. Exit 1 if one disagrees."""

    def told(document: str) -> None:
        if not json:
            note(f"Reading {document} again")

    with open_project(blueprint) as system:
        report = system.verify(out, sources=sources, on_document=told)
    if json:
        print_json({**asdict(report), "ok": report.ok})
    else:
        for finding in report.findings:
            sys.stdout.write(f"{finding}\n")
        typed = f", {report.given} typed in" if report.given else ""
        sys.stdout.write(
            f"{report.proved} of {report.values} values in {report.documents} documents proved{typed}\n"
        )
    raise typer.Exit(0 if report.ok else 1)
