"""Runs one program behind the launcher and collects what it says."""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from asbuilt.errors import WorldError
from asbuilt.tools.sandbox.command import confined_command, environment
from asbuilt.tools.sandbox.policy import Finished, Mechanism, SandboxPolicy, Stopped

__all__ = ["execute"]

_MIB = 1024 * 1024
_FLOOD_BYTES = 16 * _MIB
_READ_BYTES = 65_536
_TICK_S = 0.05
_DISK_TICK_S = 0.2


def execute(
    command: Sequence[str],
    *,
    policy: SandboxPolicy,
    mechanism: Mechanism,
    landlock_abi: int = 0,
    bwrap: str = "",
    given: bytes = b"",
    output_bytes: int = 65_536,
) -> Finished:
    """Run `command` (see `confined_command`), with `given` on its standard input, until it ends or is
    stopped. All that it started is dead then. Raises WorldError when it could not be confined or run."""
    # Where others may be started, the launcher stays to end them all if this process is killed.
    stays = policy.processes > 1 and mechanism != "bubblewrap"
    with contextlib.ExitStack() as mine, tempfile.TemporaryFile() as source:
        source.write(given)
        source.seek(0)
        with contextlib.ExitStack() as theirs:
            ready, status = _pipe(reader=mine, writer=theirs)
            life = _pipe(reader=theirs, writer=mine)[0] if stays else -1
            behind = confined_command(
                command,
                policy=policy,
                mechanism=mechanism,
                status=status,
                life=life,
                bwrap=bwrap,
                landlock_abi=landlock_abi,
            )
            try:
                process = subprocess.Popen(
                    behind,
                    stdin=source if given else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=environment(policy),
                    pass_fds=(status, life) if stays else (status,),
                    start_new_session=True,
                )
            except OSError as error:
                raise WorldError(f"the sandbox cannot be started: {error}.") from error
        watched = _Watched(process, policy, output_bytes)
        stopped = watched.wait()
        said = os.read(ready, _READ_BYTES)
    if said != b"+" and not (stopped and not said):
        reason = said.removeprefix(b"+") or watched.stderr or b"the launcher said nothing"
        shown = reason.decode(errors="replace").strip()
        raise WorldError(f"{command[0]} was not run: the sandbox ({mechanism}) failed: {shown}.")
    return Finished(
        exit_code=process.returncode,
        stdout=bytes(watched.stdout),
        stderr=bytes(watched.stderr),
        cut=watched.cut,
        stopped=stopped,
        mechanism=mechanism,
    )


def _pipe(*, reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
    """A pipe, each end of which its stack closes."""
    ends = os.pipe()
    reader.callback(os.close, ends[0])
    writer.callback(os.close, ends[1])
    return ends


class _Watched:
    """A running process that leads its group: its outputs up to a size, and its limits as a whole."""

    def __init__(self, process: subprocess.Popen[bytes], policy: SandboxPolicy, output_bytes: int) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.cut = False
        self._process = process
        self._folder = policy.folder
        self._folder_bytes = policy.folder_mib * _MIB
        self._deadline = time.monotonic() + policy.timeout_s
        self._output_bytes = output_bytes
        self._seen_bytes = 0

    def wait(self) -> Stopped:
        """Until it ends; then kill what is left of its group. Says why it had to be stopped."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        with selectors.DefaultSelector() as selector, self._process.stdout, self._process.stderr:
            selector.register(self._process.stdout, selectors.EVENT_READ, self.stdout)
            selector.register(self._process.stderr, selectors.EVENT_READ, self.stderr)
            try:
                stopped = self._until_end(selector)
            finally:
                # The leader is not reaped yet, so that the group's number is still its own.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            while stopped != "output" and self._read(selector, 0.0):
                if self._seen_bytes > _FLOOD_BYTES:
                    break
        return stopped

    def _until_end(self, selector: selectors.BaseSelector) -> Stopped:
        next_look = time.monotonic() + _DISK_TICK_S
        while True:
            # At the end of both outputs there is nothing to wait for but the process.
            if selector.get_map():
                self._read(selector, _TICK_S)
            else:
                time.sleep(0.001)
            if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return "disk" if _size(self._folder) > self._folder_bytes else ""
            now = time.monotonic()
            if now > self._deadline:
                return "time"
            if self._seen_bytes > _FLOOD_BYTES:
                return "output"
            if now > next_look:
                if _size(self._folder) > self._folder_bytes:
                    return "disk"
                next_look = now + _DISK_TICK_S

    def _read(self, selector: selectors.BaseSelector, wait_s: float) -> bool:
        """Keep what is there now, of either output. Says whether there was anything."""
        found = selector.select(wait_s)
        for key, _ in found:
            stream: IO[bytes] = key.fileobj  # type: ignore[assignment]  # it was registered as one
            data = os.read(stream.fileno(), _READ_BYTES)
            if not data:
                selector.unregister(stream)
            kept: bytearray = key.data
            room = self._output_bytes - len(kept)
            kept += data[:room]
            self.cut = self.cut or len(data) > room
            self._seen_bytes += len(data)
        return bool(found)


def _size(folder: Path) -> float:
    """Bytes on the disk of what is in `folder`, 1 KiB at least for each entry; infinite where that
    cannot be seen, because what is too deep or not to be listed would hide any size."""
    total = 0
    folders = [str(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    total += max(entry.stat(follow_symlinks=False).st_blocks * 512, 1024)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except FileNotFoundError:
            continue  # it was removed meanwhile
        except OSError:
            return math.inf
    return total
