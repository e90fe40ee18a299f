"""The OpenAI chat completions format, which llama.cpp speaks too: requests out, stream chunks in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from pydantic_core import to_json

from asbuilt.errors import EndpointError, UserError
from asbuilt.types import Event, Finished, GenerationOptions, Message, TextDelta, ToolCall, ToolSpec, Usage

__all__ = ["ChunkReader", "chat_request", "check", "encoded", "new_call_id", "wire_message"]

_Reason = Literal["stop", "length", "tool_calls", "cancelled"]


def chat_request(messages: Sequence[Message], options: GenerationOptions) -> dict[str, Any]:
    """The body of a streaming request, without the model's name. Raises UserError as `check` does."""
    check(messages, options)
    request: dict[str, Any] = {
        "messages": [wire_message(message) for message in messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": options.temperature,
        "max_tokens": options.max_tokens,
    }
    if stop := [each for each in options.stop if each]:
        request["stop"] = stop
    if options.seed is not None:
        request["seed"] = options.seed
    if options.json_schema is not None:
        schema = {"name": "answer", "schema": dict(options.json_schema)}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    if options.tools:
        request["tools"] = [_wire_tool(tool) for tool in options.tools]
    return request


def check(messages: Sequence[Message], options: GenerationOptions) -> None:
    """Raises UserError for no messages, fewer than one token, or a temperature below 0."""
    if not messages:
        raise UserError("there are no messages to answer.")
    if options.max_tokens < 1:
        raise UserError(f"max_tokens is {options.max_tokens}; it must be at least 1.")
    if not options.temperature >= 0:
        raise UserError(f"temperature is {options.temperature}; it must be 0 or more.")


def encoded(request: Mapping[str, Any]) -> bytes:
    """The body's bytes. Raises UserError for what JSON or UTF-8 cannot hold."""
    try:
        return json.dumps(request, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError) as error:
        raise UserError(f"the request cannot be written as JSON: {error}.") from error


def wire_message(message: Message) -> dict[str, Any]:
    """One message as the format has it."""
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.name is not None:
        wire["name"] = message.name
    if message.tool_calls:
        wire["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": to_json(dict(call.arguments)).decode()},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def new_call_id() -> str:
    """For a tool call that came without one."""
    return f"call_{uuid4().hex}"


def _wire_tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


@dataclass(slots=True)
class _PartialCall:
    """A tool call as far as it has arrived."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class ChunkReader:
    """Turns the chunks of one stream, which `model` writes, into events.

    Every method raises EndpointError when the stream breaks the format.
    """

    def __init__(self, *, model: str = "") -> None:
        self._model = model
        self._text: list[str] = []
        self._calls: dict[int, _PartialCall] = {}
        self._reason: str | None = None
        self._usage = Usage()

    @property
    def begun(self) -> bool:
        """True once part of the answer has arrived."""
        return bool(self._text or self._calls)

    def feed(self, chunk: Any) -> list[TextDelta]:
        """The text that `chunk`, one decoded JSON value, adds."""
        try:
            return self._feed(chunk)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            shown = json.dumps(chunk)[:200]
            raise EndpointError(f"a chunk of the stream has an unexpected form: {shown}.") from error

    def finish(self) -> list[Event]:
        """The tool calls, if any, and Finished. Call it once, after the last chunk."""
        if self._reason is None:
            raise EndpointError("the stream ended before the answer was finished.")
        calls = self._finished_calls()
        reason: _Reason = "length" if self._reason == "length" else "tool_calls" if calls else "stop"
        message = Message("assistant", "".join(self._text), tool_calls=calls)
        return [*calls, Finished(message, self._usage, reason, model=self._model)]

    def _feed(self, chunk: Any) -> list[TextDelta]:
        if usage := chunk.get("usage"):
            details = usage.get("prompt_tokens_details") or {}
            self._usage = Usage(
                int(usage["prompt_tokens"]),
                int(usage["completion_tokens"]),
                int(details.get("cached_tokens") or 0),
            )
        deltas = []
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if text := delta.get("content"):
                deltas.append(TextDelta(str(text), self._model))
            for part in delta.get("tool_calls") or ():
                self._add_call(part)
            self._reason = choice.get("finish_reason") or self._reason
        self._text += [delta.text for delta in deltas]
        return deltas

    def _add_call(self, part: Mapping[str, Any]) -> None:
        call = self._calls.setdefault(int(part.get("index", 0)), _PartialCall())
        call.id = call.id or part.get("id") or ""
        function = part.get("function") or {}
        call.name += function.get("name") or ""
        call.arguments += function.get("arguments") or ""

    def _finished_calls(self) -> tuple[ToolCall, ...]:
        calls = []
        for _, call in sorted(self._calls.items()):
            try:
                arguments = json.loads(call.arguments or "{}")
            except ValueError as error:
                if self._reason == "length":
                    continue  # cut off by max_tokens in the middle of its arguments
                raise EndpointError(f"tool call {call.name!r} has broken arguments.") from error
            if not call.name or not isinstance(arguments, dict):
                raise EndpointError(f"tool call {call.name!r} has no name, or arguments that are no object.")
            calls.append(ToolCall(call.id or new_call_id(), call.name, arguments))
        return tuple(calls)
