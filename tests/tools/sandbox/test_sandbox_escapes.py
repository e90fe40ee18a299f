"""Attempts to get out, each a program that prints "escaped" when it succeeds.

Those that any user's program can do are also run unconfined, where they must succeed: an attempt that
fails by itself would prove nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from asbuilt.tools.sandbox import Finished, Mechanism, probe

Runs = Callable[..., Finished]

# The arguments of each are a file outside and the process id of the test.
ORDINARY = {
    "read a file": "open(sys.argv[1]).read()",
    "list a folder": "os.listdir(os.path.dirname(sys.argv[1]))",
    "write a file": "open(sys.argv[1], 'a')",
    "create a file": "open(sys.argv[1] + '2', 'w')",
    "truncate by path": "os.truncate(sys.argv[1], 1)",
    "remove a file": "os.remove(sys.argv[1])",
    "make a folder": "os.mkdir(sys.argv[1] + '.d')",
    "move a file in": "os.rename(sys.argv[1], 'mine')",
    "move a file out": "open('a', 'w').close(); os.rename('a', sys.argv[1] + '3')",
    "link a file": "os.link(sys.argv[1], 'hard'); open('hard').read()",
    "read through a symbolic link": "os.symlink(sys.argv[1], 'soft'); open('soft').read()",
    "write through a symbolic link": "os.symlink(os.path.dirname(sys.argv[1]), 'd'); open('d/new', 'w')",
    "go up": "open('../outside/secret.txt').read()",
    "read the environment of the parent": "open(f'/proc/{sys.argv[2]}/environ', 'rb').read()",
    "list the files of the parent": "os.listdir(f'/proc/{sys.argv[2]}/fd')",
    "signal the parent": "os.kill(int(sys.argv[2]), 0)",
    "limit the parent": "resource.prlimit(int(sys.argv[2]), resource.RLIMIT_NOFILE)",
    "move the parent": "p = int(sys.argv[2]); os.sched_setaffinity(p, os.sched_getaffinity(p))",
    "slow the parent": "p = int(sys.argv[2]); os.setpriority(0, p, os.getpriority(0, p))",
    "be traced": "assert libc.ptrace(0, 0, 0, 0) == 0, 'ptrace'",
    "start a process": "pid = os.fork(); pid or os._exit(0); os.wait()",
    "memory outside the limits": "os.memfd_create('x')",
    "memory shared with others": "assert libc.shmget(0, 4096, 0o600) >= 0, 'shmget'",
    "watch a folder": (
        "d = os.path.dirname(sys.argv[1]).encode(); f = libc.inotify_init(); "
        "assert libc.inotify_add_watch(f, d, 2) >= 0, 'inotify'"
    ),
    "TCP": "socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
    "UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "IPv6": "socket.socket(socket.AF_INET6, socket.SOCK_STREAM)",
    "a Unix socket": "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
}

# What some machines do not let a user do even unconfined.
RARE = {
    "read the memory of the parent": "open(f'/proc/{sys.argv[2]}/mem', 'rb')",
    "trace the parent": "assert libc.ptrace(16, int(sys.argv[2]), 0, 0) == 0, 'ptrace'",
    "its own user namespace": "assert libc.unshare(0x10000000) == 0, 'unshare'",
    "mount": "assert libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0, 'mount'",
    "change root": "os.chroot('.')",
    "io_uring": "assert libc.syscall(425, 1, ctypes.create_string_buffer(120)) >= 0, 'io_uring'",
    "a page fault handler": "assert libc.syscall({'x86_64': 323}.get(os.uname().machine, 282), 1) >= 0, 'u'",
    "keys": "assert libc.syscall({'x86_64': 250}.get(os.uname().machine, 219), 0, -3, 1) >= 0, 'keyctl'",
    "another thread's descriptors": "os.pidfd_open(int(sys.argv[2]))",
    "a later system call": "assert libc.syscall(457, 0, 0, 0, 0) >= 0, 'statmount'",
    "not to die with the parent": "assert libc.prctl(1, 0, 0, 0, 0) == 0, 'prctl'",
    "a new session": "os.setsid()",
    "own a file": "os.chown('.', os.getuid(), os.getgid())",
}

_HEAD = "import ctypes, os, resource, socket, sys; libc = ctypes.CDLL(None, use_errno=True)\n"


@pytest.mark.parametrize("attempt", ORDINARY.values(), ids=ORDINARY.keys())
def test_any_program_can_do_it(attempt: str, run_code: Runs, folder: Path) -> None:
    secret = folder.parent / "outside" / "secret.txt"
    finished = run_code(f"{_HEAD}{attempt}\nprint('escaped')", secret, os.getpid(), sandbox="none")
    assert finished.stdout == b"escaped\n", finished.stderr


@pytest.mark.parametrize("attempt", (ORDINARY | RARE).values(), ids=(ORDINARY | RARE).keys())
def test_a_confined_program_cannot(attempt: str, run_code: Runs, folder: Path, mechanism: Mechanism) -> None:
    outside = folder.parent / "outside"
    finished = run_code(
        f"{_HEAD}print('started', flush=True)\n{attempt}\nprint('escaped')",
        outside / "secret.txt",
        os.getpid(),
        sandbox=mechanism,
    )
    assert finished.stdout == b"started\n"
    assert finished.exit_code == 1, finished
    assert [path.name for path in outside.iterdir()] == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == "a secret"


@pytest.mark.skipif(bool(probe().landlock), reason=probe().landlock)
@pytest.mark.parametrize("abi", [1, 3, 4])
@pytest.mark.parametrize("attempt", ORDINARY.values(), ids=ORDINARY.keys())
def test_nor_with_the_landlock_of_an_older_kernel(
    attempt: str, abi: int, run_code: Runs, folder: Path
) -> None:
    secret = folder.parent / "outside" / "secret.txt"
    finished = run_code(
        f"{_HEAD}print('started', flush=True)\n{attempt}\nprint('escaped')",
        secret,
        os.getpid(),
        sandbox="landlock",
        support=replace(probe(), landlock_abi=min(abi, probe().landlock_abi)),
    )
    assert (finished.exit_code, finished.stdout) == (1, b"started\n")
    assert secret.read_text() == "a secret"


def test_modes_and_times_of_others_files_stay(run_code: Runs, folder: Path, mechanism: Mechanism) -> None:
    secret = folder.parent / "outside" / "secret.txt"
    before = secret.stat()
    code = "import os, sys\nfor change in (lambda p: os.chmod(p, 0o777), lambda p: os.utime(p, (1, 1))):\n"
    code += "    try: change(sys.argv[1])\n    except OSError: pass"
    assert run_code(code, secret, sandbox=mechanism).exit_code == 0
    after = secret.stat()
    assert (stat.S_IMODE(after.st_mode), after.st_mtime_ns) == (
        stat.S_IMODE(before.st_mode),
        before.st_mtime_ns,
    )


def test_only_what_the_policy_names_is_in_the_environment(
    run_code: Runs, folder: Path, mechanism: Mechanism, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", "hidden")
    code = "import os; print(sorted(os.environ), os.environ['HOME'])"
    finished = run_code(code, sandbox=mechanism, env={"GIVEN": "1"})
    assert b"'GIVEN'" in finished.stdout
    assert str(folder).encode() in finished.stdout
    assert b"API_TOKEN" not in finished.stdout


def test_no_descriptor_of_the_parent_is_inherited(run_code: Runs, folder: Path, mechanism: Mechanism) -> None:
    open_here = os.open(folder.parent / "outside" / "secret.txt", os.O_RDONLY)
    os.set_inheritable(open_here, True)
    try:
        code = "import os\nfor d in range(3, 256):\n    try: os.fstat(d); print(d)\n    except OSError: pass"
        finished = run_code(code, sandbox=mechanism)
    finally:
        os.close(open_here)
    assert (finished.exit_code, finished.stdout) == (0, b"")


def test_what_is_allowed_works(run_code: Runs, folder: Path, mechanism: Mechanism) -> None:
    named = folder.parent / "named"
    named.mkdir()
    (named / "data.txt").write_text("given")
    code = """
