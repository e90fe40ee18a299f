"""Runs on disk: outcomes are appended as they come, so that an interrupted run goes on where it was.

.asbuilt/evaluation/RUN/
├── run.json        what was evaluated, on what, when; written first
├── outcomes.jsonl  a line for each case, appended and flushed as it is done
├── result.json     measurements and verdicts; only a finished run has it
└── report.html     the same for people
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from errno import EISDIR
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from filelock import FileLock, Timeout

from asbuilt.errors import NotFoundError, StorageError, UserError
from asbuilt.evaluation.load import LoadResult
from asbuilt.evaluation.outcome import Outcome

__all__ = ["Journal", "Runs", "ensure_writable", "write_whole"]

_RUN, _OUTCOMES, _RESULT, REPORT = "run.json", "outcomes.jsonl", "result.json", "report.html"
_LOAD = "load-"
_LOCK = "lock"
_ESCAPED = "backslashreplace"
"""Half of a surrogate pair, which a model may write, has no UTF-8; JSON reads its escape as the same."""
_NAME = re.compile(r"[0-9]{8}-[0-9]{6}(-[0-9]+)?", re.ASCII)


class Journal:
    """The outcomes of one run, remembered as they are added. Used in a `with` statement."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.outcomes: dict[tuple[str, str, str, str], Outcome] = {}
        self.loads: dict[str, LoadResult] = {}
        self._file: TextIO | None = None
        self._lock = FileLock(folder / _LOCK, thread_local=False)

    def __enter__(self) -> Self:
        """Raises StorageError when it cannot be written, or when another process writes it."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StorageError(
                f"another evaluation of the same thing is at work in {self.folder}.",
                hint="Wait for it, or start one of your own with --fresh.",
            ) from None
        except OSError as error:
            raise StorageError(f"cannot write {self.folder}: {error.strerror}.") from error
        file = self.folder / _OUTCOMES
        try:
            whole = 0
            if file.exists():
                for line in file.read_bytes().splitlines(keepends=True):
                    outcome = _outcome(line)
                    if outcome is None:  # the last line of a process that was killed
                        break
                    self.outcomes[outcome.key] = outcome
                    whole += len(line)
                os.truncate(file, whole)
            self._file = file.open("a", encoding="utf-8", errors=_ESCAPED)
            for done in self.folder.glob(f"{_LOAD}*.json"):
                load = LoadResult.from_json(json.loads(done.read_text(encoding="utf-8")))
                self.loads[load.load] = load
        except OSError as error:
            self._lock.release()
            raise StorageError(f"cannot write {file}: {error.strerror}.") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._lock.release()

    def add(self, outcome: Outcome) -> None:
        """Remember an outcome; it survives the process. Raises StorageError."""
        assert self._file is not None, "a journal is used in a with statement"
        try:
            self._file.write(json.dumps(outcome.to_json(), ensure_ascii=False, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise StorageError(f"cannot write {self._file.name}: {error.strerror}.") from error
        self.outcomes[outcome.key] = outcome

    def add_load(self, load: LoadResult) -> None:
        """Remember a load that ran to its end. Raises StorageError."""
        write_whole(self.folder / f"{_LOAD}{load.load}.json", _json(load.to_json()))
        self.loads[load.load] = load

    def finish(self, result: Mapping[str, Any], report: str) -> Path:
        """Write the result and the report; returns the report's file."""
        write_whole(self.folder / REPORT, report)
        write_whole(self.folder / _RESULT, _json(result))
        return self.folder / REPORT


class Runs:
    """All runs of a project, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Finished runs, oldest first."""
        return [name for name in self._all() if (self._folder / name / _RESULT).exists()]

    def latest(self, count: int) -> list[dict[str, Any]]:
        """Results of the last finished runs, oldest first, without any that cannot be read."""
        found = []
        for name in self.names()[-count:]:
            with suppress(StorageError):
                found.append(self.result(name))
        return found

    def result(self, name: str) -> dict[str, Any]:
        """The result of a finished run; "last" is the newest. Raises NotFoundError, StorageError."""
        names = self.names()
        if name == "last" and names:
            name = names[-1]
        if name not in names:
            known = f"Finished runs: {', '.join(names[-5:])}." if names else "No run is finished yet."
            raise NotFoundError(f"there is no finished run {name!r}.", hint=known)
        file = self._folder / name / _RESULT
        try:
            result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StorageError(f"{file} cannot be read: {error}.") from error
        return result

    def begin(self, about: Mapping[str, Any], *, fresh: bool = False) -> Journal:
        """A journal for a run of what `about` describes.

        The newest unfinished run with the same `about["fingerprint"]` goes on, unless `fresh`.
        """
        if not fresh:
            for name in reversed(self._all()):
                folder = self._folder / name
                if not (folder / _RESULT).exists() and _fingerprint(folder) == about["fingerprint"]:
                    return Journal(folder)
        try:
            folder = self._new_folder()
            write_whole(folder / _RUN, _json({"run": folder.name, **about}))
        except OSError as error:
            raise StorageError(f"cannot create {self._folder}: {error.strerror}.") from error
        return Journal(folder)

    def _all(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return sorted(each.name for each in self._folder.iterdir() if _NAME.fullmatch(each.name))

    def _new_folder(self) -> Path:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        for number in range(1, 100):
            folder = self._folder / (stamp if number == 1 else f"{stamp}-{number}")
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            return folder
        raise UserError(f"too many evaluations began in one second in {self._folder}.")


def write_whole(file: Path, text: str) -> None:
    """Write `text` so that a reader, or the next process after a kill, finds all of it or none.

    Raises StorageError.
    """
    aside = _aside(file)
    try:
        with aside.open("w", encoding="utf-8", errors=_ESCAPED) as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(file)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise _unwritable(file, error) from error


def ensure_writable(file: Path) -> None:
    """Raises StorageError when `file` could not be written; leaves nothing behind."""
    try:
        if file.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        aside = _aside(file)
        aside.touch()  # permissions alone do not tell: a file system may refuse all the same
        aside.unlink()
    except OSError as error:
        raise _unwritable(file, error) from error


def _aside(file: Path) -> Path:
    return file.with_name(f".{file.name}.{os.getpid()}.new")


def _unwritable(file: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write {file}: {error.strerror}.", hint="Choose another place, or free some space."
    )


def _outcome(line: bytes) -> Outcome | None:
    if not line.endswith(b"\n"):
        return None
    try:
        return Outcome.from_json(json.loads(line))
    except (ValueError, KeyError, TypeError):
        return None


def _fingerprint(folder: Path) -> str | None:
    try:
        found = json.loads((folder / _RUN).read_text(encoding="utf-8")).get("fingerprint")
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
