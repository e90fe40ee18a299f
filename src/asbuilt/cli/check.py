"""`asbuilt check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asbuilt.cli.output import JsonOption, note, print_fault, print_json

__all__ = ["check"]


def check(
    file: Annotated[Path, typer.Argument(help="The blueprint.", metavar="FILE")] = Path("blueprint.yaml"),
    json: JsonOption = False,
) -> None:
    """Show every fault of a blueprint. Each has its line and column; exit code 1 if there are any."""
    from asbuilt.blueprint import check as find_faults
    from asbuilt.blueprint import load

    loaded = load(file)
    faults = find_faults(loaded)
    errors = [fault for fault in faults if fault.severity == "error"]
    if json:
        print_json([fault.to_json() for fault in faults])
    else:
        for fault in faults:
            print_fault(fault.format(file))
        kinds = f"{len(errors)} fault{'s' * (len(errors) != 1)}"
        note(f"{file}: {kinds if errors else 'no faults'}")
    raise typer.Exit(1 if errors else 0)
