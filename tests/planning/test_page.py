"""The memory plan as a document."""

from __future__ import annotations

from pathlib import Path

from asbuilt.blueprint import Blueprint
from asbuilt.planning.page import critical_path, memory_page, memory_summary
from asbuilt.planning.plan import plan
from asbuilt.resources.machines import find_machine

TEXT = """
blueprint: 1
system: {{name: paged, purpose: Is planned on paper}}
target: rtx-4090
components:
  words: {{use: embedder/minilm-l6, purpose: Embed, hours: 2}}
  llm:
    use: generator/llama-cpp
    purpose: Write
    hours: 2.5
    config: {{context_tokens: 8192, slots: {slots}}}
  later: {{purpose: Wait, dependencies: [llm], hours: 1}}
"""


def page(slots: int, folder: Path) -> str:
    return memory_page(plan(Blueprint.from_yaml(TEXT.format(slots=slots)), folder=folder))


def test_a_plan_that_fits(tmp_path: Path) -> None:
    text = page(2, tmp_path)
    assert "# Memory plan: paged" in text
    assert "- **Machine**: rtx-4090 (NVIDIA GeForce RTX 4090)" in text
    assert "- **Verdict**: good: " in text
    assert "| llm | KV cache | 360 | GPU | always | 2 x 8192 tokens |" in text
    assert "What would fit" not in text
    assert text == page(2, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_plan_that_does_not(tmp_path: Path) -> None:
    text = page(256, tmp_path)
    assert "- **Verdict**: over by " in text
    assert "| llm | slots: 128 |" in text


def test_one_memory_has_no_column_for_where(tmp_path: Path) -> None:
    blueprint = Blueprint.from_yaml(TEXT.format(slots=1))
    planned = plan(blueprint, folder=tmp_path, machine=find_machine("dgx-spark"))
    assert "| component | part | MiB | when | from |" in memory_page(planned)
    assert memory_summary(planned) in memory_page(planned)


def test_the_critical_path(tmp_path: Path) -> None:
    planned = plan(Blueprint.from_yaml(TEXT.format(slots=1)), folder=tmp_path)
    assert critical_path(planned) == "With enough hands it takes 3.5 hours, along llm -> later."
    unestimated = Blueprint.from_yaml(
        "blueprint: 1\nsystem: {name: a, purpose: b}\ntarget: rtx-4090\ncomponents: {c: {purpose: d}}\n"
    )
    assert critical_path(plan(unestimated, folder=tmp_path)) == ""
