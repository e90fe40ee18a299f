"""The files that the arguments of an ingestion mean, and their bytes.

Nothing here opens a file that is not regular, follows a link out of its root, or stops at one bad
entry: what must not be read is listed with its problem, what is left out by rule with its reason.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from asbuilt.errors import AsbuiltError, LimitError, NotFoundError, ReadError, UnsafePathError, UserError

__all__ = ["MAX_FILE_BYTES", "Candidate", "Skipped", "SourceFile", "Sources", "find_sources", "read_bytes"]

MAX_FILE_BYTES = 50 * 2**20

_MAGIC = re.compile(r"[*?\[]")
_VERSION_CONTROL = frozenset({"CVS", "_darcs"})  # the others' folders are hidden ones
_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """Something to read: its identity, its file name, and how to get its bytes.

    `problem` is set when it was refused before reading (too large, a link out of its root, ...).
    """

    source: str
    name: str
    load: Callable[[], bytes]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file to ingest.

    `source` is its identity: the absolute path, links resolved, with forward slashes. `shown` is
    the way to it from the argument as given. With a `problem` it must not be read.
    """

    source: str
    path: Path
    shown: str
    size: int = 0
    problem: AsbuiltError | None = None

    def to_read(self) -> SourceFile:
        """Its bytes are got when they are asked for."""
        problem = "" if self.problem is None else str(self.problem)
        return SourceFile(self.source, self.path.name, partial(read_bytes, self.path), problem)

    def load(self) -> bytes:
        """Its bytes. Raises ReadError, for its `problem` too."""
        if self.problem is not None:
            raise ReadError(str(self.problem))
        return read_bytes(self.path)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something left out by rule rather than for a fault."""

    shown: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Candidates in order of `source`, each once.

    `listed` are the folders given as arguments whose content could be listed to the last folder:
    what lies below them and is not among `files` is not there.
    """

    files: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...]
    listed: tuple[str, ...]


def find_sources(
    arguments: Iterable[str | Path],
    *,
    roots: Sequence[Path] | None = None,
    max_file_bytes: int = MAX_FILE_BYTES,
) -> Sources:
    """Expand files, folders (with all that is below) and globs (``**`` included) into candidates.

    Hidden entries and version control folders are skipped, unless an argument names them itself.
    With `roots`, every argument must lie in one of them and name nothing hidden; without, each
    argument is its own root. A link is followed only within its root.

    Raises NotFoundError for an argument that does not exist, UserError for a glob that matches
    nothing, and UnsafePathError for an argument outside of `roots`. All else is in the result.
    """
    search = _Search(max_file_bytes)
    allowed = None if roots is None else [root.resolve() for root in roots]
    listed = []
    for argument in map(str, arguments):
        start, pattern = _split(argument)
        top, root = _anchor(start, allowed, argument)
        if pattern:
            matches = _matches(top, pattern, argument)
            for match in matches:
                search.visit(match, str(start / match.relative_to(top)), root)
        elif search.visit(top, argument, root) and top.is_dir():
            listed.append(top.as_posix())
    return Sources(
        files=tuple(sorted(search.files.values(), key=lambda candidate: candidate.source)),
        skipped=tuple(search.skipped),
        listed=tuple(listed),
    )


