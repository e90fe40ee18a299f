"""The system that a command works in: the blueprint's, or, where there is none, one for documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asbuilt.system import System

__all__ = ["OptionalBlueprint", "open_project"]

OptionalBlueprint = Annotated[
    Path | None,
    typer.Option(
        "-b",
        "--blueprint",
        help="The blueprint; default: blueprint.yaml, where there is one.",
        show_default=False,
        metavar="FILE",
    ),
]
_DEFAULT = Path("blueprint.yaml")


def open_project(blueprint: Path | None) -> System:
    """The system of `blueprint`, or of ``blueprint.yaml``; without one, a system of the folder that one
    stands in, which reads documents and takes values out of them by their layout."""
    from asbuilt.blueprint import Blueprint, ComponentSpec
    from asbuilt.blueprint.spec import SystemSpec
    from asbuilt.system import System

    if blueprint is not None or _DEFAULT.exists():
        return System.load(blueprint or _DEFAULT)
    drawing = Blueprint(
        system=SystemSpec("documents", "Takes values out of documents"),
        components=(
            ComponentSpec("embedder", "Compare labels by meaning", use="embedder/minilm-l6"),
            ComponentSpec("extractor", "Find values by labels and columns", use="extractor/layout"),
        ),
    )
    return System(drawing, folder=Path.cwd())
