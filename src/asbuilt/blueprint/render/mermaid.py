"""The diagram as Mermaid text, for pages that draw it themselves."""

from __future__ import annotations

import re

from asbuilt.blueprint.render.drawing import Drawing
from asbuilt.blueprint.spec import Blueprint, ComponentSpec

__all__ = ["mermaid"]

_STYLES = (
    "classDef built fill:#eef3fd,stroke:#3565c8,color:#16233f",
    "classDef planned fill:#ffffff,stroke:#8590a3,color:#3b4453,stroke-dasharray:5 4",
    "classDef outside fill:#f4f5f7,stroke:#a6aebb,color:#5d6675,stroke-dasharray:1 3",
)


def mermaid(blueprint: Blueprint, drawing: Drawing) -> str:
    """A flowchart from left to right, with a newline at its end."""
    ids = {name: f"c{number}" for number, name in enumerate((*blueprint.names(), *drawing.outside), start=1)}
    lines = ["flowchart LR"]
    lines += [f'  {ids[each.name]}["{_label(each)}"]:::{_style(each)}' for each in blueprint.components]
    lines += [f'  {ids[name]}(["{_text(name)}"]):::outside' for name in drawing.outside]
    lines += [f"  {ids[before]} --> {ids[after]}" for before, after in drawing.edges]
    lines += [f"  {style}" for style in _STYLES]
    return "\n".join(lines) + "\n"


def _style(component: ComponentSpec) -> str:
    return "planned" if component.use is None else "built"


def _label(component: ComponentSpec) -> str:
    return f"{_text(component.title or component.name)}<br/>{_text(component.use or 'planned')}"


def _text(text: str) -> str:
    """Everything that Mermaid or HTML reads as its own, as a character code."""
    return re.sub(r"[^\w ./-]", lambda found: f"#{ord(found[0])};", " ".join(text.split()))
