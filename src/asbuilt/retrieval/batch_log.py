"""An append-only file of batches: what makes the exact index durable."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from asbuilt.errors import StorageError
from asbuilt.retrieval.batches import HEADER_BYTES, Batch, body_bytes, decode, encode
from asbuilt.retrieval.index_folder import replace_file

__all__ = ["BatchLog"]


class BatchLog:
    """Batches in `file`, oldest first. Not for use from several threads at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._size = 0
        self.points = 0
        """Points in the log, the replaced and removed ones too."""

    def replay(self) -> Iterator[Batch]:
        """Every whole batch; what follows the last of them, a write cut short, is dropped."""
        self._size = self.points = 0
        if not self._file.exists():
            return
        with self._file.open("rb") as stream:
            while len(header := stream.read(HEADER_BYTES)) == HEADER_BYTES:
                try:
                    batch = decode(header + stream.read(body_bytes(header)))
                except ValueError:
                    break
                self._size = stream.tell()
                self.points += len(batch.points)
                yield batch
        os.truncate(self._file, self._size)

    def append(self, batch: Batch) -> None:
        """Add `batch`, durable on return. Raises StorageError, and leaves the log as it was."""
        data = encode(batch)
        try:
            with self._file.open("ab") as stream:
                try:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                except OSError:
                    os.truncate(self._file, self._size)
                    raise
        except OSError as error:
            raise StorageError(f"cannot write {self._file}: {error.strerror or error}.") from error
        self._size += len(data)
        self.points += len(batch.points)

    def rewrite(self, batches: Iterable[Batch]) -> None:
        """Replace everything by `batches`: after a crash the log is the old one or the new one."""
        kept = list(batches)
        data = b"".join(map(encode, kept))
        try:
            replace_file(self._file, data)
        except OSError as error:
            raise StorageError(f"cannot write {self._file}: {error.strerror or error}.") from error
        self._size = len(data)
        self.points = sum(len(batch.points) for batch in kept)
