"""What every route file needs to answer with."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from asbuilt.server.errors import PROBLEM_JSON
from asbuilt.server.schemas import Problem

__all__ = ["json_response", "problems"]

_WHEN = {
    400: "The body is not JSON.",
    401: "An API key is needed.",
    403: "Not from here: a web page, or a path outside of the roots.",
    404: "There is no such thing.",
    408: "The body did not arrive.",
    413: "The body is too large.",
    415: "The body has another media type.",
    421: "The Host header does not name this machine.",
    422: "The request is understood and wrong.",
    429: "Too many requests are running; see Retry-After.",
    502: "A remote model failed.",
    503: "Storage failed, something is missing, or the service is stopping.",
}


def json_response(value: Any, *, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    """`value` as JSON; dataclasses are objects, numbers that JSON lacks are null."""
    body = to_json(value, inf_nan_mode="null")
    return Response(body, status, headers=headers, media_type="application/json")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of a route's problem documents; the Guard's are in each."""
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        status: {"description": _WHEN[status], "content": {PROBLEM_JSON: {"schema": schema}}}
        for status in (401, 403, 421, *statuses)
    }
