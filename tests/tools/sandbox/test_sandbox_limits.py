from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from asbuilt.errors import MissingError, NotFoundError, UserError, WorldError
from asbuilt.tools.sandbox import (
    Finished,
    Mechanism,
    SandboxPolicy,
    Support,
    command,
    private_folder,
    probe,
    run_sandboxed,
)

Runs = Callable[..., Finished]

NOTHING = Support(landlock="the kernel has none", bubblewrap="the program bwrap is not installed")


def living_in(folder: Path) -> list[int]:
    """The processes whose working folder is `folder`."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").resolve(strict=True) == folder.resolve():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def gone(folder: Path, *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while living_in(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def several(mechanism: Mechanism) -> Mechanism:
    """A mechanism that lets this user start several processes."""
    if mechanism == "bubblewrap" and os.getuid() == 0:
        pytest.skip("bubblewrap cannot limit root's processes")
    return mechanism


def test_memory(run_code: Runs, mechanism: Mechanism) -> None:
    code = "bytearray(300 * 2**20); print('taken')"
    assert run_code(code, sandbox=mechanism, memory_mib=512).stdout == b"taken\n"
    refused = run_code(code, sandbox=mechanism, memory_mib=256)
    assert b"MemoryError" in refused.stderr


def test_memory_in_threads(run_code: Runs, mechanism: Mechanism) -> None:
    code = """
import threading
made = 0
try:
    while True:
        threading.Thread(target=threading.Event().wait, daemon=True).start(); made += 1
except RuntimeError:
    print(made)
    import os; os.kill(os.getpid(), 9)
