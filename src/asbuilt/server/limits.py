"""How much one request may bring, and how many may run at a time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asbuilt.server.errors import problem

__all__ = ["Gate", "LimitMiddleware", "RouteLimits"]

_WAITING_PER_SLOT = 8
_BODY_PAUSE_S = 30.0  # a client that sends nothing of its body for so long is given up


class Gate:
    """At most `slots` requests inside; others wait up to `wait_s`, and a few of them only."""

    def __init__(self, *, slots: int, wait_s: float) -> None:
        self._free = asyncio.Semaphore(slots)
        self.slots = slots
        self._wait_s = wait_s
        self.waiting = 0
        self.running = 0

    @property
    def retry_after(self) -> int:
        """Seconds after which a refused client may try again."""
        return max(1, math.ceil(self._wait_s))

    async def enter(self) -> bool:
        """Wait for a slot; False when there is none in time, or too many wait already."""
        if self._free.locked() and self.waiting >= self.slots * _WAITING_PER_SLOT:
            return False
        self.waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            return False
        finally:
            self.waiting -= 1
        self.running += 1
        return True

    def leave(self) -> None:
        """Give the slot back."""
        self.running -= 1
        self._free.release()


@dataclass(frozen=True, slots=True)
class RouteLimits:
    """Largest body in bytes, and the gate that requests of a route pass."""

    max_body: int
    gate: Gate | None = None


class LimitMiddleware:
    """ASGI middleware that holds requests to the limits of their path.

    A body is counted as it arrives, so that one without Content-Length has no more room. It is not
    read before its request is inside the gate.
    """

    def __init__(self, app: ASGIApp, *, routes: Mapping[str, RouteLimits], default: RouteLimits) -> None:
        self._app = app
        self._routes = routes
        self._default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        limits = self._routes.get(path, self._default)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > limits.max_body:
            error = _too_large(limits.max_body)
            response = problem(path, error.status_code, error.detail, headers=error.headers)
            await response(scope, receive, send)
            return
        bounded = _BoundedBody(receive, limits.max_body)
        if limits.gate is None:
            await self._app(scope, bounded, send)
            return
        if not await limits.gate.enter():
            headers = {"Retry-After": str(limits.gate.retry_after)}
            await problem(path, 429, "Too many requests are running.", headers=headers)(scope, receive, send)
            return
        try:
            await self._app(scope, bounded, send)
        finally:
            limits.gate.leave()


class _BoundedBody:
    """`receive` that ends a body that is too large (413) or does not arrive (408)."""

    def __init__(self, receive: Receive, max_body: int) -> None:
        self._receive = receive
        self._max_body = max_body
        self._seen = 0
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()  # waits for the client to go, for as long as it takes
        try:
            async with asyncio.timeout(_BODY_PAUSE_S):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(
                408, f"Nothing of the body came for {_BODY_PAUSE_S:g} s.", {"Connection": "close"}
            ) from None
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self._seen > self._max_body:
                raise _too_large(self._max_body)
        return message


def _too_large(max_body: int) -> HTTPException:
    return HTTPException(413, f"The body is larger than {max_body:,} bytes.", {"Connection": "close"})
