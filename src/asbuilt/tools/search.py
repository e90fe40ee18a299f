"""The knowledge base as a tool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, Protocol, runtime_checkable

from asbuilt.registry import component
from asbuilt.resources.demand import holds_nothing
from asbuilt.roles import Retriever, Tool
from asbuilt.tools.arguments import Arguments, summary
from asbuilt.types import Effect, Hit, ToolSpec

__all__ = ["PassageTool", "SearchTool"]


@runtime_checkable
class PassageTool(Tool, Protocol):
    """A tool whose results are passages: an assistant numbers them, so that they can be cited."""

    def find(self, arguments: Mapping[str, Any]) -> list[Hit]:
        """The passages behind `call` with the same arguments. Raises ToolError."""
        ...


@component("tool/search")
class SearchTool:
    """Lets the model search the documents again, in words of its own.

    Give each of several search tools a `name` of its own. A result is text, each passage under its source,
    or with `form` "json" a list of objects with source and text, for agents that take it apart.
    """

    def __init__(
        self,
        *,
        retriever: Retriever,
        top_k: int = 3,
        name: str = "search",
        form: Literal["text", "json"] = "text",
    ) -> None:
        self._retriever = retriever
        self._top_k = top_k
        self._form = form
        self._arguments = Arguments(_search)
        self._spec = ToolSpec(name, summary(_search), self._arguments.schema)

    demand = staticmethod(holds_nothing)

    @property
    def spec(self) -> ToolSpec:
        return self._spec

    @property
    def effect(self) -> Effect:
        return "read"

    def find(self, arguments: Mapping[str, Any]) -> list[Hit]:
        """At most `top_k` hits, best first."""
        return self._retriever.retrieve(self._arguments.parse(arguments)["query"], top_k=self._top_k)

    def call(self, arguments: Mapping[str, Any], *, key: str = "") -> str:
        """The passages found, each with its source."""
        hits = self.find(arguments)
        if self._form == "json":
            found = [{"source": hit.chunk.source, "text": hit.chunk.text} for hit in hits]
            return json.dumps(found, ensure_ascii=False)
        return "\n\n".join(f"{hit.chunk.source}:\n{hit.chunk.text}" for hit in hits) or "Nothing was found."


def _search(query: str) -> None:
    """Search the documents again, when the passages at hand do not answer the question.

    Args:
        query: What to look for, in a few plain words.
    """
