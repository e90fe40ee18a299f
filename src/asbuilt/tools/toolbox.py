"""The tools of one assistant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from asbuilt.errors import AsbuiltError, UserError
from asbuilt.registry import nearest
from asbuilt.roles import Tool
from asbuilt.types import ToolCall, ToolResult, ToolSpec

__all__ = ["Toolbox"]


class Toolbox:
    """Tools by name, in the order given. Raises UserError when two have the same name."""

    def __init__(self, tools: Sequence[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for each in tools:
            if each.spec.name in self._tools:
                raise UserError(f"two tools are called {each.spec.name!r}.", hint="Rename one of them.")
            self._tools[each.spec.name] = each

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What a model is told."""
        return tuple(each.spec for each in self)

    def get(self, name: str) -> Tool | None:
        """The tool called `name`."""
        return self._tools.get(name)

    def run(self, call: ToolCall) -> ToolResult:
        """Run one call. What goes wrong becomes a failed result that tells the model why."""
        found = self.get(call.name)
        if found is None:
            return ToolResult(call, self._unknown(call.name), failed=True)
        try:
            return ToolResult(call, found.call(call.arguments))
        except AsbuiltError as error:
            return ToolResult(call, str(error), failed=True)

    def _unknown(self, name: str) -> str:
        close = nearest(name, list(self._tools))
        meant = f" Did you mean {close!r}?" if close else ""
        return f"there is no tool {name!r}.{meant} Tools: {', '.join(self._tools) or 'none'}."
