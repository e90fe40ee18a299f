"""Plain typed functions as tools."""

from __future__ import annotations

import contextvars
import inspect
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from pydantic_core import to_json

from asbuilt.errors import ToolError, UserError
from asbuilt.registry import component
from asbuilt.tools.arguments import Arguments, summary
from asbuilt.types import ToolSpec

__all__ = ["TIMEOUT_S", "FunctionTool", "tool"]

Function = TypeVar("Function", bound=Callable[..., Any])

TIMEOUT_S = 10.0
MAX_RESULT_CHARS = 8_000
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# A call that ran out of time still has its thread: this many, and the tool calls itself busy.
_MAX_RUNNING = 16


class FunctionTool:
    """A function that a model may call.

    The name is `name` or the function's own, the description is the first paragraph of its
    docstring, and the arguments are its parameters (see `Arguments`). A string result is returned
    as it is, anything else as compact JSON, and no more than `max_result_chars` of it. `read_only`
    promises that a call changes nothing outside the process. A call takes `timeout_s` at most; the
    function of one that took longer runs on in its own thread, because threads cannot be stopped.

    Raises UserError for a function that cannot be a tool.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        read_only: bool = False,
        timeout_s: float = TIMEOUT_S,
        max_result_chars: int = MAX_RESULT_CHARS,
    ) -> None:
        name = name if name is not None else str(getattr(function, "__name__", ""))
        if not _NAME.fullmatch(name):
            raise UserError(f"tool name {name!r} must match {_NAME.pattern}.")
        if inspect.iscoroutinefunction(function):
            raise UserError(f"{name!r} cannot be a tool: its function is async; give a plain one.")
        description = summary(function)
        if not description:
            raise UserError(f"{name!r} cannot be a tool: its docstring must say what it does.")
        self._function = function
        self._arguments = Arguments(function)
        self._spec = ToolSpec(name, description, self._arguments.schema)
        self._read_only = read_only
        self._timeout_s = timeout_s
        self._max_result_chars = max_result_chars
        self._running = threading.BoundedSemaphore(_MAX_RUNNING)

    @property
    def spec(self) -> ToolSpec:
        return self._spec

    @property
    def read_only(self) -> bool:
        return self._read_only

    def call(self, arguments: Mapping[str, Any]) -> str:
        """Check `arguments`, run the function within its time, and return its result as text."""
        values = self._arguments.parse(arguments)
        if not self._running.acquire(blocking=False):
            raise ToolError(f"{self._spec.name} is busy: {_MAX_RUNNING} calls are still running.")
        future: Future[str] = Future()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                future.set_result(_rendered(context.run(self._function, **values)))
            except BaseException as error:  # SystemExit too: command parsers raise it
                future.set_exception(error)
            finally:
                self._running.release()

        # A daemon, so that a call that never returns does not keep the process alive.
        threading.Thread(target=work, name=f"tool {self._spec.name}", daemon=True).start()
        if not wait((future,), self._timeout_s).done:
            raise ToolError(f"{self._spec.name} did not finish within {self._timeout_s:g} s.")
        error = future.exception()
        if isinstance(error, ToolError):
            raise error
        if error is not None:
            failure = f"{self._spec.name} failed: {type(error).__name__}: {error}"
            raise ToolError(self._cut(failure)) from error
        return self._cut(future.result())

    def _cut(self, text: str) -> str:
        limit = self._max_result_chars
        if len(text) <= limit:
            return text
        return f"{text[:limit]}\n[cut: the first {limit} of {len(text)} characters]"


def tool(name: str, *, read_only: bool = False) -> Callable[[Function], Function]:
    """Register a function as the component ``tool/name``; the function itself stays as it is.

    >>> @tool("price", read_only=True)
    ... def price(service: str) -> float:
    ...     '''Monthly price of a service in dollars.'''

    A blueprint names it after `policy.allow_imports` lets in the function's module; `timeout_s`
    and `max_result_chars` are its config. Raises UserError for a function that cannot be a tool.
    """

    def register(function: Function) -> Function:
        description = FunctionTool(function, name=name, read_only=read_only).spec.description

        class RegisteredTool(FunctionTool):
            def __init__(
                self, *, timeout_s: float = TIMEOUT_S, max_result_chars: int = MAX_RESULT_CHARS
            ) -> None:
                super().__init__(
                    function,
                    name=name,
                    read_only=read_only,
                    timeout_s=timeout_s,
                    max_result_chars=max_result_chars,
                )

        RegisteredTool.__module__ = function.__module__
        RegisteredTool.__qualname__ = function.__qualname__
        RegisteredTool.__doc__ = description
        component(f"tool/{name}")(RegisteredTool)
        return function

    return register


def _rendered(value: Any) -> str:
    if isinstance(value, str):
        return value
    return to_json(value, fallback=str, inf_nan_mode="strings", bytes_mode="base64").decode()
