"""Ready-made blueprints for `asbuilt new`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from asbuilt.blueprint.design_pattern import DesignPattern
from asbuilt.blueprint.name import as_name
from asbuilt.blueprint.reference import PATTERN_REFERENCE, find_pattern
from asbuilt.blueprint.spec import ApiSpec, ComponentSpec, KnowledgeSpec
from asbuilt.blueprint.together import write_together
from asbuilt.errors import NotFoundError, StorageError, UserError
from asbuilt.registry import nearest

__all__ = ["PATTERNS", "write_pattern"]

_ASSISTANT = "assistant"
_SHIPPED_WHOLE = (_ASSISTANT, "document-intelligence", "multimodal", "agent-swarm", "training-pipeline")
PATTERNS = tuple(dict.fromkeys((*_SHIPPED_WHOLE, *(name.replace("_", "-") for name in PATTERN_REFERENCE))))
"""What `asbuilt new` can write: systems that run at once, and the designs of the reference."""

_PLAYED_BY = {
    "rag_pipeline": {
        "Document Processor": "chunker/structural",
        "Embedding Model": "embedder/minilm-l6",
        "Vector Store": "index/qdrant-edge",
        "RAG Retriever": "retriever/hybrid",
        "Fine-tuned LLM": "generator/llama-cpp",
        "Orchestrator": "assistant/cited",
    },
}
"""Implementations of a reference's components. Those that have none yet are planned."""

_IGNORED = ".asbuilt/\n"
_RUN = 'asbuilt check && asbuilt ingest docs && asbuilt ask "What is a blueprint?"'
_DRAW = "asbuilt check && asbuilt docs -o drawing"


def write_pattern(name: str, folder: Path) -> list[Path]:
    """Write the pattern's files into `folder`, which must be empty or not there yet; returns them.

    All files appear, or none. The system is called after the folder. Names may be written with
    underscores. Raises NotFoundError for an unknown pattern, UserError for a folder that holds
    something, StorageError when it cannot be written.
    """
    pattern = name.strip().lower().replace("_", "-")
    if pattern not in PATTERNS:
        close = nearest(pattern, PATTERNS)
        hint = f"Did you mean {close!r}?" if close else f"Patterns: {', '.join(PATTERNS)}."
        raise NotFoundError(f"there is no pattern {name!r}.", hint=hint)
    target = folder.absolute()
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UserError(f"{folder} is not an empty folder.", hint="Name one that is, or a new one.")
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror}.") from error
    system = as_name(target.name) or pattern
    made = _whole(pattern, system) if pattern in _SHIPPED_WHOLE else _reference(find_pattern(pattern), system)
    return sorted(write_together(folder, {**made, ".gitignore": _IGNORED}))


def _whole(pattern: str, system: str) -> dict[str, str]:
    """The shipped files; the system gets its own name."""
    made = dict(_shipped(files(__package__) / "patterns" / pattern))
    for file, line in (("blueprint.yaml", "  name: {}\n"), ("README.md", "# {}\n")):
        made[file] = made[file].replace(line.format(pattern), line.format(system), 1)
    return made


def _shipped(folder: Traversable, inside: str = "") -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _shipped(entry, f"{inside}{entry.name}/")
        else:
            yield inside + entry.name, entry.read_text(encoding="utf-8")


def _reference(pattern: DesignPattern, system: str) -> dict[str, str]:
    """A blueprint of the reference's components, and a README that shows its flow. One that can be
    built gets documents to try it on."""
    played_by = _PLAYED_BY.get(pattern.name, {})
    architecture = pattern.to_architecture(system)
    architecture.components = [_played(each, played_by) for each in pattern.components]
    made: dict[str, str] = {}
    if played_by:
        architecture.knowledge = KnowledgeSpec(sources=("docs",))
        architecture.api = ApiSpec(roots=("docs",))
        made = dict(_shipped(files(__package__) / "patterns" / _ASSISTANT / "docs", "docs/"))
    first = "# The drawing of this system. A component without `use` is planned. Pattern: " + pattern.name
    made["blueprint.yaml"] = f"{first}\n{architecture.to_blueprint().to_yaml()}"
    made["README.md"] = (
        f"# {system}\n\n{pattern.description}. It is drawn in `blueprint.yaml`.\n\n"
        f"    {_RUN if played_by else _DRAW}\n\n```text\n{pattern.diagram}\n```\n"
    )
    return made


def _played(component: ComponentSpec, played_by: dict[str, str]) -> ComponentSpec:
    """With what plays it: its class then says what goes in and out, and what it needs."""
    use = played_by.get(component.name)
    if use is None:
        return component
    return replace(component, use=use, inputs=(), outputs=(), dependencies=())
