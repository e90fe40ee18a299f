"""Which sandbox works on this machine, found out by trying."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from asbuilt.errors import MissingError, WorldError
from asbuilt.tools.sandbox.execution import execute
from asbuilt.tools.sandbox.launch import landlock_abi
from asbuilt.tools.sandbox.policy import Mechanism, Sandbox, SandboxPolicy

__all__ = ["Support", "probe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What works here: `landlock` and `bubblewrap` say why each does not, and are empty where it does.

    `landlock_abi` is the kernel's (0 for none), `bwrap` the path of bubblewrap's program.
    """

    landlock: str
    bubblewrap: str
    landlock_abi: int = 0
    bwrap: str = ""

    @property
    def best(self) -> Mechanism | None:
        """The mechanism that "auto" means; None where none works."""
        if not self.landlock:
            return "landlock"
        return "bubblewrap" if not self.bubblewrap else None

    def mechanism(self, sandbox: Sandbox) -> Mechanism:
        """The mechanism for `sandbox`. Raises MissingError where it does not work here."""
        if sandbox == "none":
            return "none"
        found = self.best if sandbox == "auto" else sandbox
        reasons = {"landlock": self.landlock, "bubblewrap": self.bubblewrap}
        if found is not None and not reasons[found]:
            return found
        asked = reasons if sandbox == "auto" else {sandbox: reasons[sandbox]}
        why = "; ".join(f"{name}: {reason}" for name, reason in asked.items())
        raise MissingError(
            f"no sandbox works here ({why}).",
            hint="Use Linux 5.13 or later with Landlock, install bubblewrap, or say `sandbox: none` in the "
            "config of the tool to run it unconfined.",
        )


@cache
def probe() -> Support:
    """Try each mechanism, once a process (about 0.1 s)."""
    abi = landlock_abi() if sys.platform == "linux" else 0
    bwrap = shutil.which("bwrap") or ""
    if sys.platform != "linux":
        landlock = bubblewrap = f"{platform.system()} is not Linux"
    else:
        landlock = _failure("landlock", abi=abi) if abi else "the kernel has none, or it is not enabled"
        bubblewrap = _failure("bubblewrap", bwrap=bwrap) if bwrap else "the program bwrap is not installed"
    return Support(landlock=landlock, bubblewrap=bubblewrap, landlock_abi=abi, bwrap=bwrap)


def _failure(mechanism: Mechanism, *, abi: int = 0, bwrap: str = "") -> str:
    """Why a program cannot be run by `mechanism`; empty when it can."""
    with tempfile.TemporaryDirectory() as folder:
        policy = SandboxPolicy(folder=Path(folder).resolve())
        check = [sys.executable, "-I", "-S", "-c", "import socket; socket.socket()"]
        try:
            finished = execute(check, policy=policy, mechanism=mechanism, landlock_abi=abi, bwrap=bwrap)
        except WorldError as error:
            return error.message
    if finished.stopped or b"PermissionError" not in finished.stderr:
        return "a program that it runs can open a socket"
    return ""
