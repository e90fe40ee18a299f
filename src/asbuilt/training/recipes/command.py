"""A recipe as a command: ``python -m asbuilt.training.recipes.NAME config.json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from asbuilt.errors import AsbuiltError, UserError
from asbuilt.lineage import TrainedModel, TrainingProgress
from asbuilt.registry import nearest
from asbuilt.training.processes import is_first_process

__all__ = ["run_recipe"]

Config = TypeVar("Config")


def run_recipe(config: type[Config], main: Callable[..., TrainedModel]) -> int:
    """Read the file that the first argument names and train. Returns the exit status."""
    try:
        if len(sys.argv) != 2:
            raise UserError(f"usage: {Path(sys.argv[0]).name} CONFIG.json")
        trained = main(_read(config, Path(sys.argv[1])), progress=_tell)
    except AsbuiltError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if is_first_process():
        sys.stdout.write(f"{trained.folder}\n")
    return 0


def _read(config: type[Config], file: Path) -> Config:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read as JSON: {error}") from error
    known = [each.name for each in fields(config)]  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            hint = nearest(name, known)
            meant = f"Did you mean {hint!r}?" if hint else f"Known: {', '.join(known)}."
            raise UserError(f"{file} has an unknown {name!r}.", hint=meant)
    pairs: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return config(**pairs)
    except TypeError as error:
        raise UserError(f"{file}: {error}") from error


def _tell(progress: TrainingProgress) -> None:
    sys.stderr.write(
        f"step {progress.step} of {progress.steps}: loss {progress.loss:.4f}, "
        f"{progress.tokens_per_s:.0f} tokens/s\n"
    )
