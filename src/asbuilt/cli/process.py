"""`asbuilt process`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asbuilt.cli.project import OptionalBlueprint, open_project
from asbuilt.errors import UserError

if TYPE_CHECKING:
    from asbuilt.modalities import InputFile

__all__ = ["process"]


def process(
    files: Annotated[list[str], typer.Argument(help="Files, folders or globs.", metavar="FILE...")],
    rank: Annotated[
        str | None, typer.Option("--rank", help="Rank the pages for this query.", metavar="QUERY")
    ] = None,
    answer: Annotated[
        str | None, typer.Option("--answer", help="Answer this question from the pages.", metavar="QUESTION")
    ] = None,
    classify: Annotated[
        Path | None,
        typer.Option(
            "--classify",
            help="Tell each file's class; FOLDER has one folder of examples a class.",
            metavar="FOLDER",
        ),
    ] = None,
    top_k: Annotated[int, typer.Option("-k", "--top-k", help="Pages to rank or to look at.")] = 10,
    form: Annotated[str, typer.Option("--format", help="text, json or markdown.")] = "text",
    blueprint: OptionalBlueprint = None,
) -> None:
    """Rank pages, tell documents apart, or answer from pages.

    Goes over text, tables and pictures of pages, with the processor of the blueprint.
    """
    from asbuilt.modalities import Task

    asked = {"retrieve": rank, "answer": answer, "classify": classify}
    chosen = [kind for kind, value in asked.items() if value is not None]
    if len(chosen) != 1:
        raise UserError("say what to do: one of --rank, --answer and --classify.")
    inputs = tuple(_inputs(files))
    examples = tuple(_examples(classify)) if classify is not None else ()
    task = Task(
        chosen[0],  # type: ignore[arg-type]  # its keys are the kinds
        inputs,
        query=rank or answer or "",
        examples=examples,
        top_k=top_k,
        format=form,
    )
    with open_project(blueprint) as system:
        result = system.process(task)
    sys.stdout.write(result.text)
    raise typer.Exit(1 if len(result.output.faults) == len(inputs) else 0)


def _inputs(paths: list[str], *, label: str = "") -> list[InputFile]:
    from asbuilt.documents.sources import find_sources
    from asbuilt.modalities import InputFile

    found = find_sources([Path.cwd() / path for path in paths]).files
    return [InputFile(_shown(each.path), each.load, label) for each in found]


def _examples(folder: Path) -> list[InputFile]:
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder.", hint="Give one with a folder of examples for each class.")
    classes = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    return [file for each in classes for file in _inputs([str(each.absolute())], label=each.name)]


def _shown(path: Path) -> str:
    """As the user would write it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
