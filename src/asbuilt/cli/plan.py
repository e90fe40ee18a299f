"""`asbuilt plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asbuilt.cli.output import JsonOption, note, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from asbuilt.planning import Plan

__all__ = ["plan"]

_STYLES = {"good": "bold green", "tight": "bold yellow", "over": "bold red"}
_BAR = 60  # columns


def plan(
    file: Annotated[Path, typer.Argument(help="The blueprint.", metavar="FILE")] = Path("blueprint.yaml"),
    target: Annotated[
        str | None,
        typer.Option(help="Plan for this machine instead of the blueprint's.", metavar="MACHINE"),
    ] = None,
    chunks: Annotated[
        int | None,
        typer.Option(min=0, help="Chunks in the index; default: as many as were ingested, else 10,000."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Plan before anything runs: order, hours, memory, speed. Exit code 1 when it does not fit."""
    from asbuilt.blueprint import MachineSpec, load_checked
    from asbuilt.planning import plan as make
    from asbuilt.planning.target import target_machine
    from asbuilt.planning.words import plan_json

    blueprint = load_checked(file)
    folder = file.resolve().parent
    machine = target_machine(MachineSpec(target) if target else blueprint.target, folder=folder)
    made = make(blueprint, folder=folder, machine=machine, chunks=chunks)
    if json:
        print_json(plan_json(made))
    else:
        _show(made)
    raise typer.Exit(0 if made.fits else 1)


def _show(plan: Plan) -> None:
    from rich.console import Console

    from asbuilt.planning.words import fit_text, last_text, past_text

    console = Console(highlight=False)
    _show_build(plan, console)
    _show_memory(plan, console)
    for each in plan.memory.fits:
        _show_bar(each.need_bytes, each.budget_bytes, _STYLES[each.verdict], console)
        console.print(fit_text(each, plan.machine.name), style=_STYLES[each.verdict], markup=False)
    _show_alternatives(plan, console)
    _show_speed(plan, console)
    if plan.last:
        note(last_text(plan.last))
    if plan.past:
        note(past_text(plan.past))
    for line in plan.notes:
        note(line)


def _show_build(plan: Plan, console: Console) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title="Build", title_justify="left")
    for title in ("wave", "component", "use", "hours", "status", "typed"):
        table.add_column(title, justify="right" if title in ("wave", "hours") else "left")
    found = {each.name: each for each in plan.components}
    for number, wave in enumerate(plan.schedule.waves, start=1):
        for name in wave:
            each = found[name]
            hours = "" if each.hours is None else f"{each.hours:g}"
            table.add_row(str(number), name, each.use or "", hours, each.status, each.typed_status.value)
    console.print(table, markup=False)
    schedule = plan.schedule
    console.print(
        f"{schedule.total_hours:g} hours in all; {schedule.critical_hours:g} with enough hands: "
        f"{' -> '.join(schedule.critical_path)}",
        markup=False,
        soft_wrap=True,
    )
    if schedule.unestimated:
        console.print(f"no hours stated: {', '.join(schedule.unestimated)}", markup=False, soft_wrap=True)


def _show_memory(plan: Plan, console: Console) -> None:
    from rich.table import Table

    from asbuilt.planning.words import gib

    console.print()
    table = Table(box=None, pad_edge=False, title="Memory", title_justify="left")
    for title in ("component", "part", "size", "from"):
        table.add_column(title, justify="right" if title == "size" else "left")
    for row in plan.memory.rows:
        source = f"{row.part.source}; while ingesting" if row.part.when == "ingesting" else row.part.source
        table.add_row(row.component, row.part.name, gib(row.part.bytes), source)
    for name in plan.not_stated:
        table.add_row(name, "", "not stated", "its class has no `demand`")
    table.add_row("total", "", gib(plan.memory.total_bytes), _chunks(plan))
    console.print(table, markup=False)
    machine = plan.machine
    console.print(
        f"{machine.name}{f' ({machine.device})' if machine.device else ''}: {gib(machine.memory_bytes)}, "
        f"{gib(machine.usable_bytes)} usable, {gib(machine.reserve_bytes)} kept free",
        markup=False,
        soft_wrap=True,
    )


def _chunks(plan: Plan) -> str:
    if not any((each.use or "").startswith("index/") for each in plan.components):
        return ""
    return f"{plan.chunks:,} chunks, {plan.chunks_from}"


def _show_bar(need: int, budget: int, style: str, console: Console) -> None:
    from rich.text import Text

    share = need / budget if budget > 0 else float("inf")
    filled = round(min(share, 1.0) * _BAR)
    bar = Text("[")
    bar.append("#" * filled, style=style)
    bar.append("." * (_BAR - filled))
    bar.append(f"{'>' if share > 1 else ']'} {share:.0%}")
    console.print(bar)


def _show_alternatives(plan: Plan, console: Console) -> None:
    from rich.table import Table

    from asbuilt.planning.alternatives import ORDER
    from asbuilt.planning.words import change_text, gib

    if plan.fits:
        return
    if not plan.alternatives:
        console.print("No smaller model, context, precision or number of slots makes it fit.")
        return
    table = Table(box=None, pad_edge=False, title="\nPlans that fit", title_justify="left")
    for title in ("component", "config", "total"):
        table.add_column(title, justify="right" if title == "total" else "left")
    for each in plan.alternatives:
        table.add_row(each.component, change_text(each), gib(each.total_bytes))
    console.print(table, markup=False)
    console.print(ORDER, style="dim", markup=False, soft_wrap=True)


def _show_speed(plan: Plan, console: Console) -> None:
    for each in plan.forecasts:
        told = [
            f"{each.tokens_per_s} tokens/s" if each.tokens_per_s else "",
            f"first token after {each.first_token_s} s" if each.first_token_s else "",
            each.note,
        ]
        console.print(
            f"\n{each.component}, one user, prompt of {each.prompt_tokens} tokens: "
            f"{'; '.join(part for part in told if part)}",
            markup=False,
            soft_wrap=True,
        )
