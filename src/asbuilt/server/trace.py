"""A trace of each request: what its components did, kept in the state folder."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from asbuilt.tracing import Recorder

__all__ = ["TraceMiddleware"]


class TraceMiddleware:
    """Everything that happens for an HTTP request, streams included, becomes one trace."""

    def __init__(self, app: ASGIApp, *, recorder: Recorder) -> None:
        self._app = app
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._recorder.request(f"{scope['method']} {scope['path']}"):
            await self._app(scope, receive, send)
