"""A project as an MCP server: its knowledge base, its assistant and its tools for other programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.to_thread import run_sync
from jsonschema import Draft202012Validator

from asbuilt import __version__
from asbuilt.errors import AsbuiltError, MissingError
from asbuilt.roles import Tool
from asbuilt.system import System
from asbuilt.types import Effect

__all__ = ["mcp_server", "serve_stdio"]

_TOP_K = 5
_MOST = 20


@dataclass(frozen=True, slots=True)
class _Offer:
    """A tool as it is offered, and what a call does."""

    description: str
    schema: Mapping[str, Any]
    effect: Effect
    call: Callable[[Mapping[str, Any]], str]


def mcp_server(system: System, *, effects: Collection[Effect] = frozenset({"read"})) -> Any:
    """An MCP server (of the official SDK) with the tools `search` and `ask`, where the blueprint has a
    retriever and an assistant, and its own tools whose effect is among `effects`.

    A tool's own name goes before those two. Transactional tools are not offered: they run in runs only.
    """
    try:
        from mcp import types
        from mcp.server.lowlevel import Server
    except ImportError as error:
        raise MissingError(
            "an MCP server needs the package mcp.", hint="Run: pip install 'asbuilt[mcp]'"
        ) from error
    offers = _offers(system, effects)

    async def on_list_tools(_context: Any, _params: Any) -> Any:
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=name,
                    description=offer.description,
                    input_schema=dict(offer.schema),
                    annotations=types.ToolAnnotations(
                        read_only_hint=offer.effect == "read", idempotent_hint=offer.effect != "external"
                    ),
                )
                for name, offer in offers.items()
            ]
        )

    async def on_call_tool(_context: Any, params: Any) -> Any:
        offer = offers.get(params.name)
        if offer is None:
            return _result(types, f"there is no tool {params.name!r}; there are {', '.join(offers)}.", True)
        arguments = params.arguments or {}
        fault = next(iter(Draft202012Validator(dict(offer.schema)).iter_errors(arguments)), None)
        if fault is not None:
            return _result(types, f"{params.name}: {fault.message}", True)
        try:
            text = await run_sync(offer.call, arguments, abandon_on_cancel=True)
        except AsbuiltError as error:
            return _result(types, str(error), True)
        except Exception as error:  # a bug of a tool is that tool's answer, not the end of the server
            return _result(types, f"{params.name} failed: {type(error).__name__}: {error}", True)
        return _result(types, text, False)

    return Server(
        system.blueprint.system.name,
        version=__version__,
        instructions=system.blueprint.system.purpose,
        on_list_tools=on_list_tools,
        on_call_tool=on_call_tool,
    )


async def serve_stdio(server: Any) -> None:
    """Speak over standard input and output until the client hangs up. Whatever else this process prints goes
    to standard error, so that nothing but the protocol is on standard output."""
    from mcp.server.stdio import stdio_server

    with os.fdopen(os.dup(1), "w", encoding="utf-8") as protocol:
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        async with stdio_server(stdout=anyio.wrap_file(protocol)) as (read, write):
            await server.run(read, write, server.create_initialization_options())


def _result(types: Any, text: str, failed: bool) -> Any:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=failed)


def _offers(system: System, effects: Collection[Effect]) -> dict[str, _Offer]:
    offers: dict[str, _Offer] = {}
    for name in system.names_of("tool"):
        tool: Tool = system.part(name)
        if tool.effect in effects and tool.effect != "transactional":
            offers[tool.spec.name] = _Offer(
                tool.spec.description, tool.spec.parameters, tool.effect, tool.call
            )
    if system.names_of("retriever"):
        offers.setdefault(
            "search",
            _Offer(
                "Search the documents; gives passages with their source.",
                _object(
                    query={"type": "string", "description": "what to look for, in plain words"},
                    top_k={"type": "integer", "minimum": 1, "maximum": _MOST, "default": _TOP_K},
                ),
                "read",
                lambda arguments: _search(system, arguments),
            ),
        )
    if system.names_of("assistant"):
        offers.setdefault(
            "ask",
            _Offer(
                "Answer a question from the documents, with checked citations.",
                _object(question={"type": "string", "description": "the question"}),
                "read",
                lambda arguments: _ask(system, arguments),
            ),
        )
    return offers


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    required = [name for name, schema in properties.items() if "default" not in schema]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _search(system: System, arguments: Mapping[str, Any]) -> str:
    hits = system.search(arguments["query"], top_k=arguments.get("top_k", _TOP_K))
    found = [{"source": hit.chunk.source, "page": hit.chunk.page, "text": hit.chunk.text} for hit in hits]
    return json.dumps(found, ensure_ascii=False)


def _ask(system: System, arguments: Mapping[str, Any]) -> str:
    answer = system.ask(arguments["question"])
    cited = [
        {"number": each.number, "source": each.source, "page": each.page, "verified": each.verified}
        for each in answer.citations
    ]
    return json.dumps(
        {"answer": answer.text, "refused": answer.refused, "citations": cited}, ensure_ascii=False
    )
