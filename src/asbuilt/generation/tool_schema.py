"""Tools for a model whose chat template knows none: described in words, called through a JSON schema.

The model is told of the tools in the system message and made to answer with one JSON object,
either ``{"tool_call": {"name": ..., "arguments": ...}}`` or ``{"response": "..."}``. A call is
therefore always valid against its tool's schema, however small the model; what it costs is that
every answer, while tools are offered, is written as a JSON string.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from asbuilt.errors import UserError
from asbuilt.generation.chat_wire import new_call_id
from asbuilt.types import GenerationOptions, Message, ToolCall, ToolSpec

__all__ = ["ReplyReader", "with_tools_in_words"]

_RESPONSE_START = re.compile(r'\s*\{\s*"response"\s*:\s*"')
# Whole characters of a JSON string: an escape is left until all of it is there, and so is the
# second half of a surrogate pair.
_WHOLE = re.compile(
    r'(?:[^"\\]'
    r"|\\[^u]"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u(?![dD][89abAB])[0-9a-fA-F]{4}"
    r")*"
)


def with_tools_in_words(
    messages: Sequence[Message], options: GenerationOptions
) -> tuple[list[Message], GenerationOptions]:
    """Messages without tool fields, and options with the schema in the tools' place.

    Raises UserError when the options have a `json_schema` of their own.
    """
    if options.json_schema is not None and options.tools:
        raise UserError(
            "json_schema and tools cannot go together: this model's chat template knows no tools.",
            hint="Leave one of them out, or use a model with tool support.",
        )
    plain = [_in_words(message) for message in messages]
    if not options.tools:
        return plain, options
    if plain and plain[0].role == "system":
        plain[0] = replace(plain[0], content=f"{plain[0].content}\n\n{_instructions(options.tools)}")
    else:
        plain.insert(0, Message("system", _instructions(options.tools)))
    return plain, replace(options, tools=(), json_schema=_schema(options.tools))


def _in_words(message: Message) -> Message:
    if message.role == "tool":
        return Message("user", f"Result of {message.name or 'the tool'}:\n{message.content}")
    asked = [
        json.dumps({"tool_call": {"name": call.name, "arguments": dict(call.arguments)}})
        for call in message.tool_calls
    ]
    return Message(message.role, "\n".join([message.content, *asked]).strip()) if asked else message


def _instructions(tools: Sequence[ToolSpec]) -> str:
    lines = [f"- {tool.name}: {tool.description} Arguments: {json.dumps(tool.parameters)}" for tool in tools]
    return "\n".join(
        [
            "You may call one of these tools:",
            *lines,
            'To call one, answer {"tool_call": {"name": "...", "arguments": {...}}}.',
            'Otherwise answer {"response": "..."}.',
        ]
    )


def _schema(tools: Sequence[ToolSpec]) -> dict[str, Any]:
    calls = [_object(name={"const": tool.name}, arguments=dict(tool.parameters)) for tool in tools]
    return {"anyOf": [_object(tool_call={"anyOf": calls}), _object(response={"type": "string"})]}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


class ReplyReader:
    """Reads the JSON object as it is written: text of a response at once, a call when it is whole.

    `text` is the response so far.
    """

    def __init__(self) -> None:
        self.text = ""
        self._raw = ""
        self._at: int | None = None  # where the unread part of the response string begins

    def feed(self, text: str) -> str:
        """What `text`, the next piece of JSON, adds to the response."""
        self._raw += text
        if self._at is None:
            start = _RESPONSE_START.match(self._raw)
            if start is None:
                return ""
            self._at = start.end()
        whole = _WHOLE.match(self._raw, self._at)
        assert whole is not None, "the pattern matches the empty string too"
        self._at = whole.end()
        added = str(json.loads(f'"{whole[0]}"', strict=False))
        self.text += added
        return added

    def call(self) -> ToolCall | None:
        """The tool call, or None for a response or a call that was cut off."""
        try:
            wanted = json.loads(self._raw)["tool_call"]
            return ToolCall(new_call_id(), wanted["name"], wanted["arguments"])
        except (ValueError, KeyError):
            return None
