"""Ready-made blueprints for `asbuilt new`."""

from __future__ import annotations

import os
import shutil
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from asbuilt.blueprint.name import as_name
from asbuilt.errors import NotFoundError, StorageError, UserError
from asbuilt.registry import nearest

__all__ = ["PATTERNS", "write_pattern"]

PATTERNS = {"assistant": "assistant", "rag-pipeline": "assistant"}
"""Pattern to its folder. An assistant is a retrieval-augmented pipeline, so both names stand for one."""

_IGNORED = ".asbuilt/\n"


def write_pattern(name: str, folder: Path) -> list[Path]:
    """Write the pattern's files into `folder`, which must be empty or not there yet; returns them.

    All files appear, or none. The system is called after the folder. Raises NotFoundError for an
    unknown pattern, UserError for a folder that holds something, StorageError when it cannot be written.
    """
    if name not in PATTERNS:
        close = nearest(name, tuple(PATTERNS))
        hint = f"Did you mean {close!r}?" if close else f"Patterns: {', '.join(PATTERNS)}."
        raise NotFoundError(f"there is no pattern {name!r}.", hint=hint)
    target = folder.absolute()
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UserError(f"{folder} is not an empty folder.", hint="Name one that is, or a new one.")
        written = _write(PATTERNS[name], target)
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror}.") from error
    return [folder / path for path in written]


def _write(pattern: str, target: Path) -> list[Path]:
    """Make everything aside, then move it into place. A folder that is there is filled, not
    replaced: it may be the current one of whoever asked."""
    there = target.is_dir()
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = (target if there else target.parent) / f".{target.name}.{os.getpid()}.new"
    moved: list[Path] = []
    try:
        _copy(files(__package__) / "patterns" / pattern, aside)
        _call(aside, as_name(target.name) or pattern, instead_of=pattern)
        written = sorted(path.relative_to(aside) for path in aside.rglob("*") if path.is_file())
        if not there:
            aside.rename(target)
            return written
        for entry in sorted(aside.iterdir()):
            entry.rename(target / entry.name)
            moved.append(target / entry.name)
        aside.rmdir()
    except BaseException:
        for path in (aside, *moved):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise
    return written


def _copy(source: Traversable, folder: Path) -> None:
    """Contents only: what a package manager made read-only must not stay so."""
    folder.mkdir()
    for entry in source.iterdir():
        if entry.is_dir():
            _copy(entry, folder / entry.name)
        else:
            (folder / entry.name).write_bytes(entry.read_bytes())


def _call(folder: Path, name: str, *, instead_of: str) -> None:
    """Give the system its own name, and git a list of what not to keep."""
    for file, line in (("blueprint.yaml", "  name: {}\n"), ("README.md", "# {}\n")):
        text = (folder / file).read_text(encoding="utf-8")
        own = text.replace(line.format(instead_of), line.format(name), 1)
        (folder / file).write_text(own, encoding="utf-8")
    (folder / ".gitignore").write_text(_IGNORED, encoding="utf-8")
