"""What every Tool must do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, get_args

import pytest

from asbuilt.errors import ToolError
from asbuilt.roles import Tool
from asbuilt.types import Effect

__all__ = ["ToolContract"]


class ToolContract:
    """Subclass it in a test module and override the two fixtures.

    >>> class TestMyTool(ToolContract):
    ...     @pytest.fixture
    ...     def tool(self): return MyTool()
    ...     @pytest.fixture
    ...     def good_arguments(self): return {"query": "queues"}
    """

    @pytest.fixture
    def tool(self) -> Tool:
        """The tool under test, open."""
        raise NotImplementedError

    @pytest.fixture
    def good_arguments(self) -> Mapping[str, Any]:
        """Arguments of a call that succeeds."""
        raise NotImplementedError

    def test_plays_the_role(self, tool: Tool) -> None:
        assert isinstance(tool, Tool)
        assert tool.effect in get_args(Effect)

    def test_the_spec_is_stable_and_fit_for_any_engine(self, tool: Tool) -> None:
        spec = tool.spec
        assert spec == tool.spec
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", spec.name)
        assert spec.description.strip()
        assert spec.parameters["type"] == "object"
        assert isinstance(spec.parameters["properties"], Mapping)
        assert spec.parameters["additionalProperties"] is False
        assert json.loads(json.dumps(spec.parameters)) == spec.parameters

    def test_a_good_call_returns_text(self, tool: Tool, good_arguments: Mapping[str, Any]) -> None:
        assert isinstance(tool.call(good_arguments), str)

    def test_an_unknown_argument_is_refused_by_name(
        self, tool: Tool, good_arguments: Mapping[str, Any]
    ) -> None:
        with pytest.raises(ToolError, match="surely_unknown"):
            tool.call({**good_arguments, "surely_unknown": 1})

    def test_each_required_argument_is_missed_by_name(
        self, tool: Tool, good_arguments: Mapping[str, Any]
    ) -> None:
        for name in tool.spec.parameters.get("required", ()):
            with pytest.raises(ToolError, match=re.escape(name)):
                tool.call({key: value for key, value in good_arguments.items() if key != name})

    def test_arguments_are_not_changed(self, tool: Tool, good_arguments: Mapping[str, Any]) -> None:
        before = json.dumps(good_arguments)
        tool.call(good_arguments)
        assert json.dumps(good_arguments) == before
