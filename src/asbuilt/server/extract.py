"""POST /extract: a schema's values out of uploaded files, each with its evidence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from asbuilt.documents.sources import SourceFile
from asbuilt.errors import UserError
from asbuilt.extraction.pipeline import ExtractionStopped
from asbuilt.extraction.result import extraction_plain
from asbuilt.extraction.schema import load_schema
from asbuilt.fields import FieldSchema
from asbuilt.server.chat import failure_event
from asbuilt.server.json_body import media_type, parse_json
from asbuilt.server.responses import json_response, problems
from asbuilt.server.schemas import ExtractResponse
from asbuilt.server.service import Service, ServiceDep
from asbuilt.server.sse import EventStream, sse_event
from asbuilt.server.uploads import MULTIPART, UPLOADS, read_form

__all__ = ["router"]

router = APIRouter(tags=["asbuilt"])

_EVENT_STREAM = "text/event-stream"
_SCHEMA = "schema"
_MAX_SCHEMA_BYTES = 2**20

_FORM = {
    "type": "object",
    "required": [UPLOADS, _SCHEMA],
    "additionalProperties": False,
    "properties": {
        UPLOADS: {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}},
        _SCHEMA: {"type": "string", "description": "JSON Schema of the values that are asked for."},
    },
}
_EVENTS = (
    "With `Accept: text/event-stream`: `page` {document, page, pages} as each is read, `extraction` as each "
    "file is done, `done` {} at the end, or `error` with a problem document."
)
_EVENT_SCHEMA = {
    "type": "object",
    "properties": {"event": {"enum": ["page", "extraction", "done", "error"]}, "data": {"type": "object"}},
}

_Event = tuple[str, Any]


@router.post(
    "/extract",
    response_model=None,
    responses={
        200: {
            "model": ExtractResponse,
            "description": _EVENTS,
            "content": {_EVENT_STREAM: {"schema": _EVENT_SCHEMA}},
        },
        **problems(400, 404, 408, 413, 415, 422, 429, 502, 503),
    },
    openapi_extra={"requestBody": {"required": True, "content": {MULTIPART: {"schema": _FORM}}}},
)
async def extract(request: Request, service: ServiceDep) -> Response:
    """Take the values that a JSON Schema asks for out of files, each with quote, page and boxes.

    A value that is not there is `not_found` and says where it was looked for. A file that cannot be
    read has a `fault`, and the others go on. Files are kept no longer than the request.
    """
    kind = media_type(request)
    if kind != MULTIPART:
        raise HTTPException(415, f"Content-Type is {kind!r}; this takes {MULTIPART}.", {"Accept": MULTIPART})
    events = _events(request, service)
    if _EVENT_STREAM in request.headers.get("accept", ""):
        return EventStream(
            _encoded(events),
            service=service,
            failed=lambda error: failure_event(request, error, name="error"),
        )
    return json_response({"extractions": await service.while_wanted(request.receive, _extractions(events))})


async def _encoded(events: AsyncGenerator[_Event, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        async for name, data in events:
            yield sse_event(data, name=name)
    yield sse_event({}, name="done")


async def _extractions(events: AsyncGenerator[_Event, None]) -> list[dict[str, Any]]:
    async with aclosing(events):
        return [data async for name, data in events if name == "extraction"]


async def _events(request: Request, service: Service) -> AsyncGenerator[_Event, None]:
    """What happens, from the upload on; closing it ends the work at the page that is being read."""
    most = service.api.max_files
    async with read_form(request, max_files=most, max_field_bytes=_MAX_SCHEMA_BYTES) as form:
        if form.fields.keys() != {_SCHEMA}:
            raise UserError(f"the form takes {UPLOADS!r} and one field {_SCHEMA!r}, a JSON Schema.")
        schema = load_schema(parse_json(form.fields[_SCHEMA].encode()))
        async with aclosing(_work(form.files, schema, service)) as events:
            async for event in events:
                yield event


async def _work(
    files: Sequence[SourceFile], schema: FieldSchema, service: Service
) -> AsyncGenerator[_Event, None]:
    loop = asyncio.get_running_loop()
    happened: asyncio.Queue[_Event | None] = asyncio.Queue()
    unwanted = False

    def tell(event: _Event | None) -> None:
        loop.call_soon_threadsafe(happened.put_nowait, event)

    def on_page(document: str, page: int, pages: int) -> None:
        tell(("page", {"document": document, "page": page, "pages": pages}))

    def stopping() -> bool:
        return unwanted or service.stop_ingestion.is_set()

    def work() -> None:
        try:
            pipeline = service.system.extraction
            for extraction in pipeline.run(files, schema, on_page=on_page, stopping=stopping):
                tell(("extraction", extraction_plain(extraction)))
        finally:
            tell(None)

    task = asyncio.ensure_future(service.extract(work))
    try:
        while (event := await happened.get()) is not None:
            yield event
        try:
            await task
        except ExtractionStopped:
            raise HTTPException(503, "The service is shutting down.", {"Retry-After": "5"}) from None
    finally:
        unwanted = True
        await asyncio.gather(task, return_exceptions=True)
