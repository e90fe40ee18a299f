"""Every refusal and failure as one problem document (RFC 9457).

Under ``/v1`` the document also carries the member ``error`` in the shape that OpenAI's clients
read, and what is 422 elsewhere is 400 there, as those clients expect: one document, both readers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from asbuilt.errors import (
    AsbuiltError,
    BugError,
    EndpointError,
    LimitError,
    MissingError,
    NotFoundError,
    ReadError,
    StorageError,
    UnsafePathError,
    UserError,
)

__all__ = ["OPENAI_PREFIX", "PROBLEM_JSON", "install_handlers", "problem", "problem_document", "refusal"]

OPENAI_PREFIX = "/v1"
PROBLEM_JSON = "application/problem+json"

_RETRY_S = 5
_MAX_FAULTS = 20
_MAX_TEXT = 300
_CLIENT_GONE = 499  # nobody reads it; it only ends the request

# The nearest base class of an error that is listed here decides.
_STATUS: dict[type[BaseException], int] = {
    UserError: 422,
    NotFoundError: 404,
    LimitError: 422,
    UnsafePathError: 403,
    ReadError: 422,
    MissingError: 503,
    StorageError: 503,
    EndpointError: 502,
    BugError: 500,
    AsbuiltError: 500,
}
_UNEXPECTED = "The server failed; its log has the reason."


def problem_document(
    path: str, status: int, detail: str, *, faults: Sequence[Mapping[str, str]] = (), code: str | None = None
) -> dict[str, Any]:
    """The body of a problem for a request to `path`.

    `faults` are its single faults, each with `detail` and, in a body, the JSON `pointer` to it.
    """
    openai = path.startswith(f"{OPENAI_PREFIX}/")
    if openai and status == HTTPStatus.UNPROCESSABLE_ENTITY:
        status = HTTPStatus.BAD_REQUEST
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    if faults:
        document["errors"] = list(faults)
    if openai:
        document["error"] = {
            "message": detail,
            "type": _openai_type(status),
            "param": _openai_param(faults),
            "code": code,
        }
    return document


def problem(
    path: str,
    status: int,
    detail: str,
    *,
    faults: Sequence[Mapping[str, str]] = (),
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response with a problem document."""
    document = problem_document(path, status, detail, faults=faults, code=code)
    return Response(
        to_json(document), document["status"], headers=dict(headers or {}), media_type=PROBLEM_JSON
    )


def refusal(error: Exception) -> tuple[int, str]:
    """Status and detail that tell a client of `error`; nothing is told of what is not ours."""
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    for base in type(error).__mro__:
        if base in _STATUS and not isinstance(error, BugError):
            return _STATUS[base], str(error)
    return 500, _UNEXPECTED


def install_handlers(app: FastAPI) -> None:
    """Make `app` answer every error with a problem document."""
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(AsbuiltError, _on_ours)
    app.add_exception_handler(ClientDisconnect, _on_gone)
    app.add_exception_handler(Exception, _on_unexpected)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(request.scope["path"], error.status_code, str(error.detail), headers=error.headers)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    faults = [_fault(each) for each in found[:_MAX_FAULTS]]
    detail = "; ".join(
        f"{fault['pointer'][2:] or 'body'}: {fault['detail']}" if "pointer" in fault else fault["detail"]
        for fault in faults
    )
    if len(found) > _MAX_FAULTS:
        detail += f"; and {len(found) - _MAX_FAULTS} more"
    return problem(request.scope["path"], 422, detail, faults=faults)


async def _on_ours(request: Request, error: Exception) -> Response:
    if isinstance(error, BugError):
        raise error  # like any other failure: a traceback in the log
    status, detail = refusal(error)
    headers = {"Retry-After": str(_RETRY_S)} if isinstance(error, StorageError) else None
    return problem(request.scope["path"], status, detail, headers=headers)


async def _on_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_CLIENT_GONE)


async def _on_unexpected(request: Request, _error: Exception) -> Response:
    return problem(request.scope["path"], 500, _UNEXPECTED)


def _fault(error: Mapping[str, Any]) -> dict[str, str]:
    """One pydantic error without the input that caused it."""
    place = [_short(str(part)) for part in error["loc"]]
    fault = {"detail": _short(error["msg"])}
    if place and place[0] == "body":
        tokens = (part.replace("~", "~0").replace("/", "~1") for part in place[1:])
        fault["pointer"] = "#/" + "/".join(tokens) if len(place) > 1 else "#"
    elif place:
        fault["detail"] = f"{' '.join(place)}: {fault['detail']}"
    return fault


def _short(text: str) -> str:
    clean = text.encode(errors="replace").decode()
    return clean if len(clean) <= _MAX_TEXT else f"{clean[:_MAX_TEXT]}..."


def _openai_type(status: int) -> str:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limit_exceeded"
    return "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"


def _openai_param(faults: Sequence[Mapping[str, str]]) -> str | None:
    for fault in faults:
        if "pointer" in fault:
            return fault["pointer"].removeprefix("#").removeprefix("/").split("/")[0] or None
    return None
