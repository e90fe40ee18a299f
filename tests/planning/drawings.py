"""Small blueprints for planning."""

from __future__ import annotations

from typing import Any

from asbuilt.blueprint import Blueprint

HEAD = "blueprint: 1\nsystem: {name: drawn, purpose: Be planned}\ntarget: dgx-spark\ncomponents:\n"


def drawn(*components: str) -> Blueprint:
    """Each component as one line of YAML."""
    return Blueprint.from_yaml(HEAD + "".join(f"  {each}\n" for each in components))


def model(name: str = "llama-3.1-8b", **config: Any) -> str:
    """A component called llm."""
    written = ", ".join(f"{key}: {value}" for key, value in {"model": name, **config}.items())
    return f"llm: {{use: generator/llama-cpp, purpose: Write, config: {{{written}}}}}"


EMBEDDER = "embedder: {use: embedder/fake, purpose: Embed}"
EXACT = "vectors: {use: index/exact, purpose: Search}"
QDRANT = "vectors: {use: index/qdrant-edge, purpose: Search}"
CHUNKER = "chunker: {use: chunker/structural, purpose: Cut}"
