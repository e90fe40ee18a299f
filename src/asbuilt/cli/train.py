"""`asbuilt train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asbuilt.cli.interrupt import stop_on_interrupt
from asbuilt.cli.output import JsonOption, note, print_json, progress_bar

if TYPE_CHECKING:
    from asbuilt.lineage import PipelineResult

__all__ = ["train"]

_GIB = 2**30


def train(
    file: Annotated[Path, typer.Argument(help="The blueprint.", metavar="FILE")] = Path("blueprint.yaml"),
    iterate: Annotated[
        int, typer.Option(min=1, help="Attempts: after a refusal the next settings of the declared grid.")
    ] = 1,
    fresh: Annotated[
        bool, typer.Option(help="Begin anew instead of going on with an interrupted run.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Train a model, and have it serve if the gate proves it better. Exit code: 0 it serves, 1 refused."""
    from time import monotonic

    from asbuilt.pipeline.runs import TrainingRuns, attempts, plain
    from asbuilt.system import System

    results: list[PipelineResult] = []
    with System.load(file) as system, stop_on_interrupt("step") as stop:
        pipeline = system.pipeline
        tried = list(attempts(pipeline.grid, iterate))
        runs = TrainingRuns(system.state_folder / "training")
        with runs.locked():
            folder = runs.current(blueprint=system.blueprint.digest, fresh=fresh)
            if (folder / "data").is_dir():
                note(f"Going on with {folder}, with the rows collected then; --fresh begins anew.")
            began = monotonic()
            for settings in tried:
                if results and monotonic() - began > 60 * pipeline.budget_minutes:
                    note(f"The budget of {pipeline.budget_minutes:g} minutes is spent; no further attempt.")
                    break
                with progress_bar(quiet=json) as progress:
                    result = pipeline.run(folder=folder, settings=settings, progress=progress, stop=stop)
                if result is None:
                    note("Interrupted; nothing is lost. Run the same command again to go on.")
                    raise typer.Exit(130)
                results.append(result)
                if not json:
                    _show(result, settings)
                if result.deployed:
                    break
            written = runs.finish(folder, results)
    if json:
        print_json(plain(results))
    else:
        note(f"Everything about this run: {written}")
    raise typer.Exit(0 if results[-1].deployed else 1)


def _show(result: PipelineResult, settings: dict[str, object]) -> None:
    from asbuilt.lineage import VectorProof

    card, trained = result.card, result.trained
    rejected = ", ".join(f"{number} {reason}" for reason, number in card.rejected.items()) or "none"
    if settings:
        typer.echo(f"Settings: {', '.join(f'{key} {value}' for key, value in settings.items())}")
    typer.echo(
        f"Rows: {card.train} to train on, {card.validation} to check with, of {card.collected} collected "
        f"(left out: {rejected})"
    )
    checked = "" if trained.validation_loss is None else f", validation {trained.validation_loss:.3f}"
    typer.echo(
        f"Training: {trained.steps} steps in {trained.seconds / 60:.1f} min, loss {trained.train_loss:.3f}"
        f"{checked}, peak memory {trained.peak_memory_bytes / _GIB:.2f} GiB"
    )
    if isinstance(proof := result.proof, VectorProof):
        typer.echo(
            f"Export: {proof.same} of {proof.texts} vectors are the same when served (cosine {proof.floor} "
            f"or more; the least is {proof.least:.4f})"
        )
    elif proof is not None:
        typer.echo(
            f"Export: {proof.same} of {proof.prompts} replies are the same when served, template "
            f"{'the same' if proof.template_same else 'NOT THE SAME'}, {proof.ended} of {proof.ends} end"
        )
    if (verdict := result.verdict) is not None:
        for each in verdict.measures:
            typer.echo(
                f"Gate: {each.metric} {each.candidate:.1%} against {each.current:.1%} (n = {each.n}, "
                f"difference {each.low:+.1%} to {each.high:+.1%}; {len(each.gained)} gained, "
                f"{len(each.lost)} lost): "
                f"{'PASS' if each.passed else 'FAIL'}, asked: {each.rule}"
            )
        for line in (*verdict.reasons, *(f"Try: {each}" for each in verdict.advice)):
            typer.echo(line)
    typer.echo(f"Result: {result.ended}")
