"""Components that only these tests register."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from asbuilt.registry import component
from asbuilt.roles import Embedder, Generator, Index, Reranker, Retriever, Tool
from asbuilt.types import Effect, Filters, Hit, Matrix, ScoredId, ToolSpec, Vector


@component("embedder/drawn")
class DrawnEmbedder:
    """An embedder that is only ever looked at."""

    def __init__(
        self,
        *,
        batch_size: int = 8,
        device: Literal["cpu", "cuda"] = "cpu",
        model: Path | None = None,
        scale: float = 1.0,
        stops: tuple[str, ...] = (),
        api_key_env: str = "",
        size: int | str = 1,
        options: Mapping[str, int] | None = None,
    ) -> None: ...

    def embed(self, texts: Sequence[str], *, kind: Literal["passage", "query"] = "passage") -> Matrix:
        raise NotImplementedError


@component("index/drawn")
class DrawnIndex:
    """Needs a folder from the system, and a dimension in its config."""

    def __init__(self, *, folder: Path, dim: int) -> None: ...

    def search(self, query: str | Vector, *, top_k: int, filters: Filters | None = None) -> list[ScoredId]:
        raise NotImplementedError


@component("reranker/drawn")
class DrawnReranker:
    """Takes nothing."""

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        raise NotImplementedError


@component("retriever/drawn")
class DrawnRetriever:
    """Needs two, and may have a third."""

    def __init__(self, *, embedder: Embedder, index: Index, reranker: Reranker | None = None) -> None: ...

    def retrieve(self, query: str, *, top_k: int | None = None, filters: Filters | None = None) -> list[Hit]:
        raise NotImplementedError


@component("retriever/wrapping")
class WrappingRetriever:
    """Wraps another one."""

    def __init__(self, *, retriever: Retriever) -> None: ...

    def retrieve(self, query: str, *, top_k: int | None = None, filters: Filters | None = None) -> list[Hit]:
        raise NotImplementedError


@component("retriever/twice-reranked")
class TwiceRerankedRetriever:
    """May have two of one role."""

    def __init__(
        self, *, index: Index, first: Reranker | None = None, second: Reranker | None = None
    ) -> None: ...

    def retrieve(self, query: str, *, top_k: int | None = None, filters: Filters | None = None) -> list[Hit]:
        raise NotImplementedError


@component("tool/drawn")
class DrawnTool:
    """A tool of its own."""

    @property
    def spec(self) -> ToolSpec:
        raise NotImplementedError

    @property
    def effect(self) -> Effect:
        return "read"

    def call(self, arguments: Mapping[str, Any], *, key: str = "") -> str:
        raise NotImplementedError


@component("generator/drawn")
class DrawnGenerator:
    """May call tools."""

    def __init__(self, *, tools: Sequence[Tool] = (), generator: Generator | None = None) -> None: ...

    def stream(self) -> None:
        raise NotImplementedError
