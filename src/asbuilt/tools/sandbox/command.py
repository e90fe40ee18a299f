"""The command line that runs another, confined."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from asbuilt.tools.sandbox import launch
from asbuilt.tools.sandbox.policy import Mechanism, SandboxPolicy

__all__ = ["confined_command", "environment"]

_MIB = 1024 * 1024
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives"),
)
_NETWORK = (
    *("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services"),
    *("/etc/ssl", "/etc/pki", "/etc/ca-certificates"),
)
_PYTHON = ("bin", "lib", "lib64", "pyvenv.cfg")
_LAUNCHER = str(Path(launch.__file__).resolve())


def environment(policy: SandboxPolicy) -> dict[str, str]:
    """All the variables of the program; nothing of this process is inherited."""
    folder = str(policy.folder)
    kept = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8"}
    # Numerical libraries else start a thread for each core, and each takes address space.
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return {**kept, **single, **policy.env}


def confined_command(
    command: Sequence[str],
    *,
    policy: SandboxPolicy,
    mechanism: Mechanism,
    status: int,
    life: int,
    bwrap: str,
    landlock_abi: int,
) -> list[str]:
    """`command`, whose first word is an absolute path, behind the launcher (see `launch`).

    The launcher says on the descriptor `status` how it went, and with `life` (-1 for none) all dies when
    the other end of that closes. With "bubblewrap" it is behind the program `bwrap` as well.
    """
    readable = _readable(command[0], policy)
    order: launch.Order = {
        "landlock": landlock_abi if mechanism == "landlock" else 0,
        "seccomp": mechanism != "none",
        "network": policy.network,
        "processes": policy.processes,
        "readable": readable,
        "folder": str(policy.folder),
        "cpu_s": policy.cpu_s,
        "memory_bytes": policy.memory_mib * _MIB,
        "file_bytes": policy.file_mib * _MIB,
        "open_files": policy.open_files,
        "parent": 0 if mechanism == "bubblewrap" else os.getpid(),
        "life": life,
        "status": status,
    }
    launched = [sys.executable, "-I", "-S", _LAUNCHER, launch.worded(order), *command]
    if mechanism != "bubblewrap":
        return launched
    inside = [bwrap, "--unshare-all", "--die-with-parent", "--proc", "/proc", "--dev", "/dev"]
    if policy.network:
        inside.append("--share-net")
    bound: list[str] = []
    for path in (*readable, _LAUNCHER):
        if not any(Path(path).is_relative_to(other) for other in bound):
            inside += ["--ro-bind", path, path]
            bound.append(path)
    folder = str(policy.folder)
    # What bubblewrap makes up lies in memory, which no limit counts: nothing is written there.
    sealed = ["--remount-ro", "/dev", "--remount-ro", "/"]
    return [*inside, "--bind", folder, folder, *sealed, "--", *launched]


def _readable(program: str, policy: SandboxPolicy) -> list[str]:
    # Parts only: the folder that Python was installed in may be anyone's home.
    prefixes = (sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix))
    python = (f"{prefix}/{part}" for prefix in prefixes for part in _PYTHON)
    optional = (*_SYSTEM, *python, *(_NETWORK if policy.network else ()))
    paths = [path for path in dict.fromkeys(optional) if Path(path).exists()]
    named = [program, *(str(path.resolve()) for path in policy.readable)]
    return list(dict.fromkeys([*paths, *named]))
