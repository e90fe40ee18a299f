"""Connections to MCP servers: one for each server, however many tools are taken from it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from asbuilt.errors import EndpointError, MissingError, UserError

__all__ = ["McpServer", "McpSession", "session_of"]

T = TypeVar("T")

_START_S = 30.0
_STOP_S = 5.0
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class McpServer:
    """How a server is reached: a command that speaks over its standard streams, or a URL. Of the
    environment the command gets what every program needs, and the variables named in `env`."""

    command: tuple[str, ...] = ()
    url: str = ""
    env: tuple[str, ...] = ()
    allow_remote: bool = False

    def __post_init__(self) -> None:
        if bool(self.command) == bool(self.url):
            raise UserError("an MCP server needs either a command or a url.")
        host = urlsplit(self.url).hostname if self.url else None
        if self.url and host not in _LOOPBACK and not self.allow_remote:
            raise UserError(
                f"the MCP server {self.url!r} is on another machine.",
                hint="Set allow_remote: true where what is sent to it may leave this machine.",
            )

    @property
    def name(self) -> str:
        """For messages."""
        return self.url or " ".join(self.command)


class McpSession:
    """A connection that is made when it is first used, and again after the server died."""

    def __init__(self, server: McpServer) -> None:
        self.server = server
        self.users = 0
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: Any = None
        self._ended: asyncio.Event | None = None

    def ask(self, work: Callable[[Any], Coroutine[Any, Any, T]], *, timeout_s: float) -> T:
        """What ``work(client)`` gives. Raises TimeoutError, and what the client raises."""
        loop, client = self._connected()
        future: Future[T] = asyncio.run_coroutine_threadsafe(work(client), loop)
        try:
            return future.result(timeout_s)
        except FutureTimeoutError:
            future.cancel()
            raise TimeoutError(f"{self.server.name} did not answer within {timeout_s:g} s") from None
        except Exception:
            if not self._alive(client):
                self.close()
            raise

    def close(self) -> None:
        """End the connection, and with it a server that was started."""
        with self._lock:
            loop, thread, ended = self._loop, self._thread, self._ended
            self._loop = self._thread = self._client = self._ended = None
        if loop is not None and ended is not None:
            loop.call_soon_threadsafe(ended.set)
        if thread is not None:
            thread.join(_STOP_S)

    def _alive(self, client: Any) -> bool:
        try:
            loop, _ = self._loop, client.session
        except Exception:
            return False
        if loop is None:
            return False
        try:
            asyncio.run_coroutine_threadsafe(client.list_tools(cache_mode="bypass"), loop).result(_STOP_S)
        except Exception:
            return False
        return True

    def _connected(self) -> tuple[asyncio.AbstractEventLoop, Any]:
        with self._lock:
            if self._client is None:
                opened: Future[tuple[asyncio.AbstractEventLoop, Any, asyncio.Event]] = Future()
                self._thread = threading.Thread(target=self._run, args=(opened,), name="mcp", daemon=True)
                self._thread.start()
                try:
                    self._loop, self._client, self._ended = opened.result(_START_S + _STOP_S)
                except FutureTimeoutError:
                    raise EndpointError(
                        f"the MCP server {self.server.name!r} did not start within {_START_S:g} s."
                    ) from None
            assert self._loop is not None, "set beside the client"
            return self._loop, self._client

    def _run(self, opened: Future[Any]) -> None:
        try:
            asyncio.run(self._serve(opened))
        except BaseException as error:
            if not opened.done():
                opened.set_exception(_explained(self.server, error))

    async def _serve(self, opened: Future[Any]) -> None:
        from mcp import Client, StdioServerParameters

        where: Any = self.server.url
        if self.server.command:
            passed = {
                name: os.environ[name] for name in (*_ENVIRONMENT, *self.server.env) if name in os.environ
            }
            program, *arguments = self.server.command
            where = StdioServerParameters(command=program, args=arguments, env=passed)
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(_START_S):  # on failure the stack ends a server that was started
                client = await stack.enter_async_context(Client(where))
            ended = asyncio.Event()
            opened.set_result((asyncio.get_running_loop(), client, ended))
            await ended.wait()


_sessions: dict[McpServer, McpSession] = {}
_sessions_lock = threading.Lock()


def session_of(server: McpServer) -> McpSession:
    """The session with `server`, the same for all that ask; each gives it back with `release`."""
    try:
        import mcp  # noqa: F401
    except ImportError as error:
        raise MissingError(
            "tools of MCP servers need the package mcp.", hint="Run: pip install 'asbuilt[mcp]'"
        ) from error
    with _sessions_lock:
        session = _sessions.setdefault(server, McpSession(server))
        session.users += 1
        return session


def release(session: McpSession) -> None:
    """Give a session back; the last one to do so ends it."""
    with _sessions_lock:
        session.users -= 1
        last = session.users == 0
        if last:
            _sessions.pop(session.server, None)
    if last:
        session.close()


def _explained(server: McpServer, error: BaseException) -> Exception:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    if isinstance(error, FileNotFoundError):
        return UserError(f"the MCP server's command {server.command[0]!r} is not there.")
    return EndpointError(
        f"the MCP server {server.name!r} cannot be reached: {type(error).__name__}: {error}."
    )


def texts(content: Sequence[Any]) -> str:
    """The text of a result; pictures and files are named."""
    parts = []
    for each in content:
        values: Mapping[str, Any] = each.model_dump()
        if values.get("type") == "text":
            parts.append(str(values["text"]))
        else:
            parts.append(
                f"[{values.get('type')}: {values.get('uri') or values.get('mime_type') or 'no text'}]"
            )
    return "\n".join(parts)
