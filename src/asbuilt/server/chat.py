"""POST /chat: a conversation in, an answer out, whole or as events."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, cast
from uuid import uuid4

from anyio.to_thread import run_sync
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from asbuilt.errors import BugError, LimitError, StorageError
from asbuilt.server.errors import problem_document, refusal
from asbuilt.server.json_body import JsonRoute
from asbuilt.server.metrics import call_of, observed
from asbuilt.server.responses import json_response, problems
from asbuilt.server.schemas import ChatRequest, ChatResponse
from asbuilt.server.service import Service, ServiceDep
from asbuilt.server.sse import EventStream, sse_event
from asbuilt.types import (
    CitationsReady,
    Event,
    Finished,
    Message,
    TextDelta,
    ToolCall,
    ToolResult,
    Usage,
)

__all__ = ["check_messages", "closing", "failure_event", "finish", "router"]

_log = logging.getLogger("asbuilt.server")

router = APIRouter(route_class=JsonRoute, tags=["asbuilt"])

_EVENTS = """The answer. With `stream` it comes as server-sent events, the data of each a JSON object:

- `token` {text}, as the answer is written; between them `tool_call` {id, name, arguments} and
  `tool_result` {id, name, content, failed};
- then `citations` {citations}, `usage` {prompt_tokens, completion_tokens, total_tokens} and `done`
  {id, message, reason, refused, uncited, notes, latency_ms, and model where one wrote it};
- or, at any time, `error`: a problem document. Nothing follows it.

Lines that start with a colon only keep the connection alive."""
_EVENT_SCHEMA = {
    "type": "object",
    "description": "One event.",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["token", "tool_call", "tool_result", "citations", "usage", "done", "error"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}


@router.post(
    "/chat",
    response_model=None,
    responses={
        200: {
            "model": ChatResponse,
            "description": _EVENTS,
            "content": {"text/event-stream": {"schema": _EVENT_SCHEMA}},
        },
        **problems(400, 404, 408, 413, 415, 422, 429, 502, 503),
    },
)
async def chat(body: ChatRequest, request: Request, service: ServiceDep) -> Response:
    """Answer the last message of a conversation from the documents, with checked citations."""
    started = time.perf_counter()
    messages = [message.value() for message in body.messages]
    check_messages(messages, service)
    answer_id = f"chat-{uuid4().hex}"
    events = observed(request, closing(service.assistant.answer(messages, options=body.options())))
    if body.stream:
        return EventStream(
            _encoded(events, answer_id, started, partial(_remember, service, answer_id, messages)),
            service=service,
            failed=lambda error: failure_event(request, error, name="error"),
        )
    finished = await service.while_wanted(request.receive, finish(events))
    await _remember(service, answer_id, messages, finished)
    citations = finished.answer.citations if finished.answer else ()
    return json_response(
        {
            "id": answer_id,
            "message": _message(finished.message),
            "usage": _usage(finished.usage),
            "latency_ms": _since(started),
            "citations": citations,
            **_model(finished),
        }
    )


def check_messages(messages: Sequence[Message], service: Service) -> None:
    """Raise LimitError when there are too many messages, or too long ones."""
    limits = service.api
    if len(messages) > limits.max_messages:
        raise LimitError(f"{len(messages)} messages; at most {limits.max_messages} (api.max_messages).")
    longest = max(len(message.content) for message in messages)
    if longest > limits.max_message_chars:
        raise LimitError(
            f"a message has {longest:,} characters; at most {limits.max_message_chars:,} "
            "(api.max_message_chars)."
        )


def closing(events: AsyncIterator[Event]) -> AsyncGenerator[Event, None]:
    """The events of a role, as what they are: an iterator that stops its work when it is closed."""
    return cast(AsyncGenerator[Event, None], events)


async def finish(events: AsyncGenerator[Event, None]) -> Finished:
    """Wait for all of `events`; the last of them."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Finished):
                return event
    raise BugError("a stream of events ended without Finished.")


def failure_event(request: Request, error: Exception, *, name: str | None = None) -> bytes:
    """What goes wrong while a stream runs, as its last event."""
    status, detail = refusal(error)
    call_of(request).failed = status
    if status == 500:
        _log.error("a stream failed", exc_info=error)
    return sse_event(problem_document(request.scope["path"], status, detail), name=name)


async def _remember(
    service: Service, answer_id: str, messages: Sequence[Message], finished: Finished
) -> None:
    """Keep the answer, so that it can be rated. One that cannot be kept is given all the same."""
    hits = finished.answer.hits if finished.answer else ()
    chunk_ids = [hit.chunk.id for hit in hits]
    service.wrote(answer_id, finished.model)
    add = service.system.catalog.answers.add
    try:
        await run_sync(partial(add, answer_id, messages, finished.message.content, chunk_ids))
    except StorageError as error:
        _log.error("an answer cannot be kept for feedback: %s", error)


async def _encoded(
    events: AsyncGenerator[Event, None],
    answer_id: str,
    started: float,
    remember: Callable[[Finished], Awaitable[None]],
) -> AsyncGenerator[bytes, None]:
    cited = False
    async with aclosing(events):
        async for event in events:
            match event:
                case TextDelta(text):
                    yield sse_event({"text": text}, name="token")
                case ToolCall():
                    yield sse_event(event, name="tool_call")
                case ToolResult(call, content, failed):
                    result = {"id": call.id, "name": call.name, "content": content, "failed": failed}
                    yield sse_event(result, name="tool_result")
                case CitationsReady(citations):
                    cited = True
                    yield sse_event({"citations": citations}, name="citations")
                case Finished():
                    if not cited:
                        yield sse_event({"citations": []}, name="citations")
                    await remember(event)  # first, so that whoever has the id can rate it
                    yield sse_event(_usage(event.usage), name="usage")
                    yield sse_event(_done(event, answer_id, started), name="done")


def _done(finished: Finished, answer_id: str, started: float) -> dict[str, Any]:
    answer = finished.answer
    return {
        "id": answer_id,
        "message": _message(finished.message),
        "reason": finished.reason,
        "refused": answer.refused if answer else False,
        "uncited": answer.uncited if answer else (),
        "notes": answer.notes if answer else (),
        "latency_ms": _since(started),
        **_model(finished),
    }


def _model(finished: Finished) -> dict[str, str]:
    return {"model": finished.model} if finished.model else {}


def _message(message: Message) -> dict[str, Any]:
    written: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        written["tool_calls"] = message.tool_calls
    return written


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def _since(started: float) -> float:
    return round(1000 * (time.perf_counter() - started), 3)