import os, shutil, socket, sys, tempfile, threading
with tempfile.TemporaryDirectory() as made:
    open(f"{made}/a", "w").write(open(sys.argv[1]).read())
    shutil.copy(f"{made}/a", "kept.txt")
thread = threading.Thread(target=print, args=("in a thread",), kwargs={"flush": True})
thread.start(); thread.join()
left, right = socket.socketpair()
left.send(b"over a pair"); print(right.recv(20).decode())
open("/dev/null", "w").write("x"); os.urandom(4)
"""
    finished = run_code(code, named / "data.txt", sandbox=mechanism, readable=(named,))
    assert (finished.stdout, finished.stderr) == (b"in a thread\nover a pair\n", b"")
    assert (folder / "kept.txt").read_text() == "given"


def test_what_is_readable_is_not_writable(run_code: Runs, folder: Path, mechanism: Mechanism) -> None:
    named = folder.parent / "named"
    named.mkdir()
    finished = run_code(
        "import sys; open(sys.argv[1] + '/x', 'w')", named, sandbox=mechanism, readable=(named,)
    )
    assert finished.exit_code == 1
    assert not any(named.iterdir())


def test_what_was_written_cannot_be_executed(run_code: Runs, folder: Path, mechanism: Mechanism) -> None:
    if mechanism == "bubblewrap":
        pytest.skip("bubblewrap mounts the folder as the machine does")
    code = """
import os
with os.fdopen(os.open("made", os.O_CREAT | os.O_WRONLY, 0o755), "w") as made:
    made.write("#!/bin/sh\\necho escaped\\n")
os.execv("./made", ["made"])
"""
    finished = run_code(code, sandbox=mechanism)
    assert (finished.exit_code, finished.stdout) == (1, b"")
    (folder / "made").unlink()
    assert run_code(code, sandbox="none").stdout == b"escaped\n"


def test_a_network_is_given_only_when_asked_for(run_code: Runs, mechanism: Mechanism) -> None:
    code = (
        "import socket; socket.socket(socket.AF_INET).close(); print('open'); socket.socket(socket.AF_UNIX)"
    )
    finished = run_code(code, sandbox=mechanism, network=True)
    assert finished.stdout == b"open\n"
    assert b"PermissionError" in finished.stderr
