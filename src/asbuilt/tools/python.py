"""Python code that the model writes, run in the sandbox."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asbuilt.errors import ToolError
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.tools.arguments import Arguments, summary
from asbuilt.tools.sandbox import Sandbox, SandboxPolicy, private_folder, probe, run_sandboxed
from asbuilt.tools.sandbox.report import reported
from asbuilt.types import Effect, ToolSpec

__all__ = ["PythonTool"]


@component("tool/python")
class PythonTool:
    """Runs Python code that the model writes, in a sandbox (see `asbuilt.tools.sandbox`).

    The code has this Python with its packages, a folder of its own that is removed afterwards, and may
    read `readable`; it has no network and starts no programs. With `sandbox: none` nothing confines it,
    and a call may change anything.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 10.0,
        memory_mib: int = 512,
        readable: tuple[str, ...] = (),
        sandbox: Sandbox = "auto",
        max_result_chars: int = 8_000,
        name: str = "python",
    ) -> None:
        self._timeout_s = timeout_s
        self._memory_mib = memory_mib
        self._readable = tuple(Path(path).absolute() for path in readable)
        self._sandbox = sandbox
        self._max_result_chars = max_result_chars
        self._arguments = Arguments(_python)
        self._spec = ToolSpec(name, summary(_python), self._arguments.schema)

    demand = staticmethod(holds_nothing)

    def open(self) -> None:
        """Raises MissingError where the sandbox does not work."""
        probe().mechanism(self._sandbox)

    @property
    def spec(self) -> ToolSpec:
        return self._spec

    @property
    def effect(self) -> Effect:
        return "external" if self._sandbox == "none" else "read"

    def call(self, arguments: Mapping[str, Any], *, key: str = "") -> str:
        """What the code printed. Raises ToolError with the end of the traceback when it failed."""
        code = self._arguments.parse(arguments)["code"]
        with private_folder() as folder:
            script = folder / "main.py"
            script.write_text(code, encoding="utf-8")
            finished = run_sandboxed(
                [sys.executable, "-I", "-B", str(script)],
                policy=SandboxPolicy(
                    folder=folder,
                    readable=self._readable,
                    timeout_s=self._timeout_s,
                    cpu_s=max(1, round(self._timeout_s)),
                    memory_mib=self._memory_mib,
                ),
                sandbox=self._sandbox,
            )
        text = reported(finished, what="the code", max_chars=self._max_result_chars)
        if finished.exit_code != 0:
            raise ToolError(text)
        return text or "The code printed nothing."


def _python(code: str) -> None:
    """Run Python code and see what it prints. It has no network, and no files are kept between calls.

    Args:
        code: A whole program; print what you want to know.
    """
