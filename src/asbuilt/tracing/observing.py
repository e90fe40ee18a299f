"""Components under observation: their public methods, wrapped on the instance.

Who calls is known from the context: while a component works, it is the current one, in its threads
and streams too. So a call is seen whether it goes through a declared need or around it.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from copy import copy
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar

from asbuilt.tracing.files import Call
from asbuilt.tracing.recorder import Recorder
from asbuilt.tracing.trace import Here, Span, here
from asbuilt.types import Finished

__all__ = ["observe", "unobserved"]

T = TypeVar("T")

_LIFE = ("open", "close")  # called by the system


def observe(part: object, *, name: str, recorder: Recorder) -> None:
    """Wrap the public methods of `part`, on this instance only.

    One that has no room for that (a class with `__slots__`) is left alone.
    """
    for method in dir(type(part)):
        if (
            not method.startswith("_")
            and method not in _LIFE
            and inspect.isfunction(inspect.getattr_static(type(part), method))
        ):
            try:
                # Past the class's own __setattr__: frozen dataclasses are components too.
                object.__setattr__(part, method, _wrapped(getattr(part, method), name, method, recorder))
            except AttributeError:
                return


def unobserved(part: T) -> T:
    """A copy of `part` that nobody observes, for example to be sent to another process."""
    bare = copy(part)
    for name in list(getattr(bare, "__dict__", ())):
        if inspect.isfunction(inspect.getattr_static(type(bare), name, None)):
            object.__delattr__(bare, name)
    return bare


def _wrapped(original: Callable[..., Any], name: str, method: str, recorder: Recorder) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(original):

        @wraps(original)
        async def coroutine(*args: Any, **keywords: Any) -> Any:
            if here.get().component == name:
                return await original(*args, **keywords)
            work = _Work(name, method, recorder)
            try:
                with work:
                    return await original(*args, **keywords)
            finally:
                work.end()

        return coroutine

    @wraps(original)
    def call(*args: Any, **keywords: Any) -> Any:
        if here.get().component == name:  # what it does for itself is no call
            return original(*args, **keywords)
        work = _Work(name, method, recorder)
        streams = False
        try:
            with work:
                result = original(*args, **keywords)
            streams = isinstance(result, AsyncIterator)
        finally:
            if not streams:
                work.end()
        return _stream(result, work) if streams else result

    return call


async def _stream(items: AsyncIterator[Any], work: _Work) -> AsyncIterator[Any]:
    """`items`, each step entered on its own: between two of them the consumer works, not the component."""
    step, inside, enter, leave = items.__anext__, work.inside, here.set, here.reset
    try:
        while True:
            token = enter(inside)  # `with work` in words that cost half: this runs for each token of text
            try:
                item = await step()
            except StopAsyncIteration:
                return
            except Exception:
                work.failed = True
                raise
            finally:
                leave(token)
            if type(item) is Finished:
                work.finished = item
            yield item
    finally:
        try:
            with work:
                if close := getattr(items, "aclose", None):
                    await close()
        finally:
            work.end()


class _Work:
    """One call of a component, counted when made, and its span. Inside, the component is the current one;
    a stream goes in and out with every step."""

    def __init__(self, name: str, method: str, recorder: Recorder) -> None:
        before = here.get()
        if before.component is not None:
            recorder.saw(Call(before.component, name, method))
        self._name = name
        self._method = method
        self._before = before
        trace = before.trace
        self._at = None if trace is None else trace.begin()
        self._start_ms = 0.0 if trace is None else trace.now_ms()
        self.inside = Here(name, trace, before.span if self._at is None else self._at)
        self.failed = False
        self.finished: Finished | None = None

    def __enter__(self) -> None:
        self._token = here.set(self.inside)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        here.reset(self._token)
        self.failed = self.failed or isinstance(error, Exception)  # leaving early is no failure

    def end(self) -> None:
        """The span is over."""
        trace, at = self._before.trace, self._at
        if trace is None or at is None:
            return
        ms = round(trace.now_ms() - self._start_ms, 3)
        answer: tuple[int | None, int | None, str] = (None, None, "")
        if done := self.finished:
            answer = (done.usage.prompt_tokens, done.usage.completion_tokens, done.model)
        parent = self._before.span
        trace.spans[at] = Span(self._name, self._method, parent, self._start_ms, ms, self.failed, *answer)
