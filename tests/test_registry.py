"""Names to classes, and what a class says of itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import EntryPoint

import pytest

from asbuilt import registry
from asbuilt.errors import MissingError, NotFoundError, UserError
from asbuilt.registry import Need, component
from asbuilt.roles import Embedder, Reranker, Tool
from asbuilt.types import Filters, Hit


@component("retriever/registry-test")
class NeedyRetriever:
    """Needs something of every kind."""

    def __init__(
        self,
        *,
        embedder: Embedder,
        reranker: Reranker | None = None,
        tools: Sequence[Tool] = (),
        folder: object = None,
        top_k: int = 5,
        name: str,
    ) -> None:
        self.given = (embedder, reranker, tools, folder, top_k, name)

    def retrieve(self, query: str, *, top_k: int | None = None, filters: Filters | None = None) -> list[Hit]:
        return []


def test_a_signature_tells_needs_config_and_ports_apart() -> None:
    signature = registry.signature("retriever/registry-test")
    assert signature.needs == (
        Need("embedder", "embedder"),
        Need("reranker", "reranker", optional=True),
        Need("tools", "tool", many=True),
    )
    assert [(each.name, each.required) for each in signature.config] == [("top_k", False), ("name", True)]
    assert signature.given == ("folder",)
    assert [port.name for port in signature.inputs] == ["query", "top_k", "filters"]
    assert signature.outputs[0].type == "list[Hit]"


def test_every_shipped_name_resolves_to_the_class_that_registers_it() -> None:
    shipped = sorted(registry._SHIPPED)
    assert len(shipped) >= 20
    for name in shipped:
        cls = registry.resolve(name)
        assert f"{cls.__module__}:{cls.__qualname__}" == registry._SHIPPED[name]
        assert registry.signature(name).doc, f"{name} has no docstring"


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(NotFoundError, match=re.escape("Did you mean 'embedder/minilm-l6'?")):
        registry.resolve("embedder/minilm-16")


@pytest.mark.parametrize("name", ["embedder", "embedder/", "/x", "wizard/merlin", ""])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="is not role/name"):
        component(name)


def test_a_taken_name_is_refused() -> None:
    class Other:
        """Another."""

    with pytest.raises(UserError, match="already"):
        component("retriever/registry-test")(Other)
    with pytest.raises(UserError, match="already asbuilt"):
        component("embedder/minilm-l6")(Other)


def test_an_allowed_import_that_is_missing_says_so() -> None:
    with pytest.raises(MissingError, match="'no_such_module_here'"):
        registry.allow_import("no_such_module_here")


def test_a_broken_plugin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint(name="half", value="no_such_module_of_a_plugin", group="asbuilt.components")
    monkeypatch.setattr(registry, "entry_points", lambda group: [broken])
    monkeypatch.setattr(registry, "_plugins_loaded", False)
    with pytest.raises(MissingError, match=r"'half' cannot be imported.*no_such_module_of_a_plugin"):
        registry.names()
