"""`asbuilt serve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asbuilt.cli.output import BlueprintOption, note

if TYPE_CHECKING:
    from asbuilt.planning import Plan
    from asbuilt.system import System

__all__ = ["serve"]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind; default: the blueprint's.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free port.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Bind beyond loopback without API keys.")
    ] = False,
    unplanned: Annotated[
        bool, typer.Option("--unplanned", help="Serve although the plan says that memory is short.")
    ] = False,
    blueprint: BlueprintOption = Path("blueprint.yaml"),
) -> None:
    """Serve the system over HTTP (loopback unless told otherwise). Refuses what cannot fit into memory."""
    from asbuilt import server
    from asbuilt.system import System

    with System.load(blueprint) as system:
        planned = None if unplanned else _planned(system)
        before = system.catalog.position
        answered = False

        def announce(line: str) -> None:
            nonlocal answered
            answered = True
            typer.echo(line)

        try:
            server.serve(system, host=host, port=port, insecure=insecure, announce=announce)
        finally:
            if planned is not None and answered:
                _remember(system, planned, ingested=system.catalog.position != before)


def _planned(system: System) -> Plan:
    """The plan on this machine, whatever the target. Raises UserError when it does not fit."""
    from asbuilt.errors import UserError
    from asbuilt.planning import plan
    from asbuilt.planning.target import this_machine
    from asbuilt.planning.words import refusal

    made = plan(system.blueprint, folder=system.folder, machine=this_machine())
    if not made.fits:
        message, way_out = refusal(made)
        raise UserError(message, hint=f"{way_out} --unplanned serves it all the same.")
    return made


def _remember(system: System, planned: Plan, *, ingested: bool) -> None:
    """Store the peak beside its prediction, for the next plan."""
    from asbuilt.errors import StorageError
    from asbuilt.planning.measured import record_peak
    from asbuilt.resources.resident import peak_resident_bytes

    try:
        record_peak(
            system.state_folder,
            planned.memory,
            blueprint=planned.blueprint,
            measured_bytes=peak_resident_bytes(),
            ingested=ingested,
        )
    except StorageError as error:
        note(f"warning: {error}")
