"""Generation by any OpenAI-compatible endpoint: vLLM, SGLang, Ollama, llama-server, hosted ones."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from weakref import WeakKeyDictionary

import httpx

from asbuilt.errors import BugError, EndpointError, LimitError, MissingError, UserError
from asbuilt.generation.chat_wire import ChunkReader, chat_request, encoded, wire_message
from asbuilt.registry import component
from asbuilt.resources.demand import Assumptions, Demand
from asbuilt.types import Event, GenerationOptions, Message

__all__ = ["OpenAIGenerator"]

_ATTEMPTS = 3
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_REFUSED_INPUT = frozenset({400, 413, 422})
_BYTES_A_TOKEN, _TOKENS_A_MESSAGE = 3, 4
_CONNECT_TIMEOUT_S = 10.0
_KEPT_CONNECTIONS = 16
_END_S = 0.05
"""How long an answer may last that has said that it is done."""


class _TransientError(EndpointError):
    """A failure that may pass; `wait_s` is how long the endpoint asks to wait, if it says so."""

    def __init__(self, message: str, *, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


@component("generator/openai")
class OpenAIGenerator:
    """Asks `model` at `base_url` (up to and including ``/v1``).

    The API key, where one is needed, is read from the environment variable `api_key_env`.
    `context_tokens` is the model's context, which no endpoint tells. `timeout_s` is the longest
    silence, before the first token and between two; agents send `slots` requests at once at most.
    Until the first token has arrived a failed connection, 408, 429 and 5xx are tried again, at most
    three times in all and as late as Retry-After says (up to 30 s). Usage is the endpoint's own; zero
    where it reports none.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key_env: str | None = None,
        context_tokens: int = 8192,
        timeout_s: float = 120.0,
        slots: int = 4,
    ) -> None:
        if slots < 1:
            raise UserError(f"slots is {slots}; it must be at least 1.")
        self._slots = slots
        self._url = _checked(base_url).rstrip("/") + "/chat/completions"
        self._model = model
        self._api_key_env = api_key_env
        self._context_tokens = context_tokens
        self._timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))
        self._headers: dict[str, str] = {}
        self._tls: ssl.SSLContext | None = None
        self._clients = _LoopClients()

    @staticmethod
    def demand(config: Mapping[str, Any], assumed: Assumptions) -> Demand:  # noqa: ARG004
        """Nothing in this process."""
        note = f"{config['model']!r} runs at {config['base_url']}; its memory is not part of this plan"
        return Demand(notes=(note,))

    @property
    def slots(self) -> int:
        """Requests that the endpoint works on at once."""
        return self._slots

    @property
    def context_tokens(self) -> int:
        return self._context_tokens

    def open(self) -> None:
        """Read the API key. The endpoint is not asked for anything yet."""
        if self._api_key_env is not None:
            key = os.environ.get(self._api_key_env)
            if not key:
                raise MissingError(
                    f"{self._url} needs an API key, and {self._api_key_env} is not set.",
                    hint=f"Run: export {self._api_key_env}=...",
                )
            self._headers = {"Authorization": f"Bearer {key}"}
        self._tls = httpx.create_ssl_context()

    def close(self) -> None:
        """Forget the API key."""
        self._headers, self._tls, self._clients = {}, None, _LoopClients()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """An estimate that rarely falls short: 3 bytes a token, where English has about 4."""
        size = sum(
            len(json.dumps(wire_message(each), ensure_ascii=False).encode(errors="replace"))
            for each in messages
        )
        return size // _BYTES_A_TOKEN + _TOKENS_A_MESSAGE * len(messages)

    async def stream(
        self, messages: Sequence[Message], *, options: GenerationOptions
    ) -> AsyncIterator[Event]:
        body = {"model": self._model, **chat_request(messages, options)}
        for attempt in range(1, _ATTEMPTS + 1):
            reader = ChunkReader(model=self._model)
            try:
                async with aclosing(self._chunks(body)) as chunks:
                    async for chunk in chunks:
                        for delta in reader.feed(chunk):
                            yield delta
                for event in reader.finish():
                    yield event
                return
            except _TransientError as failure:
                wait_s = _FIRST_WAIT_S * 2 ** (attempt - 1) if failure.wait_s is None else failure.wait_s
                if reader.begun or attempt == _ATTEMPTS or wait_s > _LONGEST_WAIT_S:
                    raise
            await asyncio.sleep(wait_s)

    async def _chunks(self, body: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        """The decoded chunks of one request. Closing it closes the connection."""
        if self._tls is None:
            raise BugError("the generator is used before open() or after close().")
        headers = {"Content-Type": "application/json", **self._headers}
        content = encoded(body)
        client = await self._clients.here(self._tls)
        try:
            async with client.stream(
                "POST", self._url, content=content, headers=headers, timeout=self._timeout
            ) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    raise _refusal(answer)
                async with aclosing(_events(answer)) as events:
                    async for data in events:
                        if data == b"[DONE]":
                            break
                        yield _decoded(data)
                    # Read to its end, an answer leaves its connection for the next request.
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_END_S):
                            async for _ in events:
                                pass
        except httpx.TimeoutException as error:
            raise _TransientError(f"{self._url} was silent for {self._timeout.read} s.") from error
        except httpx.HTTPError as error:
            raise _TransientError(f"{self._url} failed: {error or type(error).__name__}.") from error


