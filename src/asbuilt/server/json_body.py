"""Request bodies as JSON, read strictly.

The parser refuses what Python's own would let through: NaN, lone surrogates, a second encoding,
nesting deep enough to exhaust the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

__all__ = ["JSON", "JsonRoute", "media_type", "parse_json"]

JSON = "application/json"


def media_type(request: Request) -> str:
    """The request's Content-Type, lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def parse_json(body: bytes) -> Any:
    """Python values of a JSON text. Raises HTTPException 400 when it is none."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise HTTPException(400, f"the body is not valid JSON: {error}") from None


class JsonRoute(APIRoute):
    """A route whose body, if it has one, is JSON and says so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handle_json(request: Request) -> Response:
            # A form or a plain text that a web page posts without asking first stops here too.
            if takes_body and media_type(request) != JSON:
                raise HTTPException(
                    415, f"Content-Type is {media_type(request)!r}; this takes {JSON}.", {"Accept": JSON}
                )
            return await handle(_JsonRequest(request.scope, request.receive))

        return handle_json


class _JsonRequest(Request):
    async def json(self) -> Any:
        return parse_json(await self.body())
