"""The planning kit's documentation runs: every docstring example, and every block of its page."""

from __future__ import annotations

import doctest
import importlib
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

import asbuilt

PAGE = Path(__file__).parents[1] / "docs" / "planning-kit.md"
BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)
KIT = (
    "PATTERN_REFERENCE",
    "Blueprint",
    "ComponentSpec",
    "ComponentStatus",
    "EvaluationMetric",
    "EvaluationPlan",
    "MachineSpec",
    "ModelFootprint",
    "PortSpec",
    "SystemArchitecture",
    "SystemSpec",
    "plan_memory_usage",
    "show_pattern",
)
MODULES = (
    "asbuilt.blueprint.architecture",
    "asbuilt.blueprint.reference",
    "asbuilt.blueprint.spec",
    "asbuilt.resources.footprint",
)


@pytest.mark.parametrize("module", MODULES)
def test_docstring_examples_run(module: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(module))
    assert tried > 0
    assert failed == 0


@pytest.mark.parametrize("name", KIT[1:])
def test_every_name_is_explained_by_an_example(name: str) -> None:
    assert ">>>" in (getattr(asbuilt, name).__doc__ or "")


def test_every_name_is_public_and_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert set(KIT) <= set(asbuilt.__all__)
    assert [name for name in KIT if name not in text] == [
        "Blueprint",
        "SystemSpec",
    ]  # nobody makes these by hand


def test_the_page_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert [kind for kind, _ in blocks] == ["python", "text"] * (len(blocks) // 2)
    names: dict[str, object] = {}
    for (_, code), (_, expected) in zip(blocks[::2], blocks[1::2], strict=True):
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(code, str(PAGE), "exec"), names)
        assert printed.getvalue().rstrip("\n") == expected.rstrip("\n")
