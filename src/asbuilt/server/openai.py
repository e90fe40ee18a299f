"""OpenAI's protocol under /v1, so that its clients work unchanged.

The model named after the system is the assistant: it retrieves, cites and says so in the extra
member `citations`. The generator and the embedder go by their names in the blueprint. `model` is the
name that was asked for; which model wrote a completion stands in `system_fingerprint`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any
from uuid import uuid4

import numpy as np
from fastapi import APIRouter
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from asbuilt.errors import LimitError, UserError
from asbuilt.server.chat import check_messages, closing, failure_event, finish
from asbuilt.server.json_body import JsonRoute
from asbuilt.server.metrics import observed
from asbuilt.server.openai_schemas import ChatCompletionRequest, EmbeddingsRequest, ModelList, OpenAIModel
from asbuilt.server.responses import json_response, problems
from asbuilt.server.service import Service, ServiceDep
from asbuilt.server.sse import EventStream, sse_event
from asbuilt.types import CitationsReady, Event, Finished, Message, TextDelta, Usage, Vector

__all__ = ["MODELS_OF_REQUESTS", "router"]

router = APIRouter(route_class=JsonRoute, tags=["OpenAI"])

_FINISH = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "cancelled": "stop"}
_CHAT = ("assistant", "generator")
_EMBED = ("embedder",)
MODELS_OF_REQUESTS = {"ChatCompletionRequest": _CHAT, "EmbeddingsRequest": _EMBED}
_DONE = b"data: [DONE]\n\n"


# ---------------------------------------------------------------- models


@router.get("/models", response_model=None, responses={200: {"model": ModelList}, **problems()})
async def models(service: ServiceDep) -> Response:
    """The models that requests may name."""
    return json_response(ModelList(data=[_model(name, service) for name in service.models]).model_dump())


@router.get(
    "/models/{model:path}", response_model=None, responses={200: {"model": OpenAIModel}, **problems(404)}
)
async def model(model: str, service: ServiceDep) -> Response:
    """One of them."""
    _check_model(model, service, *_CHAT, *_EMBED)
    return json_response(_model(model, service).model_dump())


def _model(name: str, service: Service) -> OpenAIModel:
    return OpenAIModel(id=name, created=int(service.started_at))


def _check_model(name: str, service: Service, *roles: str) -> None:
    fit = service.models_of(*roles)
    if name not in fit:
        known = ", ".join(map(repr, fit)) or "none"
        raise HTTPException(404, f"there is no model {name[:80]!r} for this; known: {known}.")


# ---------------------------------------------------------------- chat completions


@router.post(
    "/chat/completions",
    response_model=None,
    responses={
        200: {
            "description": "A chat completion; with `stream` its chunks as server-sent events.",
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/event-stream": {
                    "schema": {"type": "object", "properties": {"data": {"type": "string"}}}
                },
            },
        },
        **problems(400, 404, 408, 413, 415, 429, 502, 503),
    },
)
async def chat_completions(body: ChatCompletionRequest, request: Request, service: ServiceDep) -> Response:
    """Continue a conversation, by the assistant or by the bare generator."""
    _check_model(body.model, service, *_CHAT)
    messages = [message.value() for message in body.messages]
    check_messages(messages, service)
    if service.models[body.model] == "assistant":
        events = closing(service.assistant.answer(messages, options=body.options()))
    else:
        events = closing(service.generator.stream(messages, options=body.options()))
    events = observed(request, events)
    completion = _Completion(body.model)
    if body.stream:
        include_usage = body.stream_options is not None and body.stream_options.include_usage
        return EventStream(
            completion.chunks(events, include_usage=include_usage),
            service=service,
            failed=partial(failure_event, request),
        )
    finished = await service.while_wanted(request.receive, finish(events))
    return json_response(completion.whole(finished))


class _Completion:
    """One completion in OpenAI's words."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._id = f"chatcmpl-{uuid4().hex}"
        self._created = int(time.time())

    def whole(self, finished: Finished) -> dict[str, Any]:
        """The object `chat.completion`."""
        message = finished.message
        written: dict[str, Any] = {"role": "assistant", "content": message.content}
        if message.tool_calls:
            written["tool_calls"] = _tool_calls(message)
        choice = {
            "index": 0,
            "message": written,
            "logprobs": None,
            "finish_reason": _FINISH[finished.reason],
        }
        completion = self._envelope("chat.completion", [choice])
        completion["usage"] = _usage(finished.usage)
        if finished.answer is not None:
            completion["citations"] = finished.answer.citations
        return {**completion, **_fingerprint(finished)}

    async def chunks(
        self, events: AsyncGenerator[Event, None], *, include_usage: bool
    ) -> AsyncGenerator[bytes, None]:
        """The objects `chat.completion.chunk`, as events."""
        role: dict[str, str] = {"role": "assistant"}  # in the first delta only
        last: dict[str, Any] = {}
        async with aclosing(events):
            async for event in events:
                match event:
                    case TextDelta(text):
                        yield self._chunk({**role, "content": text}, include_usage)
                        role = {}
                    case CitationsReady(citations):
                        last["citations"] = citations
                    case Finished(message, usage, reason):
                        last |= _fingerprint(event)
                        if message.tool_calls:
                            calls = [{"index": at, **call} for at, call in enumerate(_tool_calls(message))]
                            yield self._chunk({**role, "tool_calls": calls}, include_usage)
                            role = {}
                        yield self._chunk(role, include_usage, finish_reason=_FINISH[reason], **last)
                        if include_usage:
                            tail = self._envelope("chat.completion.chunk", [])
                            yield sse_event({**tail, "usage": _usage(usage)})
                        yield _DONE

    def _chunk(
        self, delta: dict[str, Any], include_usage: bool, *, finish_reason: str | None = None, **extra: Any
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk = self._envelope("chat.completion.chunk", [choice])
        if include_usage:
            chunk["usage"] = None
        return sse_event({**chunk, **extra})

    def _envelope(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }


def _fingerprint(finished: Finished) -> dict[str, str]:
    return {"system_fingerprint": finished.model} if finished.model else {}


def _tool_calls(message: Message) -> list[dict[str, Any]]:
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": to_json(call.arguments).decode()},
        }
        for call in message.tool_calls
    ]


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