def read_bytes(path: str | Path, *, max_file_bytes: int = MAX_FILE_BYTES) -> bytes:
    """The content of a regular file.

    Raises ReadError when it cannot be opened, has become a link or a special file, is over the
    limit, or changes or vanishes while it is read.
    """
    # Not blocking: the file may have become a FIFO since it was listed.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise ReadError(f"{str(path)!r} is {_kind(before)}; only regular files are read.")
            if before.st_size > max_file_bytes:
                raise ReadError(_too_large(str(path), before.st_size, max_file_bytes))
            data = file.read(before.st_size + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise ReadError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    if after.st_nlink == 0:
        raise ReadError(f"{str(path)!r} was deleted while it was read.")
    if (len(data), after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise ReadError(f"{str(path)!r} changed while it was read.", hint="Ingest it again.")
    return data


class _Search:
    """What has been found so far, and which folders have been listed."""

    def __init__(self, max_file_bytes: int) -> None:
        self.files: dict[str, Candidate] = {}
        self.skipped: list[Skipped] = []
        self._max_file_bytes = max_file_bytes
        self._folders: set[tuple[int, int]] = set()

    def visit(self, path: Path, shown: str, root: Path) -> bool:
        """Take in a file, or a folder with all that is below; False when a folder could not be listed."""
        complete = True
        stack = [(path, shown)]
        while stack:
            path, shown = stack.pop()
            try:
                if path.is_symlink():
                    target = path.resolve(strict=True)
                    if not target.is_relative_to(root):
                        raise UnsafePathError(f"{shown!r} is a link that leads out of {str(root)!r}.")
                    if _is_hidden(target.relative_to(root)):
                        self.skipped.append(Skipped(shown, "a link to something hidden"))
                        continue
                    path = target
                status = path.stat()
                if not stat.S_ISDIR(status.st_mode):
                    self._add_file(path, shown, status)
                    continue
            except UnsafePathError as error:
                self._add(path, shown, problem=error)
                continue
            except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
                self._add(path, shown, problem=ReadError(f"{shown!r} cannot be reached: {_reason(error)}."))
                continue
            try:
                stack.extend(self._below(path, shown, status))
            except OSError as error:
                complete = False
                self._add(path, shown, problem=ReadError(f"{shown!r} cannot be listed: {_reason(error)}."))
        return complete

    def _below(self, folder: Path, shown: str, status: os.stat_result) -> list[tuple[Path, str]]:
        identity = (status.st_dev, status.st_ino)
        if identity in self._folders:
            self.skipped.append(Skipped(shown, "a folder that is already listed"))
            return []
        self._folders.add(identity)
        below = []
        for entry in sorted(folder.iterdir(), reverse=True):  # the stack turns the order around
            name = entry.name
            inside = f"{shown.rstrip('/')}/{name}"
            if name in _VERSION_CONTROL:
                self.skipped.append(Skipped(inside, "version control"))
            elif name.startswith("."):
                self.skipped.append(Skipped(inside, "hidden"))
            else:
                below.append((entry, inside))
        return below

    def _add_file(self, path: Path, shown: str, status: os.stat_result) -> None:
        problem: AsbuiltError | None = None
        if not stat.S_ISREG(status.st_mode):
            problem = ReadError(f"{shown!r} is {_kind(status)}; only regular files are read.")
        elif status.st_size > self._max_file_bytes:
            problem = LimitError(_too_large(shown, status.st_size, self._max_file_bytes))
        self._add(path, shown, size=status.st_size, problem=problem)

    def _add(self, path: Path, shown: str, *, size: int = 0, problem: AsbuiltError | None = None) -> None:
        source = path.as_posix()
        try:
            source.encode()
        except UnicodeEncodeError:  # an undecodable name cannot be stored, shown or sent
            source, shown = (text.encode(errors="backslashreplace").decode() for text in (source, shown))
            problem = ReadError(f"{shown!r} has a name that is not UTF-8.", hint="Rename it.")
        self.files.setdefault(source, Candidate(source, path, shown, size, problem))


def _split(argument: str) -> tuple[Path, str]:
    """An existing path, or the folder and the pattern of a glob."""
    path = Path(argument)
    if os.path.lexists(path) or not _MAGIC.search(argument):
        return path, ""
    parts = path.parts
    literal = next(index for index, part in enumerate(parts) if _MAGIC.search(part))
    if ".." in parts[literal:]:
        raise UserError(f"{argument!r} goes up with '..' after a wildcard.", hint="Put '..' first.")
    return Path(*parts[:literal]), "/".join(parts[literal:])


def _anchor(start: Path, allowed: Sequence[Path] | None, argument: str) -> tuple[Path, Path]:
    """The resolved start of an argument, and the root that links below it must not leave."""
    missing = NotFoundError(f"no file or folder {argument!r}.")
    try:
        top = start.resolve()
        # Before existence: what lies outside is none of the caller's business.
        root = None if allowed is None else _root_of(top, allowed, argument)
        if not top.exists():
            raise missing
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name with a NUL
        raise missing from error
    return top, root or (top if top.is_dir() else top.parent)


def _root_of(top: Path, allowed: Sequence[Path], argument: str) -> Path:
    for root in allowed:
        if top.is_relative_to(root) and not _is_hidden(top.relative_to(root)):
            return root
    raise UnsafePathError(
        f"{argument!r} is hidden or lies outside of the allowed folders.",
        hint=f"Allowed: {', '.join(map(str, allowed)) or 'none'}.",
    )


def _matches(top: Path, pattern: str, argument: str) -> list[Path]:
    try:
        found = sorted(path for path in top.glob(pattern) if not _is_hidden(path.relative_to(top)))
    except ValueError as error:
        raise UserError(f"{argument!r} is not a valid pattern: {error}.") from error
    if not found:
        raise UserError(f"{argument!r} matches nothing.")
    return found


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith(".") or part in _VERSION_CONTROL for part in relative.parts)


def _kind(status: os.stat_result) -> str:
    return next((words for is_kind, words in _KINDS if is_kind(status.st_mode)), "a folder")


def _too_large(shown: str, size: int, limit: int) -> str:
    return f"{shown!r} has {size:,} bytes, over the limit of {limit:,} (max_file_bytes)."


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
