"""Plain typed functions as tools."""

from __future__ import annotations

import contextvars
import inspect
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any, Protocol, TypeVar, get_args, runtime_checkable

from pydantic_core import to_json
from sqlalchemy import Connection

from asbuilt.errors import InDoubtError, ToolError, UserError
from asbuilt.registry import component
from asbuilt.roles import Tool
from asbuilt.tools.arguments import Arguments, summary
from asbuilt.tools.daemon_threads import DaemonThreads
from asbuilt.types import Effect, ToolSpec

__all__ = ["TIMEOUT_S", "BackgroundTool", "FunctionTool", "ReconcilableTool", "TransactionalTool", "tool"]

Function = TypeVar("Function", bound=Callable[..., Any])

TIMEOUT_S = 10.0
MAX_RESULT_CHARS = 8_000
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_KEY = "idempotency_key"
_CONNECTION = "connection"
# A call that ran out of time still has its thread: this many, and the tool calls itself busy.
_MAX_RUNNING = 16
_threads = DaemonThreads(name="tool")


@runtime_checkable
class TransactionalTool(Tool, Protocol):
    """A tool whose effect is rows of the catalogue's database."""

    def call_in(self, connection: Connection, arguments: Mapping[str, Any], *, key: str = "") -> str:
        """As `call`, within a transaction that is committed together with the record of the call."""
        ...


@runtime_checkable
class ReconcilableTool(Tool, Protocol):
    """A tool that can find out what became of a call in doubt."""

    def reconcile(self, arguments: Mapping[str, Any], *, key: str = "") -> str | None:
        """The result of a call that took effect; None when it did not. Raises InDoubtError."""
        ...


@runtime_checkable
class BackgroundTool(Tool, Protocol):
    """A tool whose calls need no thread of the caller's to wait in."""

    @property
    def timeout_s(self) -> float:
        """The longest that a call may take."""
        ...

    def submit(self, arguments: Mapping[str, Any], *, key: str = "") -> Future[str]:
        """Begin a call. Raises ToolError for arguments that it does not take."""
        ...

    def result(self, future: Future[str]) -> str:
        """What `call` returns or raises, when the future is done or its time is over."""
        ...


