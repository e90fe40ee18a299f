"""Several files that appear together or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from asbuilt.errors import StorageError, UserError

__all__ = ["write_together"]


def write_together(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write `files` (path inside `folder` to text) as UTF-8 with ``\\n``; returns where they are.

    Everything is made aside first, so that a full disk leaves nothing half written. What was there
    under these names is replaced, other files are left alone, and a failure puts back what had been
    replaced. A folder that is not there appears whole. Raises UserError where a folder stands in a
    file's place, StorageError when something cannot be written.
    """
    target = folder.absolute()
    try:
        if target.exists() and not target.is_dir():
            raise UserError(f"{folder} is not a folder.", hint="Name one that is, or a new one.")
        _write(target, files)
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror}.") from error
    return [folder / name for name in files]


def _write(target: Path, files: Mapping[str, str]) -> None:
    there = target.is_dir()
    for name in files:
        if (target / name).is_dir():
            raise UserError(f"{target / name} is a folder.", hint="Move it, or name another place.")
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = (target if there else target.parent) / f".{target.name}.{os.getpid()}.new"
    new, old = aside / "new", aside / "old"
    try:
        for name, text in files.items():
            _parent(new / name).write_bytes(text.encode())
            if (target / name).exists():
                shutil.copy2(target / name, _parent(old / name))
        if there:
            _replace(target, files, new, old)
        else:
            new.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _parent(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _replace(target: Path, names: Iterable[str], new: Path, old: Path) -> None:
    """Only renames from here on: they need no space, so that they can be undone."""
    done: list[str] = []
    made: list[Path] = []
    try:
        for name in names:
            inside = Path(name).parents
            made += [target / each for each in reversed(inside) if not (target / each).exists()]
            (new / name).replace(_parent(target / name))
            done.append(name)
    except BaseException:
        for name in done:
            if (old / name).exists():
                (old / name).replace(target / name)
            else:
                (target / name).unlink()
        for folder in reversed(made):
            folder.rmdir()
        raise