"""
    finished = run_code(code, sandbox=mechanism, memory_mib=256, timeout_s=5)
    assert 0 <= int(finished.stdout or b"0") < 256


@pytest.mark.slow
def test_processor_time(run_code: Runs, mechanism: Mechanism) -> None:
    finished = run_code("while True: pass", sandbox=mechanism, cpu_s=1, timeout_s=5)
    assert finished.exit_code in (-signal.SIGXCPU, 128 + signal.SIGXCPU)
    assert not finished.timed_out


def test_wall_clock(run_code: Runs, mechanism: Mechanism) -> None:
    for sandbox in (mechanism, "none"):
        before = time.monotonic()
        finished = run_code(
            "import time; print('begun', flush=True); time.sleep(60)", sandbox=sandbox, timeout_s=0.4
        )
        assert (finished.timed_out, finished.stdout) == (True, b"begun\n")
        assert time.monotonic() - before < 5


def test_size_of_a_file(run_code: Runs, folder: Path, mechanism: Mechanism) -> None:
    finished = run_code("open('big', 'wb').write(bytes(2 * 2**20))", sandbox=mechanism, file_mib=1)
    assert b"File too large" in finished.stderr
    assert (folder / "big").stat().st_size <= 2**20


@pytest.mark.parametrize(
    "code",
    [
        "while True:\n    open(str(n), 'wb').write(bytes(2**19)); n += 1",
        "while True:\n    open(str(n), 'wb').close(); n += 1",
        "while True:\n    os.mkdir('d' * 99); os.chdir('d' * 99)\n    open('x', 'wb').write(bytes(2**19))",
    ],
    ids=["large files", "many files", "deep folders"],
)
def test_size_of_the_folder(code: str, run_code: Runs, folder: Path, mechanism: Mechanism) -> None:
    finished = run_code(f"import os\nn = 0\n{code}", sandbox=mechanism, folder_mib=4, timeout_s=10)
    assert finished.stopped == "disk"


def test_processes(run_shell: Runs, several: Mechanism) -> None:
    line = "for i in 1 2 3 4; do sleep 0.1 & done; wait; echo done"
    assert run_shell(line, sandbox=several, processes=5).stdout == b"done\n"
    assert b"fork" in run_shell(line, sandbox=several, processes=3).stderr.lower()


def test_a_fork_bomb_ends(run_shell: Runs, folder: Path, several: Mechanism) -> None:
    before = time.monotonic()
    run_shell("f() { f | f & }; f; sleep 60", sandbox=several, processes=8, timeout_s=0.5)
    assert time.monotonic() - before < 5
    assert gone(folder, within_s=1)


def test_all_that_was_started_is_dead_at_the_end(run_shell: Runs, folder: Path, several: Mechanism) -> None:
    finished = run_shell(
        "sleep 60 & setsid sleep 60 & sleep 0.1; echo left", sandbox=several, processes=8, timeout_s=5
    )
    assert finished.stdout == b"left\n"
    assert gone(folder, within_s=1)
    finished = run_shell("sleep 60 & sleep 60", sandbox=several, processes=8, timeout_s=0.3)
    assert finished.timed_out
    assert gone(folder, within_s=1)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 4])
def test_nothing_outlives_a_killed_parent(processes: int, folder: Path, mechanism: Mechanism) -> None:
    if processes > 1 and mechanism == "bubblewrap" and os.getuid() == 0:
        pytest.skip("bubblewrap cannot limit root's processes")
    command = ["/bin/sleep", "60"] if processes == 1 else ["/bin/sh", "-c", "sleep 60 & sleep 60"]
    script = (
        "from pathlib import Path; from asbuilt.tools.sandbox import *\n"
        f"policy = SandboxPolicy(folder=Path({str(folder)!r}), processes={processes}, timeout_s=60)\n"
        f"run_sandboxed({command!r}, policy=policy, sandbox={mechanism!r})"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 20
    while len(living_in(folder)) < (1 if processes == 1 else 3) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert living_in(folder)
    parent.kill()
    parent.wait()
    assert gone(folder, within_s=5)


def test_a_flood_of_output_is_cut(run_code: Runs, mechanism: Mechanism) -> None:
    finished = run_code("while True: print('x' * 100_000)", sandbox=mechanism, timeout_s=20)
    assert (finished.stopped, finished.cut, len(finished.stdout)) == ("output", True, 65_536)
    long = run_code("import sys; sys.stderr.write('y' * 100_000)", sandbox=mechanism)
    assert (long.exit_code, long.cut, long.stderr) == (0, True, b"y" * 65_536)


def test_a_program_that_closes_its_outputs_is_still_waited_for(
    run_code: Runs, folder: Path, mechanism: Mechanism
) -> None:
    code = "import os, time; os.close(1); os.close(2); time.sleep(0.1); open('end', 'w').close(); os._exit(7)"
    assert run_code(code, sandbox=mechanism).exit_code == 7
    assert (folder / "end").exists()


def test_input_larger_than_a_pipe(folder: Path, mechanism: Mechanism) -> None:
    finished = run_sandboxed(
        ["/usr/bin/wc", "-c"],
        policy=SandboxPolicy(folder=folder),
        stdin=bytes(300_000),
        sandbox=mechanism,
    )
    assert finished.stdout.strip() == b"300000"


def test_many_threads_at_once(tmp_path: Path, mechanism: Mechanism) -> None:
    def run(number: int) -> bytes:
        with private_folder() as folder:
            policy = SandboxPolicy(folder=folder)
            return run_sandboxed(["/bin/echo", str(number)], policy=policy, sandbox=mechanism).stdout

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(run, range(24))) == [f"{number}\n".encode() for number in range(24)]


def test_signals_are_as_the_program_expects(folder: Path, mechanism: Mechanism) -> None:
    finished = run_sandboxed(
        ["/bin/sh", "-c", "kill -PIPE $$; echo ignored"],
        policy=SandboxPolicy(folder=folder),
        sandbox=mechanism,
    )
    assert finished.exit_code in (-signal.SIGPIPE, 128 + signal.SIGPIPE)


@pytest.mark.parametrize("asked", ["auto", "landlock", "bubblewrap"])
def test_where_nothing_works_nothing_runs(asked: str, folder: Path) -> None:
    with pytest.raises(MissingError, match=r"no sandbox works here .*sandbox: none"):
        run_sandboxed(
            ["/usr/bin/touch", "made"],
            policy=SandboxPolicy(folder=folder),
            sandbox=asked,  # type: ignore[arg-type]
            support=NOTHING,
        )
    assert not any(folder.iterdir())


def test_unconfined_only_when_told_so(folder: Path) -> None:
    finished = run_sandboxed(
        ["/usr/bin/touch", "made"], policy=SandboxPolicy(folder=folder), sandbox="none", support=NOTHING
    )
    assert (finished.mechanism, finished.exit_code) == ("none", 0)


def test_auto_takes_landlock_first() -> None:
    assert Support(landlock="", bubblewrap="").mechanism("auto") == "landlock"
    assert Support(landlock="no", bubblewrap="").mechanism("auto") == "bubblewrap"
    with pytest.raises(MissingError, match="landlock: no"):
        Support(landlock="no", bubblewrap="").mechanism("landlock")


def test_a_launcher_that_fails_runs_nothing(
    folder: Path, mechanism: Mechanism, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_LAUNCHER", str(folder.parent / "missing.py"))
    with pytest.raises(WorldError, match=r"was not run: .*missing\.py"):
        run_sandboxed(["/usr/bin/touch", "made"], policy=SandboxPolicy(folder=folder), sandbox=mechanism)
    assert not any(folder.iterdir())


def test_a_program_that_cannot_be_executed_is_said(folder: Path, mechanism: Mechanism) -> None:
    text = folder / "text"
    text.write_text("no program")
    with pytest.raises(WorldError, match="text was not run"):
        run_sandboxed([str(text)], policy=SandboxPolicy(folder=folder), sandbox=mechanism)


def test_bad_input_is_said(folder: Path, tmp_path: Path) -> None:
    policy = SandboxPolicy(folder=folder)
    with pytest.raises(NotFoundError, match="'echo'"):
        run_sandboxed(["echo"], policy=policy, support=probe(), sandbox="none")
    with pytest.raises(NotFoundError, match="missing"):
        run_sandboxed(
            ["/bin/echo"],
            policy=SandboxPolicy(folder=folder, readable=(tmp_path / "missing",)),
            sandbox="none",
        )
    with pytest.raises(UserError, match="timeout_s of a sandbox is 0"):
        SandboxPolicy(folder=folder, timeout_s=0)


def test_a_private_folder_is_gone_whatever_is_in_it() -> None:
    with private_folder() as folder:
        assert (folder.stat().st_mode & 0o777) == 0o700
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import os\n"
                "os.mkdir('shut'); open('shut/a', 'w').close(); os.symlink('/usr', 'shut/out')\n"
                "os.chmod('shut', 0o300)\n"
                "for _ in range(3000): os.mkdir('d'); os.chdir('d')",
            ],
            cwd=folder,
            check=True,
        )
    assert not folder.exists()
    assert Path("/usr/bin").is_dir()
