"""What is remembered in the state folder: calls that were seen, and the spans of the last requests.

Several processes may write at once. A disk that refuses raises OSError, and leaves what was there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from asbuilt.errors import StorageError
from asbuilt.tracing.trace import Trace

__all__ = ["Call", "add_calls", "add_traces", "read_calls"]

_CALLS, _SPANS, _OLDER_SPANS, _LOCK = "calls.json", "spans.jsonl", "spans.older.jsonl", ".tracing.lock"
_MOST_SPAN_BYTES = 4 * 2**20  # of each of the two files
_LOCK_WAIT_S = 4.0


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """`caller` and `callee` are names of components, `method` is the callee's."""

    caller: str
    callee: str
    method: str


def read_calls(state_folder: Path, *, since: str = "") -> tuple[str, frozenset[Call]] | None:
    """The digest of the blueprint that ran last, and the calls that were seen; None when none were.

    With `since` (ISO 8601 in UTC, to the second) only those that were seen from then on.
    Raises StorageError for a file that cannot be read.
    """
    file = state_folder / _CALLS
    try:
        digest, seen = _read(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{file} cannot be read: {error}.", hint="Delete it and serve again.") from error
    return digest, frozenset(call for call, (_, when) in seen.items() if when >= since)


def add_calls(state_folder: Path, *, digest: str, counts: Mapping[Call, int]) -> None:
    """Add `counts` to those in the file; calls of another design than `digest` are dropped from it.

    Raises OSError (TimeoutError where another process holds the files).
    """
    file = state_folder / _CALLS
    with _locked(state_folder):
        seen: dict[Call, tuple[int, str]] = {}
        try:
            written_for, before = _read(file)
            seen = before if written_for == digest else {}
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            pass  # not there yet, or not ours: it is replaced
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for call, count in counts.items():
            seen[call] = (seen.get(call, (0, ""))[0] + count, now)
        content = {"digest": digest, "calls": [_written(call, *seen[call]) for call in sorted(seen)]}
        aside = file.with_name(f".{file.name}.{os.getpid()}.new")
        try:
            aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            aside.replace(file)
        finally:
            aside.unlink(missing_ok=True)


def add_traces(state_folder: Path, traces: Sequence[Trace]) -> None:
    """Append a line for each. A full file becomes the older one.

    Raises OSError (TimeoutError where another process holds the files).
    """
    lines = "".join(json.dumps(trace.to_json()) + "\n" for trace in traces).encode()
    file = state_folder / _SPANS
    with _locked(state_folder):
        with file.open("ab", buffering=0) as stream:
            before = stream.tell()
            if stream.write(lines) < len(lines):  # the disk is full: no half lines
                stream.truncate(before)
                return
        if before + len(lines) > _MOST_SPAN_BYTES:
            file.replace(state_folder / _OLDER_SPANS)


def _locked(state_folder: Path) -> FileLock:
    if not state_folder.is_dir():  # the lock would make it
        raise FileNotFoundError(state_folder)
    # Its Timeout is a TimeoutError.
    return FileLock(state_folder / _LOCK, timeout=_LOCK_WAIT_S, poll_interval=0.01)


def _written(call: Call, count: int, seen: str) -> dict[str, Any]:
    return {
        "caller": call.caller,
        "callee": call.callee,
        "method": call.method,
        "count": count,
        "seen": seen,
    }


def _read(file: Path) -> tuple[str, dict[Call, tuple[int, str]]]:
    content = json.loads(file.read_text(encoding="utf-8"))
    return str(content["digest"]), {
        Call(each["caller"], each["callee"], each["method"]): (int(each["count"]), str(each["seen"]))
        for each in content["calls"]
    }
