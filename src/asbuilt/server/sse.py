"""Server-sent events: a response that lasts as long as its client listens.

The status line goes out with the first event, or after `_BEAT_S` without one; what fails before
that is an ordinary error response, what fails later is an event. While nothing is said, a comment
keeps proxies from giving up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from pydantic_core import to_json
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from asbuilt.server.service import Service

__all__ = ["EventStream", "sse_event"]

_BEAT_S = 10.0
_STALL_S = 60.0  # a client that takes nothing for so long is given up
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}


def sse_event(data: Any, *, name: str | None = None) -> bytes:
    """One event; `data` becomes JSON, which has no line breaks of its own."""
    head = b"" if name is None else f"event: {name}\n".encode()
    return b"%sdata: %s\n\n" % (head, to_json(data, inf_nan_mode="null"))


class EventStream(Response):
    """Sends `events`, already encoded. `failed` encodes an error that comes after the first one."""

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        *,
        service: Service,
        failed: Callable[[Exception], bytes],
    ) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._events = events
        self._service = service
        self._failed = failed
        self._started = False
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until they end, the client goes, or the service stops."""
        beat = asyncio.ensure_future(self._beat(send))
        try:
            await self._service.while_wanted(receive, self._send_all(send))
        except ClientDisconnect:
            return
        except Exception as error:
            if not self._started:
                raise
            await self._send(send, self._failed(error))
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._events) as events:
            async for event in events:
                await self._send(send, event)

    async def _beat(self, send: Send) -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            await self._send(send, b": still here\n\n")

    async def _send(self, send: Send, event: bytes) -> None:
        async with self._turn:
            if not self._started:
                self._started = True
                start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                await send(start)
            try:
                async with asyncio.timeout(_STALL_S):
                    await send({"type": "http.response.body", "body": event, "more_body": True})
            except TimeoutError:
                raise ClientDisconnect from None
