"""Who may talk to the service: no web page, and where keys are asked for nobody without one.

On loopback anybody on this machine may, so what remains is the browser of somebody on this
machine: a page can make it send requests here (CSRF), or make its own name resolve to 127.0.0.1
and read the answers (DNS rebinding). Host and Origin give both away.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from asbuilt.errors import UserError
from asbuilt.server.errors import problem

__all__ = ["Access", "Guard", "access_for", "is_loopback"]

_BROWSER_MAY = ("same-origin", "none")  # values of Sec-Fetch-Site: our own page, or typed by a person
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="asbuilt"'}


@dataclass(frozen=True, slots=True)
class Access:
    """What every request must show. `local_host`: a Host header that names this machine."""

    local_host: bool = True
    key: bool = False


def access_for(host: str, *, require_keys: bool, insecure: bool, has_keys: Callable[[], bool]) -> Access:
    """The rules for a service that is bound to `host`, an address or a name.

    Raises UserError where keys are asked for and there is none.
    """
    loopback = is_loopback(host)
    key = require_keys or not (loopback or insecure)
    if key and not has_keys():
        reason = (
            "api.require_keys is true" if require_keys else f"{host!r} can be reached from other machines"
        )
        hint = "Make one with `asbuilt keys add NAME`"
        hint += "." if require_keys else ", or let everybody in with --insecure."
        raise UserError(f"{reason}, but there is no API key.", hint=hint)
    return Access(local_host=loopback, key=key)


def is_loopback(host: str) -> bool:
    """Whether an address, or a name as it stands in a Host header, means this machine only."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware that lets through what `Access` allows."""

    def __init__(self, app: ASGIApp, *, access: Access, key_name: Callable[[str], str | None]) -> None:
        self._app = app
        self._access = access
        self._key_name = key_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            refused = self._refused_place(headers)
            if refused is not None:
                await problem(scope["path"], *refused)(scope, receive, send)
                return
            if self._access.key and not await self._has_key(headers):
                detail = "This needs an API key: Authorization: Bearer KEY."
                response = problem(scope["path"], 401, detail, code="invalid_api_key", headers=_CHALLENGE)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refused_place(self, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if self._access.local_host and not is_loopback(_name_of(host)):
            return 421, f"Host is {host!r}; this service answers to localhost and 127.0.0.1 only."
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return 403, f"Requests of pages from {origin!r} are refused."
        site = headers.get("sec-fetch-site")
        if site is not None and site not in _BROWSER_MAY:
            return 403, f"Requests of pages from elsewhere are refused (Sec-Fetch-Site: {site})."
        return None

    async def _has_key(self, headers: Headers) -> bool:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            return False
        return await run_sync(self._key_name, key.strip()) is not None


def _name_of(host: str) -> str:
    """The name in a Host header: without port, without the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
