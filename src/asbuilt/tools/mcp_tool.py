"""One tool of an MCP server (Model Context Protocol, https://modelcontextprotocol.io)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from asbuilt.errors import BugError, InDoubtError, ToolError, UserError
from asbuilt.registry import component, nearest
from asbuilt.resources.demand import holds_nothing
from asbuilt.tools.mcp_session import McpServer, McpSession, release, session_of, texts
from asbuilt.types import Effect, ToolSpec

__all__ = ["McpTool"]

_DESCRIPTION_CHARS = 1_000
_SCHEMA_CHARS = 20_000
_UNSEEN = re.compile(
    r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
"""Of a result: terminal codes, controls but tab and line end, and what changes the direction of text."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")
_LIST_S = 30.0


@component("tool/mcp")
class McpTool:
    """The tool `tool` of the server that `command` starts, or that is at `url`.

    What a call may change is what `effect` says here: the server's own hints are not believed. The tool has
    the component's name; its description and schema are the server's, as they were when the component was
    opened. When either has changed since, calls are refused. A call that did not end within `timeout_s`,
    or during which the server died, is in doubt unless the effect is "read". The server sees no variable
    of the environment but what every program needs, and those named in `env`.
    """

    def __init__(
        self,
        *,
        component_name: str,
        tool: str,
        command: tuple[str, ...] = (),
        url: str = "",
        effect: Effect = "external",
        env: tuple[str, ...] = (),
        allow_remote: bool = False,
        timeout_s: float = 30.0,
        max_result_chars: int = 8_000,
    ) -> None:
        if effect == "transactional":
            raise UserError("a tool of another process cannot be transactional; it may be idempotent.")
        self._name = component_name
        self._tool = tool
        self._server = McpServer(command, url, env, allow_remote)
        self._effect: Effect = effect
        self._timeout_s = timeout_s
        self._max_result_chars = max_result_chars
        self._session: McpSession | None = None
        self._offered: Mapping[str, Any] = {}
        self._spec: ToolSpec | None = None

    demand = staticmethod(holds_nothing)

    @property
    def spec(self) -> ToolSpec:
        if self._spec is None:
            raise BugError(f"{self._name} is used before open() or after close().")
        return self._spec

    @property
    def effect(self) -> Effect:
        return self._effect

    def open(self) -> None:
        """Connect, and take the tool's description and schema. Raises UserError where it is not offered."""
        self._session = session_of(self._server)
        try:
            self._offered = self._listed(self._session)
            self._spec = _spec(self._name, self._offered)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the server; the last of its tools ends it."""
        session, self._session, self._spec = self._session, None, None
        if session is not None:
            release(session)

    def call(self, arguments: Mapping[str, Any], *, key: str = "") -> str:
        spec = self.spec
        session = self._session
        assert session is not None, "spec is there only while it is open"
        fault = _fault(spec, arguments)
        if fault is not None:
            place = ".".join(map(str, fault.absolute_path)) or "arguments"
            raise ToolError(f"{spec.name}: {place}: {fault.message}")
        try:
            now = self._listed(session)
        except Exception as error:  # whatever the connection brings; nothing was called yet
            raise ToolError(f"{spec.name} cannot be reached: {error}") from error
        if now != self._offered:
            raise ToolError(
                f"{spec.name}: the server has changed the description or schema of {self._tool!r} since it "
                "was opened; it is not called. Look at it, then start again."
            )
        meta = {"idempotencyKey": key} if key else None
        try:
            result = session.ask(
                lambda client: client.call_tool(
                    self._tool, dict(arguments), read_timeout_seconds=self._timeout_s, meta=meta
                ),
                timeout_s=self._timeout_s + 1,
            )
        except Exception as error:  # whatever the connection or the server's process brings
            kind = ToolError if self._effect == "read" else InDoubtError
            raise kind(f"{spec.name} did not answer: {type(error).__name__}: {error}") from error
        text = self._cut(_UNSEEN.sub("", texts(result.content)))
        if result.is_error:
            kind = ToolError if self._effect == "read" else InDoubtError
            raise kind(f"{spec.name} failed: {text}")
        return text

    def _listed(self, session: McpSession) -> Mapping[str, Any]:
        """What the server offers under the tool's name now."""

        async def listed(client: Any) -> list[Any]:
            found, cursor = [], None
            while True:
                page = await client.list_tools(cursor=cursor, cache_mode="bypass")
                found += page.tools
                cursor = page.next_cursor
                if cursor is None:
                    return found

        tools = {each.name: each for each in session.ask(listed, timeout_s=_LIST_S)}
        if self._tool not in tools:
            close = nearest(self._tool, list(tools))
            raise UserError(
                f"the MCP server {self._server.name!r} has no tool {self._tool!r}.",
                hint=f"Did you mean {close!r}?"
                if close
                else f"It has: {', '.join(sorted(tools)) or 'none'}.",
            )
        offered = tools[self._tool]
        return {"description": offered.description or "", "schema": offered.input_schema}

    def _cut(self, text: str) -> str:
        limit = self._max_result_chars
        if len(text) <= limit:
            return text
        return f"{text[:limit]}\n[cut: the first {limit} of {len(text)} characters]"


def _fault(spec: ToolSpec, arguments: Mapping[str, Any]) -> ValidationError | None:
    """What is wrong with arguments first. Raises ToolError for a schema that cannot be followed."""
    try:
        return next(iter(Draft202012Validator(spec.parameters).iter_errors(dict(arguments))), None)
    except Exception as error:  # a reference to nowhere
        raise ToolError(f"{spec.name}: the server's schema cannot be followed: {error}") from error


def _cleaned(value: Any) -> Any:
    """`value`, of JSON's types, its texts without control characters."""
    match value:
        case str():
            return _CONTROL.sub(" ", value)
        case list():
            return [_cleaned(each) for each in value]
        case dict():
            return {_CONTROL.sub(" ", key): _cleaned(each) for key, each in value.items()}
    return value


def _spec(name: str, offered: Mapping[str, Any]) -> ToolSpec:
    """The server's words as a tool of ours. They are foreign text: no control characters, no end."""
    text = json.dumps(offered["schema"], ensure_ascii=False)
    if len(text) > _SCHEMA_CHARS:
        raise UserError(
            f"{name}: the server's schema has {len(text)} characters; {_SCHEMA_CHARS} are the most."
        )
    if foreign := re.search(r'"\$ref": "(?!#)([^"]*)"', text):
        raise UserError(f"{name}: the server's schema refers to {foreign[1]!r}, which is not part of it.")
    schema = _cleaned(json.loads(text))
    parameters = {
        **schema,
        "type": "object",
        "properties": schema.get("properties", {}),
        "additionalProperties": False,
    }
    try:
        Draft202012Validator.check_schema(parameters)
    except SchemaError as error:
        raise UserError(f"{name}: the server's schema is none: {error.message}") from error
    description = _CONTROL.sub(" ", str(offered["description"])).strip()[:_DESCRIPTION_CHARS]
    return ToolSpec(name, description or "(the server does not say what it does)", parameters)
