"""`asbuilt drift`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asbuilt.cli.output import JsonOption, note, print_fault, print_json

__all__ = ["drift"]


def drift(
    file: Annotated[Path, typer.Argument(help="The blueprint.", metavar="FILE")] = Path("blueprint.yaml"),
    json: JsonOption = False,
) -> None:
    """Show where the running system and the blueprint differ. Exit code 1 if they do."""
    from asbuilt.drift.compare import find_drift
    from asbuilt.drift.difference import LAYERS

    report = find_drift(file)
    if json:
        print_json(
            {
                "differences": [each.to_json() for each in report.differences],
                "compared": report.compared,
                "unknown": report.unknown,
            }
        )
    else:
        for each in report.differences:
            print_fault(f"{each.fault.format(file)} [{each.layer}]")
        for layer, meaning in LAYERS.items():
            count = sum(each.layer == layer for each in report.differences)
            if layer in report.unknown:
                note(f"{layer:<9} unknown: {report.unknown[layer]}")
            elif layer in report.compared:
                result = f"{count} difference{'s' * (count != 1)}" if count else "as drawn"
                note(f"{layer:<9} {result}: {meaning} ({report.compared[layer]})")
    raise typer.Exit(1 if report.differences else 0)
