from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from asbuilt.catalog import Catalog
from asbuilt.errors import StorageError, UserError
from asbuilt.roles import Tool
from asbuilt.testing.fixed_retriever import FixedRetriever
from asbuilt.testing.tool_contract import ToolContract
from asbuilt.tools import FunctionTool, PassageTool, SearchTool, Toolbox
from asbuilt.types import Filters, Hit, ToolCall


def echo(text: str) -> str:
    """Say it again."""
    return text


def other(text: str) -> str:
    """Say something else."""
    return text[::-1]


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(id="c1", name=name, arguments=arguments)


def test_calls_go_to_the_tool_of_that_name() -> None:
    box = Toolbox([FunctionTool(echo), FunctionTool(other)])
    assert [spec.name for spec in box.specs] == ["echo", "other"]
    result = box.run(call("other", text="abc"))
    assert (result.content, result.failed, result.call.id) == ("cba", False, "c1")


def test_what_goes_wrong_is_told_to_the_model() -> None:
    box = Toolbox([FunctionTool(echo), FunctionTool(other)])
    unknown = box.run(call("ecko", text="a"))
    assert unknown.failed
    assert unknown.content == "there is no tool 'ecko'. Did you mean 'echo'? Tools: echo, other."
    assert Toolbox().run(call("echo")).content == "there is no tool 'echo'. Tools: none."
    bad = box.run(call("echo", txt="a"))
    assert bad.failed
    assert "'text' is required" in bad.content


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(UserError, match="two tools are called 'echo'"):
        Toolbox([FunctionTool(echo), FunctionTool(other, name="echo")])


class BrokenRetriever:
    def retrieve(self, query: str, *, top_k: int | None = None, filters: Filters | None = None) -> list[Hit]:
        raise StorageError("the index is gone.")


def test_a_failing_world_is_told_to_the_model_too() -> None:
    result = Toolbox([SearchTool(retriever=BrokenRetriever())]).run(call("search", query="a"))
    assert (result.failed, result.content) == (True, "the index is gone.")


@pytest.fixture
def search(tmp_path: Path) -> SearchTool:
    catalog = Catalog(file=tmp_path / "catalog.sqlite")
    catalog.open()
    retriever = FixedRetriever(catalog=catalog, passages={"a.rst": "Alpha.", "b.rst": "Beta."})
    retriever.open()
    return SearchTool(retriever=retriever, top_k=1)


class TestSearchTool(ToolContract):
    @pytest.fixture
    def tool(self, search: SearchTool) -> Tool:
        return search

    @pytest.fixture
    def good_arguments(self) -> Mapping[str, Any]:
        return {"query": "queues"}


def test_search_returns_passages_under_their_sources(search: SearchTool) -> None:
    assert isinstance(search, PassageTool)
    assert search.call({"query": "x"}) == "a.rst:\nAlpha."
    assert [hit.chunk.source for hit in search.find({"query": "x"})] == ["a.rst"]


def test_search_that_finds_nothing_says_so(tmp_path: Path) -> None:
    catalog = Catalog(file=tmp_path / "catalog.sqlite")
    catalog.open()
    empty = FixedRetriever(catalog=catalog, passages={})
    empty.open()
    assert SearchTool(retriever=empty).call({"query": "x"}) == "Nothing was found."
