"""Programs of an allow-list, run in the sandbox."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from asbuilt.errors import MissingError, ToolError, UserError
from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.tools.arguments import Arguments, summary
from asbuilt.tools.sandbox import Sandbox, SandboxPolicy, private_folder, probe, run_sandboxed
from asbuilt.tools.sandbox.report import reported
from asbuilt.types import Effect, ToolSpec

__all__ = ["CommandTool"]


@component("tool/command")
class CommandTool:
    """Runs one of `programs` with arguments that the model chooses, in a sandbox; there is no shell.

    A program is a name on the PATH or an absolute path; it may start `processes` less one others, has a
    folder of its own that is removed afterwards, and may read the system's folders and `readable`. With
    `sandbox: none` nothing confines it, and a call may change anything.
    """

    def __init__(
        self,
        *,
        programs: tuple[str, ...],
        timeout_s: float = 10.0,
        memory_mib: int = 512,
        processes: int = 1,
        readable: tuple[str, ...] = (),
        sandbox: Sandbox = "auto",
        max_result_chars: int = 8_000,
        name: str = "command",
    ) -> None:
        if not programs:
            raise UserError("programs of tool/command is empty.", hint="Name the programs that may be run.")
        self._timeout_s = timeout_s
        self._memory_mib = memory_mib
        self._processes = processes
        self._readable = tuple(Path(path).absolute() for path in readable)
        self._sandbox = sandbox
        self._max_result_chars = max_result_chars
        self._programs = {Path(program).name: program for program in programs}
        if len(self._programs) < len(programs):
            raise UserError(f"programs of tool/command has two of one name: {', '.join(programs)}.")

        def signature(program: str, arguments: list[str], text: str = "") -> None:
            """Run a program and see its output. It has no network, and no files are kept between calls.

            Args:
                program: Which one.
                arguments: Its arguments, one each; there is no shell.
                text: What it reads from its standard input.
            """

        signature.__annotations__["program"] = Literal[tuple(self._programs)]
        self._arguments = Arguments(signature)
        self._spec = ToolSpec(name, summary(signature), self._arguments.schema)

    demand = staticmethod(holds_nothing)

    def open(self) -> None:
        """Raises MissingError where the sandbox does not work or a program is not there."""
        probe().mechanism(self._sandbox)
        for program in self._programs.values():
            _found(program)

    @property
    def spec(self) -> ToolSpec:
        return self._spec

    @property
    def effect(self) -> Effect:
        return "external" if self._sandbox == "none" else "read"

    def call(self, arguments: Mapping[str, Any], *, key: str = "") -> str:
        """What the program wrote, and its exit code when that is not 0.

        Raises ToolError when it was stopped at a limit.
        """
        values = self._arguments.parse(arguments)
        words = [_found(self._programs[values["program"]]), *values["arguments"]]
        if any("\0" in word for word in words):
            raise ToolError("'arguments' holds a NUL character.")
        with private_folder() as folder:
            finished = run_sandboxed(
                words,
                policy=SandboxPolicy(
                    folder=folder,
                    readable=self._readable,
                    timeout_s=self._timeout_s,
                    cpu_s=max(1, round(self._timeout_s)),
                    memory_mib=self._memory_mib,
                    processes=self._processes,
                ),
                stdin=values["text"].encode(),
                sandbox=self._sandbox,
            )
        text = reported(finished, what=values["program"], max_chars=self._max_result_chars)
        if finished.stopped:
            raise ToolError(text)
        return text or f"{values['program']} wrote nothing."


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise MissingError(f"the program {program!r} is not there.", hint="Install it or name its path.")
    return str(Path(path).absolute())
