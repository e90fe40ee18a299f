"""What a program may do, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from asbuilt.errors import UserError

__all__ = ["Finished", "Mechanism", "Sandbox", "SandboxPolicy", "Stopped"]

Mechanism = Literal["landlock", "bubblewrap", "none"]
Sandbox = Literal["auto", "landlock", "bubblewrap", "none"]
Stopped = Literal["", "time", "output", "disk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPolicy:
    """One program's confines. Raises UserError for limits that are not above zero.

    It reads `readable` besides the folders of the system and of this Python, writes in `folder` only
    (which it starts in, and where nothing can be executed), and has the variables `env` besides PATH,
    HOME, TMPDIR and LANG. Without `network` it has no sockets.

    The limits: `timeout_s` on the wall clock, `cpu_s` of processor time and `memory_mib` of address
    space for each process, `file_mib` for each file, `folder_mib` for all of them (looked at five
    times a second), and `processes` at a time; with one, it can start threads but no program.
    """

    folder: Path
    readable: tuple[Path, ...] = ()
    network: bool = False
    timeout_s: float = 10.0
    cpu_s: int = 10
    memory_mib: int = 512
    file_mib: int = 16
    folder_mib: int = 64
    processes: int = 1
    open_files: int = 64
    env: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("timeout_s", "cpu_s", "memory_mib", "file_mib", "folder_mib", "processes", "open_files"):
            value = getattr(self, name)
            if not value > 0:
                raise UserError(f"{name} of a sandbox is {value!r}; it must be above 0.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a program ended. `exit_code` is minus the signal's number where a signal ended it.

    `stdout` and `stderr` hold the beginning of each, and `cut` says that there was more. `stopped` says
    why it was killed before its end: out of "time", for writing too much to its outputs ("output") or
    to its folder ("disk").
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    cut: bool
    stopped: Stopped
    mechanism: Mechanism

    @property
    def timed_out(self) -> bool:
        return self.stopped == "time"