# ---------------------------------------------------------------- embeddings


@router.post(
    "/embeddings",
    response_model=None,
    responses={
        200: {
            "description": "A vector for each text. An embedder does not count tokens: `usage` is 0.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        **problems(400, 404, 408, 413, 415, 429, 502, 503),
    },
)
async def embeddings(body: EmbeddingsRequest, service: ServiceDep) -> Response:
    """Vectors of texts, by the embedder that the documents are searched with."""
    _check_model(body.model, service, *_EMBED)
    texts = body.texts()
    longest = max(map(len, texts))
    if longest > service.api.max_message_chars:
        raise LimitError(
            f"a text has {longest:,} characters; at most {service.api.max_message_chars:,} "
            "(api.max_message_chars)."
        )
    if body.dimensions not in (None, service.embedder.dim):
        raise UserError(f"dimensions is {body.dimensions}; this model has {service.embedder.dim}.")
    vectors = await service.search(partial(service.embedder.embed, texts))
    encode: Callable[[Vector], Any] = _base64 if body.encoding_format == "base64" else _floats
    return json_response(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": at, "embedding": encode(vector)}
                for at, vector in enumerate(vectors)
            ],
            "model": body.model,
            "usage": {"prompt_tokens": 0, "total_tokens": 0},
        }
    )


def _floats(vector: Vector) -> list[float]:
    return [float(value) for value in vector]


def _base64(vector: Vector) -> str:
    """float32, little endian, as OpenAI's clients decode it."""
    return base64.b64encode(np.ascontiguousarray(vector, "<f4").tobytes()).decode()
