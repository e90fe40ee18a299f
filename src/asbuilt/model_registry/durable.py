"""Files that are there whole or not at all, also after kill -9 and after a power cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from asbuilt.errors import StorageError

__all__ = ["TEMPORARY", "append_line", "copied", "replace_text", "stored_errors", "sync_folder"]

TEMPORARY = ".tmp-"
"""How names of files begin that are not finished; a killed writer leaves them behind."""

_PIECE = 1 << 20


@contextmanager
def stored_errors(folder: Path) -> Iterator[None]:
    """Turns an OSError into a StorageError about `folder`."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"the model registry {str(folder)!r} cannot be read or written: {error.strerror or error}.",
            hint="What was registered before is intact; free disk space or fix the permissions, then retry.",
        ) from error


def copied(source: Path | bytes, folder: Path) -> tuple[Path, str]:
    """A synced temporary file in `folder` with what `source` holds, and the SHA-256 of that."""
    target = folder / f"{TEMPORARY}{uuid4().hex}"
    digest = sha256()
    try:
        with _created(target) as to:
            for piece in _pieces(source):
                digest.update(piece)
                _write(to, piece)
            os.fsync(to)
    except BaseException:
        with suppress(OSError):
            target.unlink(missing_ok=True)
        raise
    return target, digest.hexdigest()


def replace_text(file: Path, text: str) -> None:
    """`file` holds `text`, on disk; at every moment it holds either what it did before, or this."""
    made, _ = copied(text.encode(), file.parent)
    try:
        made.replace(file)
    except OSError:
        made.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def append_line(file: Path, line: str) -> None:
    """Add one line, synced. What a killed writer left of a line at the end is cut off first."""
    to = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = _end_of_lines(to)
        os.ftruncate(to, end)
        os.lseek(to, end, os.SEEK_SET)
        try:
            _write(to, line.encode() + b"\n")
            os.fsync(to)
        except OSError:
            with suppress(OSError):
                os.ftruncate(to, end)  # a line that was not acknowledged must not come true later
            raise
    finally:
        os.close(to)


def sync_folder(folder: Path) -> None:
    """Make names in `folder` durable, as created, replaced and removed so far."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _created(file: Path) -> Iterator[int]:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)


def _pieces(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece


def _write(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _end_of_lines(handle: int) -> int:
    """Where the last whole line ends."""
    end = os.lseek(handle, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _PIECE)
        found = os.pread(handle, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
