"""`asbuilt eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asbuilt.cli.interrupt import stop_on_interrupt
from asbuilt.cli.output import JsonOption, note, print_json, progress_bar

if TYPE_CHECKING:
    from asbuilt.evaluation.result import EvaluationResult, Measurement

__all__ = ["evaluate"]

_FILE_WIDTH = 200
_STYLES = {"PASS": "bold green", "FAIL": "bold red", "INCONCLUSIVE": "bold yellow", "PLANNED": "dim"}


def evaluate(
    file: Annotated[Path, typer.Argument(help="The blueprint.", metavar="FILE")] = Path("blueprint.yaml"),
    metric: Annotated[
        list[str] | None, typer.Option("-m", "--metric", help="Only this metric; may be repeated.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many cases of each data set, always the same ones.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Compare with this earlier run, or `last`; exit 1 if anything is proven worse."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option(help="Begin anew instead of going on with an interrupted run.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Also write the HTML report here.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure the system against its targets. Exit code: 0 all met, 1 one missed, 2 undecided."""
    from functools import partial

    from asbuilt.cli.served import served
    from asbuilt.evaluation.journal import ensure_writable, write_whole
    from asbuilt.evaluation.runner import Evaluation
    from asbuilt.system import System

    if output is not None:
        ensure_writable(output)  # before hours of work, not after
    with (
        System.load(file) as system,
        stop_on_interrupt("case") as stop,
        progress_bar(quiet=json) as progress,
    ):
        evaluation = Evaluation(
            system,
            serve=partial(served, file.resolve()),
            metrics=metric or (),
            limit=limit,
            fresh=fresh,
            against=against,
        )
        finished = evaluation.run(progress=progress, stop=stop)
    if finished is None:
        note("Interrupted; nothing is lost. Run the same command again to go on.")
        raise typer.Exit(130)
    if output is not None:
        write_whole(output, finished.report.read_text(encoding="utf-8"))
    if json:
        print_json(finished.result.to_json())
    else:
        _show(finished.result)
        note(f"Report: {output or finished.report}")
    raise typer.Exit(finished.result.exit_code)


def _show(result: EvaluationResult) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from asbuilt.evaluation.wording import amount, difference, interval

    console = Console()
    if not console.is_terminal:
        console.width = _FILE_WIDTH  # nothing is cut off in a file or a pipe
    table = Table(box=None, pad_edge=False)
    for title in ("metric", "verdict", "measured", "95 % bounds", "target", "n"):
        table.add_column(title, no_wrap=True)
    for m in result.measurements:
        verdict = Text(m.verdict, style=_STYLES[m.verdict])
        table.add_row(
            m.name, verdict, amount(m.value, m.unit), interval(m), m.target, f"{m.n:,}" if m.n else ""
        )
    console.print(table)
    for m in result.measurements:
        for line in _remarks(m):
            console.print(f"{m.name}: {line}", markup=False, highlight=False, soft_wrap=True)
        for c in m.comparisons:
            flips = f"; {len(c.gained)} cases gained, {len(c.lost)} lost" if c.gained or c.lost else ""
            line = f"{c.verdict} than {c.name}" if c.verdict != "undecided" else f"undecided against {c.name}"
            console.print(
                f"{m.name}: {line} ({amount(c.value, m.unit)}): {difference(c, m.unit)}{flips}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )


def _remarks(m: Measurement) -> list[str]:
    remarks = list(m.notes)
    if m.needs_more is not None:
        remarks.append(f"needs about {m.needs_more:,} more to be decided, if the value stays what it is")
    if m.failures:
        remarks.append(f"{m.failures} failed, which counts as wrong")
    if m.unscored:
        remarks.append(f"{m.unscored} unscored: the case does not say what is right")
    return remarks
