from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from asbuilt.tools.sandbox import Finished, Mechanism, Sandbox, SandboxPolicy, Support, probe, run_sandboxed

Runs = Callable[..., Finished]


@pytest.fixture(params=["landlock", "bubblewrap"])
def mechanism(request: pytest.FixtureRequest) -> Mechanism:
    """Each mechanism that works on this machine."""
    reason = getattr(probe(), request.param)
    if reason:
        pytest.skip(f"{request.param}: {reason}")
    return cast(Mechanism, request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a confined program may write in; its sibling `outside` is not its own."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("a secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    return inside


@pytest.fixture
def run_code(folder: Path) -> Runs:
    """Runs Python code with arguments; keywords are the policy's."""

    def run(
        code: str, *arguments: object, sandbox: Sandbox, support: Support | None = None, **policy: Any
    ) -> Finished:
        return run_sandboxed(
            [sys.executable, "-I", "-S", "-c", code, *map(str, arguments)],
            policy=SandboxPolicy(folder=folder, **policy),
            sandbox=sandbox,
            support=support,
        )

    return run


@pytest.fixture
def run_shell(folder: Path) -> Runs:
    """Runs a line of shell; keywords are the policy's."""

    def run(line: str, *, sandbox: Sandbox, **policy: Any) -> Finished:
        return run_sandboxed(
            ["/bin/sh", "-c", line], policy=SandboxPolicy(folder=folder, **policy), sandbox=sandbox
        )

    return run
