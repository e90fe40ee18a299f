"""The folder of an index: one owner at a time, and content that says what it was made by."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from asbuilt.errors import StorageError
from asbuilt.types import Scalar

__all__ = ["IndexFolder", "replace_file"]

_LABEL = "index.json"
_LOCK = "index.lock"


class IndexFolder:
    """A folder that one process holds from `open` to `close`; without a path, a temporary one.

    `names` are the files and folders that the index keeps there. Nothing else is ever deleted.
    The label, a small JSON file, says what wrote them; content with another label is of no use.
    """

    def __init__(self, path: Path | None, *, names: Sequence[str]) -> None:
        self._given = path
        self._names = tuple(names)
        self._path: Path | None = None
        self._lock: FileLock | None = None

    @property
    def path(self) -> Path:
        """Where the folder is, while it is held."""
        assert self._path is not None, "the folder is not open"
        return self._path

    def open(self) -> None:
        """Create the folder where needed and take it.

        Raises StorageError when another process, or another index of this one, holds it.
        """
        path = self._given or Path(tempfile.mkdtemp(prefix="asbuilt-index-"))
        lock = FileLock(path / _LOCK, thread_local=False, fallback_to_soft=False)
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout as error:
            raise StorageError(
                f"index folder {path} is in use.",
                hint="Close the other index, or give this one a folder of its own.",
            ) from error
        except OSError as error:
            raise StorageError(f"cannot use index folder {path}: {error.strerror or error}.") from error
        self._path, self._lock = path, lock

    def close(self) -> None:
        """Let go of the folder; a temporary one is deleted."""
        if self._lock is None:
            return
        self._lock.release()
        if self._given is None:
            shutil.rmtree(self.path, ignore_errors=True)
        self._path = self._lock = None

    def label(self) -> dict[str, Scalar | None]:
        """The label of the content; empty when there is none that can be read."""
        try:
            label = json.loads((self.path / _LABEL).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return label if isinstance(label, dict) else {}

    def write_label(self, label: Mapping[str, Scalar | None]) -> None:
        """Durably replace the label."""
        replace_file(self.path / _LABEL, json.dumps(dict(label)).encode())

    def clear(self) -> None:
        """Delete the index's content, the label first, so that a half-done deletion is seen as such."""
        (self.path / _LABEL).unlink(missing_ok=True)
        for name in self._names:
            found = self.path / name
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            else:
                found.unlink(missing_ok=True)


def replace_file(file: Path, data: bytes) -> None:
    """Give `file` the content `data`, durably: after a crash it has the old content or the new."""
    fresh = file.with_name(f"{file.name}.new")
    with fresh.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)
    if os.name == "posix":
        handle = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
