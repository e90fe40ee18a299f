"""Rows from files: JSON lines, CSV and Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from asbuilt.errors import MissingError, NotFoundError, StorageError, UserError
from asbuilt.lineage import TrainingRow
from asbuilt.registry import component, nearest
from asbuilt.resources.demand import holds_nothing
from asbuilt.training.rows import FaultyRow
from asbuilt.types import Message, Role

__all__ = ["Columns", "FileCollector"]

_MAX_CELL_CHARS = 10_000_000  # csv's own limit is 131,072


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file that rows are made from. A row has either `messages`, a list of objects with
    `role` and `content` (in CSV: as JSON), or `instruction` and `reply`, and perhaps a `context` that
    stands before the instruction."""

    messages: str = "messages"
    instruction: str = "instruction"
    context: str = "context"
    reply: str = "reply"
    worse: str = "worse"
    source: str = "source"

    @property
    def names(self) -> tuple[str, ...]:
        return (self.messages, self.instruction, self.context, self.reply, self.worse, self.source)


@component("collector/files")
class FileCollector:
    """Rows of `files`: ``.jsonl``, ``.csv`` or ``.parquet``, one after another.

    The other settings say what their columns are called (see `Columns`); other columns are not read.
    Rows without a source are each of their own. `system` becomes the first message of rows without
    a system message. A line that is no row is passed on as one to be rejected; a file that cannot be read,
    or has none of the columns, is an error.
    """

    def __init__(
        self,
        *,
        files: tuple[Path, ...],
        messages: str = "messages",
        instruction: str = "instruction",
        context: str = "context",
        reply: str = "reply",
        worse: str = "worse",
        source: str = "source",
        system: str = "",
    ) -> None:
        if not files:
            raise UserError("collector/files has no files.", hint="Name at least one under `files`.")
        self._files = files
        self._columns = Columns(messages, instruction, context, reply, worse, source)
        self._system = system

    demand = staticmethod(holds_nothing)

    def collect(self) -> Iterator[TrainingRow]:
        """Rows in the order of files and lines. Raises NotFoundError, StorageError, MissingError, and
        UserError for a file that is no data at all."""
        for file in self._files:
            read = _READ.get(file.suffix.lower())
            if read is None:
                raise UserError(f"{file} is of no kind that is read.", hint=f"Known: {', '.join(_READ)}.")
            if not file.is_file():
                raise NotFoundError(f"there is no file {file}.")
            found = False
            try:
                for line, values in read(file):
                    found = True
                    yield self._row(values, f"file:{file.name}:{line}")
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{file} is not UTF-8 text (byte {error.start}).", hint="Save it as UTF-8."
                ) from error
            except OSError as error:
                raise StorageError(f"cannot read {file}: {error.strerror or error}.") from error
            if not found:
                raise UserError(f"{file} has no rows.")

    def _row(self, values: object, origin: str) -> TrainingRow:
        columns = self._columns
        try:
            if not isinstance(values, Mapping):
                raise _NoRowError(values.why if isinstance(values, _NoJson) else "it is not an object")
            source = _text(values, columns.source, default="") or origin
            worse = _text(values, columns.worse, default=None)
            messages = self._messages(values)
        except _NoRowError as error:
            return FaultyRow((), origin, origin, fault=str(error))
        if self._system and (not messages or messages[0].role != "system"):
            messages = (Message("system", self._system), *messages)
        return TrainingRow(messages, source, origin, worse or None)

    def _messages(self, values: Mapping[str, Any]) -> tuple[Message, ...]:
        columns = self._columns
        if values.get(columns.messages) not in (None, ""):
            return _conversation(values[columns.messages], columns.messages)
        if columns.instruction not in values or columns.reply not in values:
            known = [name for name in values if nearest(name, columns.names)]
            like = f"; it has {', '.join(map(repr, known))}" if known else ""
            raise _NoRowError(
                f"it has neither {columns.messages!r} nor {columns.instruction!r} and {columns.reply!r}{like}"
            )
        instruction = _text(values, columns.instruction) or ""
        context = _text(values, columns.context, default="") or ""
        asked = f"{context}\n\n{instruction}" if context.strip() else instruction
        return (Message("user", asked), Message("assistant", _text(values, columns.reply) or ""))


class _NoRowError(Exception):
    """Why a line is no row, without its content: that may hold a secret."""


@dataclass(frozen=True, slots=True)
class _NoJson:
    why: str


def _text(values: Mapping[str, Any], name: str, *, default: str | None = "") -> str | None:
    value = values.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise _NoRowError(f"{name!r} is {type(value).__name__}, not text")
    return value


def _conversation(value: object, name: str) -> tuple[Message, ...]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _NoRowError(f"{name!r} is not JSON") from None
    if not isinstance(value, list):
        raise _NoRowError(f"{name!r} is {type(value).__name__}, not a list")
    messages = []
    for at, each in enumerate(value, start=1):
        if not isinstance(each, Mapping) or not isinstance(each.get("content"), str):
            raise _NoRowError(f"message {at} has no text as 'content'")
        if each.get("role") not in _ROLES:
            raise _NoRowError(f"the role of message {at} is none of {', '.join(_ROLES)}")
        messages.append(Message(cast(Role, each["role"]), each["content"]))
    return tuple(messages)


_ROLES = tuple(role for role in get_args(Role) if role != "tool")

# ---------------------------------------------------------------- formats: (line, its values)


def _jsonl(file: Path) -> Iterator[tuple[int, object]]:
    with file.open(encoding="utf-8-sig", newline="\n") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                place = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
                yield number, _NoJson(f"it is not JSON{place}")


def _csv(file: Path) -> Iterator[tuple[int, object]]:
    csv.field_size_limit(_MAX_CELL_CHARS)
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, strict=True)
        try:
            head = next(reader, [])
            if len(set(head)) < len(head):
                raise UserError(f"{file}:1: a column stands there twice.")
            before = reader.line_num
            for cells in reader:
                first, before = before + 1, reader.line_num
                if len(cells) == len(head):
                    yield first, dict(zip(head, cells, strict=True))
                elif cells:
                    yield first, _NoJson(f"it has {len(cells)} cells, the head has {len(head)}")
        except csv.Error as error:
            raise UserError(f"{file}:{reader.line_num}: not CSV ({error}).") from error


def _parquet(file: Path) -> Iterator[tuple[int, object]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingError(f"{file} needs pyarrow.", hint='pip install "asbuilt[parquet]"') from error
    number = 0
    try:
        with parquet.ParquetFile(file) as data:
            for batch in data.iter_batches():
                for values in batch.to_pylist():
                    number += 1
                    yield number, values
    except pyarrow.ArrowException as error:
        raise UserError(f"{file} is not Parquet, or damaged after row {number}.") from error


_READ: Mapping[str, Callable[[Path], Iterator[tuple[int, object]]]] = {
    ".jsonl": _jsonl,
    ".csv": _csv,
    ".parquet": _parquet,
}