class FunctionTool:
    """A function that a model may call.

    The name is `name` or the function's own, the description is the first paragraph of its
    docstring, and the arguments are its parameters (see `Arguments`). A string result is returned
    as it is, anything else as compact JSON, and no more than `max_result_chars` of it. A call takes
    `timeout_s` at most; the function of one that took longer runs on in its own thread, because
    threads cannot be stopped, so that a call that may change something is then in doubt.

    `effect` promises what a call may change. A function that raises ToolError did nothing; where any
    other exception comes from one that may change something, whether it did is in doubt.

    A parameter `idempotency_key: str` is the key of the call, and no model sees it; an "idempotent"
    function that changes something elsewhere passes it on. `reconcile` takes the same arguments and
    finds out what became of a call in doubt: it returns the result of one that was done, None for one
    that was not, and raises InDoubtError when it cannot tell.

    Raises UserError for a function that cannot be a tool.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        effect: Effect = "external",
        reconcile: Callable[..., str | None] | None = None,
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
        if effect not in get_args(Effect):
            raise UserError(f"effect of {name!r} is {effect!r}; it must be one of {get_args(Effect)}.")
        self._function = function
        self._arguments = Arguments(
            function, given=(_KEY, _CONNECTION) if effect == "transactional" else (_KEY,)
        )
        self._spec = ToolSpec(name, description, self._arguments.schema)
        self._effect = effect
        self._reconcile = reconcile
        self.timeout_s = timeout_s
        self._max_result_chars = max_result_chars
        self._running = threading.BoundedSemaphore(_MAX_RUNNING)

    @property
    def spec(self) -> ToolSpec:
        return self._spec

    @property
    def effect(self) -> Effect:
        return self._effect

    def call(self, arguments: Mapping[str, Any], *, key: str = "") -> str:
        """Check `arguments`, run the function within its time, and return its result as text."""
        if self._effect == "transactional":
            raise UserError(
                f"{self._spec.name} is transactional: it runs only where a transaction is at hand, in a run."
            )
        future = self.submit(arguments, key=key)
        wait((future,), self.timeout_s)
        return self.result(future)

    def submit(self, arguments: Mapping[str, Any], *, key: str = "") -> Future[str]:
        """Check `arguments`, and begin a call in a thread of its own; `result` ends it."""
        values = self._arguments.parse(arguments)
        return self._begun(self._function, {**values, **self._keyed(self._function, key)})

    def result(self, future: Future[str]) -> str:
        """What a call gave that `submit` began, or the error that says why it gave nothing yet."""
        if not future.done():
            kind = ToolError if self._effect == "read" else InDoubtError
            raise kind(f"{self._spec.name} did not finish within {self.timeout_s:g} s.")
        error = future.exception()
        if isinstance(error, ToolError):
            raise error
        if error is not None:
            raise self._failed(error) from error
        return self._cut(future.result())

    def call_in(self, connection: Connection, arguments: Mapping[str, Any], *, key: str = "") -> str:
        """The call of a "transactional" tool, whose function has a parameter `connection`: what it
        writes is committed or not with the transaction, and it runs in this thread without a limit
        of time."""
        values = self._arguments.parse(arguments)
        try:
            result = self._function(**values, **self._keyed(self._function, key), connection=connection)
        except ToolError:
            raise
        except Exception as error:
            raise self._failed(error) from error
        return self._cut(_rendered(result))

    def reconcile(self, arguments: Mapping[str, Any], *, key: str = "") -> str | None:
        """What became of a call in doubt: its result, or None when it took no effect.

        Raises InDoubtError when that cannot be found out.
        """
        if self._reconcile is None:
            raise InDoubtError(f"{self._spec.name} has no way to find out what became of a call.")
        values = self._arguments.parse(arguments)
        values |= self._keyed(self._reconcile, key)
        try:
            found = self._reconcile(**values)
        except InDoubtError:
            raise
        except Exception as error:
            raise InDoubtError(f"{self._spec.name} could not find out: {error}.") from error
        return None if found is None else self._cut(_rendered(found))

    def _keyed(self, function: Callable[..., Any], key: str) -> dict[str, str]:
        return {_KEY: key} if _KEY in inspect.signature(function).parameters else {}

    def _begun(self, function: Callable[..., Any], values: Mapping[str, Any]) -> Future[str]:
        if not self._running.acquire(blocking=False):
            raise ToolError(f"{self._spec.name} is busy: {_MAX_RUNNING} calls are still running.")
        future: Future[str] = Future()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                future.set_result(_rendered(context.run(function, **values)))
            except BaseException as error:  # SystemExit too: command parsers raise it
                future.set_exception(error)
            finally:
                self._running.release()

        _threads.start(work)
        return future

    def _failed(self, error: BaseException) -> ToolError:
        kind = ToolError if self._effect in ("read", "transactional") else InDoubtError
        return kind(self._cut(f"{self._spec.name} failed: {type(error).__name__}: {error}"))

    def _cut(self, text: str) -> str:
        limit = self._max_result_chars
        if len(text) <= limit:
            return text
        return f"{text[:limit]}\n[cut: the first {limit} of {len(text)} characters]"


def tool(
    name: str, *, effect: Effect = "external", reconcile: Callable[..., str | None] | None = None
) -> Callable[[Function], Function]:
    """Register a function as the component ``tool/name``; the function itself stays as it is.

    >>> @tool("price", effect="read")
    ... def price(service: str) -> float:
    ...     '''Monthly price of a service in dollars.'''

    A blueprint names it after `policy.allow_imports` lets in the function's module; `timeout_s`
    and `max_result_chars` are its config. Raises UserError for a function that cannot be a tool.
    """

    def register(function: Function) -> Function:
        description = FunctionTool(function, name=name, effect=effect).spec.description

        class RegisteredTool(FunctionTool):
            def __init__(
                self, *, timeout_s: float = TIMEOUT_S, max_result_chars: int = MAX_RESULT_CHARS
            ) -> None:
                super().__init__(
                    function,
                    name=name,
                    effect=effect,
                    reconcile=reconcile,
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
