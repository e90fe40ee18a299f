"""`asbuilt serve`: the application on a socket, until it is told to stop."""

from __future__ import annotations

import math
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI

from asbuilt.errors import UserError
from asbuilt.server.app import GRACE_S, create_app
from asbuilt.server.otel import exporter_from_environment
from asbuilt.server.running import remember_served
from asbuilt.server.service import Service
from asbuilt.system import System

__all__ = ["serve"]

_AFTER_GRACE_S = 20  # for an ingestion to come to its next batch and say so
_BACKLOG = 1024
_KEEP_ALIVE_S = 30  # longer than clients keep idle connections, so that none closes under a request


def serve(
    system: System,
    *,
    host: str | None = None,
    port: int | None = None,
    insecure: bool = False,
    grace_s: float = GRACE_S,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve `system` until SIGINT or SIGTERM, then finish what is running and return.

    `host` and `port` default to the blueprint's; port 0 takes a free one. `announce` gets the one
    line that says where the service is, once it answers (default: standard output). The port is
    taken first, so that requests that come while models load wait and are then answered.

    On a signal nothing new is accepted. Running answers have `grace_s` to finish and are cancelled
    then; an ingestion stops at its next batch, and the next one goes on from there. A second
    SIGINT does not wait. Closing the system is left to the caller.

    Raises UserError when the address cannot be taken, or may not without API keys.
    """
    host = system.blueprint.api.host if host is None else host
    port = system.blueprint.api.port if port is None else port
    with _signals_interrupt(), suppress(KeyboardInterrupt), _bound(host, port) as listener:
        address = listener.getsockname()[0]
        app = create_app(system, host=address, insecure=insecure, grace_s=grace_s)
        service: Service = app.state.service
        system.recorder.export = exporter_from_environment(system.blueprint)
        service.open()  # here, so that a signal can interrupt it
        remember_served(system, app.openapi(), _url(listener))
        line = f"{system.blueprint.system.name} is served at {_url(listener)}{service.api.prefix}"
        server = _Server(_config(app, grace_s), service, lambda: (announce or _print_line)(line))
        server.run(sockets=[listener])


def _config(app: FastAPI, grace_s: float) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(grace_s) + _AFTER_GRACE_S,
    )


class _Server(uvicorn.Server):
    """Says when it answers, and tells the service when it stops."""

    def __init__(self, config: uvicorn.Config, service: Service, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._service = service
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.stop()
        await super().shutdown(sockets)


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket. It listens at once: a second server must not get as far as its models."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # IPv4 first: "localhost" may also be ::1, which those who write 127.0.0.1 would not reach.
        family, kind, protocol, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        # With the protocol, not 0: by it asyncio knows to send small packets at once (TCP_NODELAY).
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise UserError(f"{host!r} is no address of this machine: {error}.") from error
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UserError(
            f"cannot listen on {host} port {port}: {error.strerror}.",
            hint="Stop what uses it, or choose another with --port (0 takes a free one).",
        ) from error
    with listener:
        yield listener


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM acts like Ctrl-C, while models load and after the server gave the signal back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _url(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    return f"http://[{address}]:{port}" if listener.family == socket.AF_INET6 else f"http://{address}:{port}"


def _print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
