"""The load generator's HTTP client: HTTP/1.1 by h11 over asyncio's streams, and nothing on top.

httpx takes about 4 ms of processor time a request, which would be measured as the server's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from urllib.parse import urlsplit

import h11

__all__ = ["LoadClient", "Response"]

_CHUNK = 65_536


class Response:
    """A response whose head has come."""

    def __init__(self, status: int, body: AsyncGenerator[bytes, None]) -> None:
        self.status = status
        self._body = body

    async def read(self) -> bytes:
        """All of the body."""
        async with aclosing(self._body) as parts:
            return b"".join([part async for part in parts])

    async def lines(self) -> AsyncGenerator[str, None]:
        """Lines of text as they come, without their end."""
        left = b""
        async with aclosing(self._body) as parts:
            async for part in parts:
                *whole, left = (left + part).split(b"\n")
                for line in whole:
                    yield line.rstrip(b"\r").decode("utf-8", "replace")
        if left:
            yield left.decode("utf-8", "replace")


class LoadClient:
    """Posts to one service. As many connections as requests need at once, used again when they end well."""

    def __init__(self, url: str, *, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._path = parts.path.rstrip("/")
        self._headers = [("Host", parts.netloc), ("Content-Type", "application/json"), *headers.items()]
        self._idle: list[_Connection] = []

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()

    @asynccontextmanager
    async def post(self, path: str, body: bytes) -> AsyncGenerator[Response, None]:
        """Raises OSError or h11.ProtocolError when the service is not there or breaks the protocol."""
        connection = self._reused() or await self._connect()
        try:
            yield await connection.post(self._path + path, self._headers, body)
        finally:
            if connection.is_reusable():
                self._idle.append(connection)
            else:
                connection.close()

    def _reused(self) -> _Connection | None:
        """One that is idle, and that the service has not closed meanwhile."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open():
                return connection
            connection.close()
        return None

    async def _connect(self) -> _Connection:
        return _Connection(*await asyncio.open_connection(self._host, self._port, ssl=self._tls))


class _Connection:
    """One request after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._state = h11.Connection(h11.CLIENT)

    async def post(self, target: str, headers: list[tuple[str, str]], body: bytes) -> Response:
        head = h11.Request(
            method="POST", target=target, headers=[*headers, ("Content-Length", str(len(body)))]
        )
        sent = [self._state.send(event) for event in (head, h11.Data(body), h11.EndOfMessage())]
        self._writer.write(b"".join(part for part in sent if part))
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return Response(event.status_code, self._body())

    async def _body(self) -> AsyncGenerator[bytes, None]:
        while not isinstance(event := await self._next(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                yield bytes(event.data)

    async def _next(self) -> h11.Event:
        while (event := self._state.next_event()) is h11.NEED_DATA:
            data = await self._reader.read(_CHUNK)
            if not data and self._state.their_state is h11.SEND_RESPONSE:
                raise ConnectionError("the service closed the connection without a reply")
            self._state.receive_data(data)
        assert not isinstance(event, type), "PAUSED comes only after the end of a message"
        return event

    def is_open(self) -> bool:
        """The other side has not closed it, as far as is known."""
        return not (self._reader.at_eof() or self._writer.is_closing())

    def is_reusable(self) -> bool:
        """Makes it ready for the next request; False when it cannot be."""
        try:
            self._state.start_next_cycle()
        except h11.ProtocolError:
            return False
        return True

    def close(self) -> None:
        self._writer.close()