class _LoopClients:
    """One client an event loop, whose connections it keeps. The loop closes it at its own end, as it does
    every asynchronous generator that has not ended (`asyncio.run` sees to that)."""

    def __init__(self) -> None:
        self._held: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[httpx.AsyncClient, None]]
        self._held = WeakKeyDictionary()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    async def here(self, tls: ssl.SSLContext) -> httpx.AsyncClient:
        """The client of the running loop."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None or client.is_closed:
            held = _held_client(tls)
            client = await anext(held)
            self._held[loop], self._clients[loop] = held, client
        return client


async def _held_client(tls: ssl.SSLContext) -> AsyncGenerator[httpx.AsyncClient, None]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=_KEPT_CONNECTIONS)
    async with httpx.AsyncClient(verify=tls, limits=limits) as client:
        yield client


def _checked(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise UserError(f"base_url {base_url!r} is no URL: {error}.") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise UserError(f"base_url {base_url!r} must begin with http:// or https:// and a host.")
    return base_url


async def _events(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The data of each server-sent event. Lines end with LF or CR LF only: httpx would also split
    at U+2028 and the like, which JSON may hold."""
    rest = b""
    async for piece in answer.aiter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line.removeprefix(b"data:").strip()


def _decoded(data: bytes) -> Any:
    try:
        chunk = json.loads(data)
    except ValueError as error:
        raise EndpointError(f"the endpoint sent a chunk that is not JSON: {data[:200]!r}.") from error
    if isinstance(chunk, dict) and chunk.get("error"):
        raise EndpointError(f"the endpoint failed: {_message(chunk)}.")
    return chunk


def _refusal(answer: httpx.Response) -> Exception:
    try:
        said = answer.json()
    except ValueError:
        said = answer.text[:200]
    status, message = answer.status_code, _message(said)
    text = f"{answer.url} answered {status}: {message}."
    if status in _TRANSIENT:
        return _TransientError(text, wait_s=_retry_after_s(answer.headers.get("Retry-After", "")))
    if status in _REFUSED_INPUT:
        return LimitError(text) if "context" in message or status == 413 else UserError(text)
    return EndpointError(text)


def _message(said: Any) -> str:
    """What an error body says: ``{"error": {"message": ...}}`` and its relatives."""
    error = said.get("error", said) if isinstance(said, dict) else said
    return str(error.get("message", error) if isinstance(error, dict) else error).rstrip(".")


def _retry_after_s(header: str) -> float | None:
    """Seconds, or the time until a date (RFC 9110, section 10.2.3)."""
    if header.isdecimal():
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
