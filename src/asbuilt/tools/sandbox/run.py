"""Runs one program in the best sandbox that works here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asbuilt.errors import MissingError, NotFoundError
from asbuilt.tools.sandbox.execution import execute
from asbuilt.tools.sandbox.policy import Finished, Sandbox, SandboxPolicy
from asbuilt.tools.sandbox.support import Support, probe

__all__ = ["run_sandboxed"]


def run_sandboxed(
    command: Sequence[str],
    *,
    policy: SandboxPolicy,
    stdin: bytes = b"",
    output_bytes: int = 65_536,
    sandbox: Sandbox = "auto",
    support: Support | None = None,
) -> Finished:
    """Run `command`, whose first word is the absolute path of a program, confined to `policy`.

    The program reads `stdin`, and at most `output_bytes` of each of its two outputs are kept. It and
    everything that it started are dead when this returns. With the sandbox "none", only the limits of
    time, memory and size and the clean environment hold. May be called from any thread.

    What Landlock leaves visible: that a path exists, and its size, owner and times.

    Raises MissingError where the sandbox asked for does not work (`support` says what does, by default
    `probe`), NotFoundError for a program or path that is not there, and WorldError where the confines
    could not be set up.
    """
    support = probe() if support is None else support
    mechanism = support.mechanism(sandbox)
    if mechanism == "bubblewrap" and policy.processes > 1 and os.getuid() == 0:
        raise MissingError(
            f"bubblewrap cannot limit root to {policy.processes} processes.", hint="Run as another user."
        )
    for path in (Path(command[0]), policy.folder, *policy.readable):
        if not path.is_absolute() or not path.exists():
            raise NotFoundError(f"{str(path)!r} for the sandbox must be an absolute path that exists.")
    return execute(
        command,
        policy=replace(policy, folder=policy.folder.resolve()),
        mechanism=mechanism,
        landlock_abi=support.landlock_abi,
        bwrap=support.bwrap,
        given=stdin,
        output_bytes=output_bytes,
    )
