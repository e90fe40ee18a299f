"""A blueprint's file -> what stands in it, and where."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from asbuilt.blueprint.fault import Fault, Steps
from asbuilt.blueprint.shape import is_broken, shape
from asbuilt.blueprint.spec import Blueprint
from asbuilt.blueprint.tree import Tree, parse
from asbuilt.errors import LimitError, NotFoundError, StorageError, UserError

__all__ = ["MAX_BYTES", "Loaded", "load", "load_text"]

MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Loaded:
    """A blueprint as its file has it.

    `blueprint` holds all that could be read: everything when there are no `faults`, nothing (None)
    when the text is not even a mapping. `tree` knows the line and column of every key and value.
    """

    file: Path
    tree: Tree
    blueprint: Blueprint | None
    faults: tuple[Fault, ...]
    broken: frozenset[Steps]

    @property
    def folder(self) -> Path:
        """Relative paths of the blueprint start here."""
        return self.file.absolute().parent

    def is_broken(self, *steps: str | int) -> bool:
        """Whether what is written there could not be read."""
        return is_broken(self.broken, steps)


def load(path: Path) -> Loaded:
    """Read a blueprint; what is wrong with its form is among the faults of the result.

    Raises NotFoundError, UserError for a folder or device, LimitError above 1 MiB, StorageError when
    the file cannot be read.
    """
    data = _read(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = data[: error.start].decode("utf-8-sig")
        line, column = good.count("\n") + 1, len(good) - good.rfind("\n")
        message = f"the file is not UTF-8: it holds the byte 0x{data[error.start]:02x}"
        tree = Tree(None, {}, {}, (Fault(line, column, "", message),), complete=False)
        return Loaded(path, tree, None, tree.faults, frozenset({()}))
    return load_text(text, file=path)


def load_text(text: str, *, file: Path) -> Loaded:
    """Like `load`, from text that `file` holds or might hold."""
    tree = parse(text)
    shaped = shape(tree, Blueprint)
    return Loaded(file, tree, shaped.value, shaped.faults, shaped.broken)


def _read(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UserError(f"{path} is a folder.", hint=f"Name the file in it: {path / 'blueprint.yaml'}.")
        if not stat.S_ISREG(mode):
            raise UserError(f"{path} is not a regular file.", hint="A blueprint is a YAML file.")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"there is no blueprint at {path}.",
            hint="Write one with `asbuilt new assistant DIR`, or name another with -b FILE.",
        ) from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise LimitError(f"{path} is larger than {MAX_BYTES // 1024} KiB.", hint="Is it a blueprint?")
    return data
